import { base32ToBytes, bytesToBase32 } from "./bytes.ts"
import type { Random } from "./ports.ts"
import { err, ok, type Result } from "./result.ts"

/**
 * Printed ids: a prefix and lower-case base32 of the bytes. Chain ids (account, team, vault) are 32 bytes,
 * hashes of a genesis payload; all others are 16 random bytes.
 * Source   spec/protocol.md, "Ids"
 */
const LENGTH_BY_PREFIX = {
  acc: 32,
  vlt: 32,
  tem: 32,
  dev: 16,
  slt: 16,
  itm: 16,
  apc: 16,
  ses: 16,
  req: 16,
  lea: 16,
} as const

export type IdPrefix = keyof typeof LENGTH_BY_PREFIX
export type Id<P extends IdPrefix> = `${P}_${string}`
export type AccountId = Id<"acc">
export type VaultId = Id<"vlt">
export type DeviceId = Id<"dev">
export type ItemId = Id<"itm">

export const formatId = <P extends IdPrefix>(prefix: P, bytes: Uint8Array): Id<P> => {
  if (bytes.length !== LENGTH_BY_PREFIX[prefix]) throw new Error(`${prefix} id of ${bytes.length} bytes`)
  return `${prefix}_${bytesToBase32(bytes)}`
}

/** Errors: malformed, for another prefix, a foreign character or a wrong length. */
export const parseId = (prefix: IdPrefix, text: string): Result<Uint8Array, "malformed"> => {
  if (!text.startsWith(`${prefix}_`)) return err("malformed")
  const bytes = base32ToBytes(text.slice(prefix.length + 1))
  return bytes !== undefined && bytes.length === LENGTH_BY_PREFIX[prefix] ? ok(bytes) : err("malformed")
}

export const makeId = <P extends IdPrefix>(prefix: P, random: Random): Id<P> =>
  formatId(prefix, random.bytes(LENGTH_BY_PREFIX[prefix]))
