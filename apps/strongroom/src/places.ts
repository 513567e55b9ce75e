import { lp } from "@keyferry/base"
import { H, type OuterPlace, type Primitives } from "@keyferry/crypto"

/*
 * Where each sealed column belongs. A row moved to another account, chain, record or revision does not open.
 * The deployment is added by src/data-keys.ts. Source: spec/strongroom.md, "The outer layer"
 */
export type Place = Omit<OuterPlace, "deployment">

const NOWHERE = new Uint8Array(32)

/** Of the deployment, not of an account. */
export const DEPLOYMENT_TENANT: Uint8Array = new Uint8Array(32)

const idOf = (p: Primitives, what: string, ...parts: (Uint8Array | number | string)[]): Uint8Array =>
  H(p, lp("kf1/outer-place", what, ...parts))

/** Records, wraps and sealed older keys of one account share the data key of its purpose `record`. */
export const recordPlace = (accountId: Uint8Array, vaultId: Uint8Array, itemId: Uint8Array, rev: number): Place => ({
  tenant: accountId,
  purpose: "record",
  chainId: vaultId,
  recordId: itemId,
  rev,
})

/** `rev` is the seq of the link that brought it (account chain) or the epoch (vault). */
export const wrapPlace = (
  p: Primitives,
  accountId: Uint8Array,
  chainId: Uint8Array,
  rev: number,
  recipient: Uint8Array,
): Place => ({ tenant: accountId, purpose: "record", chainId, recordId: idOf(p, "wrap", recipient), rev })

export const prevSealedPlace = (p: Primitives, accountId: Uint8Array, chainId: Uint8Array, epoch: number): Place => ({
  tenant: accountId,
  purpose: "record",
  chainId,
  recordId: idOf(p, "prev-sealed"),
  rev: epoch,
})

export const opaqueRecordPlace = (p: Primitives, accountId: Uint8Array, rev: number): Place => ({
  tenant: accountId,
  purpose: "opaque",
  chainId: accountId,
  recordId: idOf(p, "opaque-record"),
  rev,
})

export const factorSeedPlace = (p: Primitives, accountId: Uint8Array): Place => ({
  tenant: accountId,
  purpose: "totp",
  chainId: accountId,
  recordId: idOf(p, "totp"),
  rev: 0,
})

/** Public keys are sealed too, so that nobody who writes into the store can put one of their own there. */
export const passkeyPlace = (p: Primitives, accountId: Uint8Array, credentialId: Uint8Array): Place => ({
  tenant: accountId,
  purpose: "totp",
  chainId: accountId,
  recordId: idOf(p, "passkey", credentialId),
  rev: 0,
})

/** Key material of the deployment: OPAQUE set-up, lease token key, sentinel. */
export const deploymentPlace = (p: Primitives, name: string): Place => ({
  tenant: DEPLOYMENT_TENANT,
  purpose: "opaque",
  chainId: NOWHERE,
  recordId: idOf(p, name),
  rev: 0,
})
