import { equalBytes, lp, type Secret, secret } from "@keyferry/base"

import { kdf } from "./kdf.ts"
import type { Primitives } from "./primitives/primitives.ts"

/** What both ends of a finished login have; used once, for the binding. */
export type SessionKey = Secret<"SessionKey">
export type SessionBinding = Secret<"SessionBinding">

/** Source   spec/keys.md KE5 */
export const sessionBinding = async (p: Primitives, sessionKey: SessionKey): Promise<SessionBinding> =>
  secret<"SessionBinding">(await kdf(p, sessionKey.reveal(), new Uint8Array(), "kf1/session", 32))

/** Ties the device's authentication key to the login that just succeeded. Source   spec/keys.md KE5 */
export const finishMac = (p: Primitives, binding: SessionBinding, authPk: Uint8Array): Promise<Uint8Array> =>
  p.hmacSha256(binding.reveal(), lp("kf1/finish", authPk))

export const verifyFinishMac = async (
  p: Primitives,
  binding: SessionBinding,
  authPk: Uint8Array,
  mac: Uint8Array,
): Promise<boolean> => equalBytes(await finishMac(p, binding, authPk), mac)
