/**
 * Why a link, a chain or a served state was refused. Every code names one rule of spec/chains.md; the details are
 * public values (sequence numbers, hashes, ids in hex), never key material.
 * Source   spec/chains.md, CH1–CH45
 */
export type ChainError =
  /** Larger than its limit, not canonical, or a shape that no writer of this format makes. `what` names the part. */
  | { readonly code: "chain-malformed"; readonly what: string }
  /** A link type, vault kind or suite of a newer version: stop, and ask for an update. */
  | { readonly code: "link-type-unknown"; readonly type: number }
  | { readonly code: "suite-unknown"; readonly suite: number }
  | { readonly code: "suite-below-floor"; readonly suite: number; readonly floor: number }
  /** A valid link of another chain. */
  | { readonly code: "chain-wrong-id" }
  | { readonly code: "chain-out-of-order"; readonly expectedSeq: number; readonly seq: number }
  /** The authority field does not name the latest authority link. */
  | { readonly code: "authority-wrong"; readonly seq: number }
  /** Field 11 is missing the signer's account, is unsorted, or names a head that the account never had. */
  | { readonly code: "seen-wrong"; readonly seq: number }
  /** The link relies on an account head that is newer than what the reader has: fetch the account chain and try again. */
  | { readonly code: "account-behind"; readonly account: string; readonly haveSeq: number; readonly needSeq: number }
  | { readonly code: "chain-signature-invalid"; readonly seq: number }
  | { readonly code: "signer-not-active"; readonly seq: number; readonly holder: string }
  | { readonly code: "signer-below-floor"; readonly seq: number; readonly seen: number; readonly floor: number }
  | { readonly code: "not-allowed"; readonly seq: number; readonly what: string }
  | { readonly code: "proof-of-possession-missing"; readonly seq: number; readonly holder: string }
  | { readonly code: "holder-reused"; readonly seq: number; readonly holder: string }
  /** The link would leave the account without a holder that can recover it. */
  | { readonly code: "last-recovery-holder"; readonly seq: number }
  | { readonly code: "recipients-wrong"; readonly seq: number }
  | { readonly code: "rev-wrong"; readonly item: string; readonly expected: number; readonly rev: number }
  /** The key epoch is not the current one, or a rotation is due before items may be written. */
  | { readonly code: "epoch-stale"; readonly current: number; readonly epoch: number }
  | { readonly code: "epoch-wrong"; readonly expected: number; readonly epoch: number }
  | { readonly code: "root-mismatch"; readonly seq: number }
  /** What was served does not add up to what was signed: something is missing, doubled or brought back. */
  | { readonly code: "chain-omission"; readonly seq: number }
  /** Two different payloads for one place in one chain. Both are kept as evidence. */
  | { readonly code: "chain-forked"; readonly seq: number; readonly known: Uint8Array; readonly served: Uint8Array }
  | { readonly code: "chain-rolled-back"; readonly knownSeq: number; readonly servedSeq: number }

export type ChainErrorCode = ChainError["code"]

/** The entry of the product's one error table that a person or another program is told. */
export const productCode = (
  error: ChainError,
):
  | "chain-invalid"
  | "chain-forked"
  | "chain-rolled-back"
  | "chain-omission"
  | "epoch-stale"
  | "revision-conflict"
  | "holder-reused"
  | "not-allowed"
  | "suite-unsupported" => {
  switch (error.code) {
    case "chain-forked":
    case "chain-rolled-back":
    case "chain-omission":
    case "epoch-stale":
    case "holder-reused":
    case "not-allowed":
      return error.code
    case "last-recovery-holder":
      return "not-allowed"
    case "suite-unknown":
    case "link-type-unknown":
      return "suite-unsupported"
    case "chain-out-of-order":
    case "account-behind":
    case "signer-below-floor":
    case "rev-wrong":
      return "revision-conflict"
    default:
      return "chain-invalid"
  }
}
