import { bytesToHex } from "@keyferry/base"
import { type ChainError, productCode } from "@keyferry/chain"
import type { Failure } from "@keyferry/protocol"

import { type Device, stateRow } from "./device.ts"
import { evidenceRow } from "./formats.ts"

/** Keeps what contradicts the verified state, and says it by the product's own code. */
export const recordEvidence = async (device: Device, error: ChainError): Promise<Failure> => {
  const code = servedCode(error)
  const failure: Failure = { code, detail: describe(error) }
  if (device.local === undefined || code === "revision-conflict" || code === "epoch-stale") return failure
  const atMs = device.ports.clock.nowMs()
  const key = `evidence:${String(atMs).padStart(15, "0")}:${bytesToHex(device.ports.random.bytes(4))}`
  const row = evidenceRow.encode({
    code,
    atMs,
    detail: describe(error),
    ...(error.code === "chain-forked" ? { known: error.known, served: error.served } : {}),
  })
  await device.ports.store.write([await stateRow(device, device.local, key, row)])
  return failure
}

/**
 * Codes of what a server hands out. To a writer these three say that somebody was faster; in a history that is served they
 * mean that nobody checked it: a removed device that dates itself back, a revision twice, a key that was replaced.
 */
const servedCode = (error: ChainError): Failure["code"] =>
  error.code === "signer-below-floor" || error.code === "rev-wrong" || error.code === "epoch-stale"
    ? "chain-invalid"
    : productCode(error)

const describe = (error: ChainError): string => {
  switch (error.code) {
    case "chain-rolled-back":
      return `This device has seen step ${error.knownSeq}; the server shows ${error.servedSeq}.`
    case "chain-forked":
      return `Two histories for step ${error.seq}.`
    case "chain-omission":
      return `Something is missing at step ${error.seq}.`
    default:
      return `Reason: ${error.code}.`
  }
}
