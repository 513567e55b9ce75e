import { err, lp, type Random, type Result, type Secret, secret } from "@keyferry/base"
import {
  type DeviceSecret,
  kdf,
  openCommitting,
  type Primitives,
  sealCommitting,
  sealedStruct,
  type UnlockFactor,
} from "@keyferry/crypto"

/** Seals a row of the device store: bound to its table and key, so that rows cannot be exchanged. */
export const sealRow = async (
  p: Primitives,
  random: Random,
  key: Secret<string>,
  table: string,
  rowKey: string,
  plaintext: Uint8Array,
): Promise<Uint8Array> =>
  sealedStruct.encode(
    await sealCommitting(p, random, {
      key,
      label: "kf1/local-row",
      header: lp("kf1/local-row", table, rowKey),
      plaintext,
    }),
  )

/** Errors: cannot-open, for any other key, place or changed byte. */
export const openRow = async (
  p: Primitives,
  key: Secret<string>,
  table: string,
  rowKey: string,
  bytes: Uint8Array,
): Promise<Result<Uint8Array, "cannot-open">> => {
  const sealed = sealedStruct.decode(bytes, 80 * 1024 * 1024, "shared")
  if (!sealed.ok) return err("cannot-open")
  return openCommitting(p, {
    key,
    label: "kf1/local-row",
    header: lp("kf1/local-row", table, rowKey),
    sealed: sealed.value,
  })
}

const EMPTY = new Uint8Array()

/** Keys from the device secret alone: usable while locked, worth as much as the folder's protection. */
export const lockedKey = async (
  p: Primitives,
  d: DeviceSecret,
  use: "auth" | "chain-mac",
): Promise<Secret<"LockedKey">> => secret<"LockedKey">(await kdf(p, d.reveal(), EMPTY, lp("kf1/locked", use), 32))

/** Before there is an account: password and device secret, no server. */
export const localKey = async (
  p: Primitives,
  u: UnlockFactor,
  d: DeviceSecret,
  salt: Uint8Array,
  use: "local" | "enrol",
): Promise<Secret<"LocalOnlyKey">> =>
  secret<"LocalOnlyKey">(await kdf(p, lp(u.reveal(), d.reveal()), salt, lp("kf1/local", use), 32))

export const macOf = (p: Primitives, key: Secret<string>, parts: readonly Uint8Array[]): Promise<Uint8Array> =>
  p.hmacSha256(key.reveal(), lp("kf1/chain-mac", ...parts))
