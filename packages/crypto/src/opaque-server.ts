import { bytesToBase64url, bytesToHex, err, ok, type Result, type Secret, secret, utf8 } from "@keyferry/base"

import { identifiersOf, libraryBytes, type OpaqueIdentifiers, opaqueLibrary } from "./opaque-library.ts"
import type { SessionKey } from "./opaque-session.ts"
import type { Primitives } from "./primitives/primitives.ts"

/** The strongroom's seed and key pair for all accounts. */
export type OpaqueSetup = Secret<"OpaqueSetup">

export const makeOpaqueSetup = async (): Promise<OpaqueSetup> => {
  const { server } = await opaqueLibrary()
  return secret<"OpaqueSetup">(libraryBytes(server.createSetup()))
}

/** The key that clients pin, and that the server words of the kit are made from. */
export const opaqueStaticPk = async (setup: OpaqueSetup): Promise<Uint8Array> => {
  const { server } = await opaqueLibrary()
  return libraryBytes(server.getPublicKey(text(setup)))
}

/** Errors: malformed, for a request that does not parse. Source   spec/keys.md KE5 */
export const answerOpaqueRegistration = async (
  setup: OpaqueSetup,
  account: string,
  request: Uint8Array,
): Promise<Result<Uint8Array, "malformed">> => {
  const { server } = await opaqueLibrary()
  const answer = attempt(() =>
    server.createRegistrationResponse({
      serverSetup: text(setup),
      userIdentifier: account,
      registrationRequest: bytesToBase64url(request),
    }),
  )
  return answer === undefined ? err("malformed") : ok(libraryBytes(answer.registrationResponse))
}

export interface LoginAnswer {
  readonly response: Uint8Array
  /** Kept in memory for at most 60 seconds, used once. */
  readonly state: Secret<"OpaqueServerState">
}

/**
 * `record` undefined: nobody is registered; the answer has the same length and its login fails.
 * Errors: malformed, for a request that does not parse.
 */
export const answerOpaqueLogin = async (
  setup: OpaqueSetup,
  identifiers: OpaqueIdentifiers,
  record: Uint8Array | undefined,
  request: Uint8Array,
): Promise<Result<LoginAnswer, "malformed">> => {
  const { server } = await opaqueLibrary()
  const answer = attempt(() =>
    server.startLogin({
      serverSetup: text(setup),
      userIdentifier: identifiers.account,
      registrationRecord: record === undefined ? undefined : bytesToBase64url(record),
      startLoginRequest: bytesToBase64url(request),
      identifiers: identifiersOf(identifiers),
    }),
  )
  if (answer === undefined) return err("malformed")
  return ok({ response: libraryBytes(answer.loginResponse), state: secret(libraryBytes(answer.serverLoginState)) })
}

/** Errors: refused, for a last message that only a wrong password makes. */
export const finishOpaqueLogin = async (
  state: Secret<"OpaqueServerState">,
  identifiers: OpaqueIdentifiers,
  finish: Uint8Array,
): Promise<Result<SessionKey, "refused">> => {
  const { server } = await opaqueLibrary()
  const done = attempt(() =>
    server.finishLogin({
      serverLoginState: bytesToBase64url(state.reveal()),
      finishLoginRequest: bytesToBase64url(finish),
      identifiers: identifiersOf(identifiers),
    }),
  )
  return done === undefined ? err("refused") : ok(secret<"SessionKey">(libraryBytes(done.sessionKey)))
}

/**
 * The account identifier for an address that nobody has: always the same for one address, because the first bytes of an
 * answer depend on it, and one that changed would tell that there is no account.
 * Source   spec/keys.md KE5
 */
export const pseudoAccount = async (p: Primitives, key: Secret<"EnumerationKey">, address: string): Promise<string> => {
  const mac = await p.hmacSha256(key.reveal(), utf8(address.normalize("NFKC").toLowerCase()))
  const bytes = mac.slice(0, 16)
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80
  return bytesToHex(bytes).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5")
}

const text = (setup: OpaqueSetup): string => bytesToBase64url(setup.reveal())

/** The library throws for messages that do not parse or do not verify; both are a refusal here. */
const attempt = <T>(run: () => T): T | undefined => {
  try {
    return run()
  } catch {
    return undefined
  }
}
