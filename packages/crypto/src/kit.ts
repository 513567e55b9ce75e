import {
  bytesToCrockford,
  crockfordToBytes,
  err,
  lp,
  ok,
  type Random,
  type Result,
  type Secret,
  secret,
} from "@keyferry/base"

import { H } from "./hash.ts"
import { kdf } from "./kdf.ts"
import type { SecretKey, SigSeed, SlotSecret } from "./keys.ts"
import type { Primitives } from "./primitives/primitives.ts"

/** The kit's 20 random bytes: printed once, stored nowhere. */
export type RecoveryCode = Secret<"RecoveryCode">
export type KitCodeError = "wrong-length" | "bad-character" | "check-failed"

const PREFIX = "KF1"
const CODE_CHARACTERS = 32
const CHECK_CHARACTERS = 4
const SKIPPED = /[\s\-\u2010-\u2015\u2212]/g

export const makeRecoveryCode = (random: Random): RecoveryCode => secret<"RecoveryCode">(random.bytes(20))

/** `KF1-` and nine groups of four: 32 characters of code, 4 of check. Source   spec/keys.md KE15 */
export const formatKitCode = (p: Primitives, code: RecoveryCode): string => {
  const text = bytesToCrockford(code.reveal()) + checkCharacters(p, code.reveal())
  return [PREFIX, ...(text.match(/.{4}/g) ?? [])].join("-")
}

/**
 * Reads a code that a person typed. Case, spaces and dashes do not matter, O reads as 0, I and L as 1, the prefix may
 * be missing.
 * Errors: bad-character, wrong-length, check-failed (a typing mistake), in this order.
 * Source   spec/keys.md KE15
 */
export const parseKitCode = (p: Primitives, text: string): Result<RecoveryCode, KitCodeError> => {
  const typed = text.replace(SKIPPED, "")
  if (!/^[0-9A-TV-Za-tv-z]*$/.test(typed)) return err("bad-character")
  const plain = typed.toUpperCase().replace(/O/g, "0").replace(/[IL]/g, "1")
  const length = CODE_CHARACTERS + CHECK_CHARACTERS
  const hasPrefix = plain.length === length + PREFIX.length && plain.startsWith(PREFIX)
  const code = hasPrefix ? plain.slice(PREFIX.length) : plain
  if (code.length !== length) return err("wrong-length")
  const bytes = crockfordToBytes(code.slice(0, CODE_CHARACTERS))
  if (bytes === undefined) return err("bad-character")
  return code.slice(CODE_CHARACTERS) === checkCharacters(p, bytes)
    ? ok(secret<"RecoveryCode">(bytes))
    : err("check-failed")
}

/** Source   spec/keys.md KE15 */
export const deriveSecretKey = async (p: Primitives, code: RecoveryCode, accountSalt: Uint8Array): Promise<SecretKey> =>
  secret<"SecretKey">(await kdf(p, code.reveal(), accountSalt, lp("kf1/secret-key"), 16))

/** The recovery slot is derived from the code itself. Source   spec/keys.md KE9 */
export const recoverySlotSecret = (code: RecoveryCode): SlotSecret => secret<"SlotSecret">(code.reveal().slice())

/** Signs requests when the password is lost; `rec_pk` is its public half. Source   spec/keys.md KE15 */
export const deriveRecoveryAuth = async (
  p: Primitives,
  code: RecoveryCode,
): Promise<{ readonly seed: SigSeed; readonly recPk: Uint8Array }> => {
  const seed = await kdf(p, code.reveal(), new Uint8Array(), lp("kf1/recovery-auth"), 32)
  return { seed: secret<"SigSeed">(seed), recPk: await p.ed25519PublicKey(seed) }
}

/** The first 20 bits of a hash, as four characters. */
const checkCharacters = (p: Primitives, code: Uint8Array): string =>
  bytesToCrockford(H(p, lp("kf1/kit-check", code)).subarray(0, 3)).slice(0, CHECK_CHARACTERS)
