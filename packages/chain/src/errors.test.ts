import { expect, test } from "vitest"

import { type ChainError, type ChainErrorCode, productCode } from "./index.ts"

const BYTES = new Uint8Array(32)
/** One error of each code: the compiler asks for every one. */
const SAMPLES: { readonly [C in ChainErrorCode]: Extract<ChainError, { readonly code: C }> } = {
  "chain-malformed": { code: "chain-malformed", what: "x" },
  "link-type-unknown": { code: "link-type-unknown", type: 9 },
  "suite-unknown": { code: "suite-unknown", suite: 2 },
  "suite-below-floor": { code: "suite-below-floor", suite: 1, floor: 2 },
  "chain-wrong-id": { code: "chain-wrong-id" },
  "chain-out-of-order": { code: "chain-out-of-order", expectedSeq: 2, seq: 3 },
  "authority-wrong": { code: "authority-wrong", seq: 2 },
  "seen-wrong": { code: "seen-wrong", seq: 2 },
  "account-behind": { code: "account-behind", account: "00", haveSeq: 1, needSeq: 2 },
  "chain-signature-invalid": { code: "chain-signature-invalid", seq: 2 },
  "signer-not-active": { code: "signer-not-active", seq: 2, holder: "00" },
  "signer-below-floor": { code: "signer-below-floor", seq: 2, seen: 1, floor: 2 },
  "not-allowed": { code: "not-allowed", seq: 2, what: "x" },
  "proof-of-possession-missing": { code: "proof-of-possession-missing", seq: 2, holder: "00" },
  "holder-reused": { code: "holder-reused", seq: 2, holder: "00" },
  "last-recovery-holder": { code: "last-recovery-holder", seq: 2 },
  "recipients-wrong": { code: "recipients-wrong", seq: 2 },
  "rev-wrong": { code: "rev-wrong", item: "00", expected: 1, rev: 2 },
  "epoch-stale": { code: "epoch-stale", current: 2, epoch: 1 },
  "epoch-wrong": { code: "epoch-wrong", expected: 2, epoch: 1 },
  "root-mismatch": { code: "root-mismatch", seq: 2 },
  "chain-omission": { code: "chain-omission", seq: 2 },
  "chain-forked": { code: "chain-forked", seq: 2, known: BYTES, served: BYTES },
  "chain-rolled-back": { code: "chain-rolled-back", knownSeq: 2, servedSeq: 1 },
}

test("[CH1] every error has its entry in the product's table: what differs for a person stays apart, the rest is an invalid chain", () => {
  const told = Object.values(SAMPLES).map((error) => [error.code, productCode(error)])
  const rest = told.filter(([, product]) => product === "chain-invalid").map(([code]) => code)
  expect(Object.fromEntries(told.filter(([, product]) => product !== "chain-invalid"))).toEqual({
    "chain-forked": "chain-forked",
    "chain-rolled-back": "chain-rolled-back",
    "chain-omission": "chain-omission",
    "epoch-stale": "epoch-stale",
    "holder-reused": "holder-reused",
    "not-allowed": "not-allowed",
    "last-recovery-holder": "not-allowed",
    "suite-unknown": "suite-unsupported",
    "link-type-unknown": "suite-unsupported",
    "chain-out-of-order": "revision-conflict",
    "account-behind": "revision-conflict",
    "signer-below-floor": "revision-conflict",
    "rev-wrong": "revision-conflict",
  })
  expect(rest).toEqual([
    "chain-malformed",
    "suite-below-floor",
    "chain-wrong-id",
    "authority-wrong",
    "seen-wrong",
    "chain-signature-invalid",
    "signer-not-active",
    "proof-of-possession-missing",
    "recipients-wrong",
    "epoch-wrong",
    "root-mismatch",
  ])
})
