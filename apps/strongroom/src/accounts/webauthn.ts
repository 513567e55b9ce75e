import { base64urlToBytes, utf8ToText } from "@keyferry/base"
import type { JsonBody, PasskeyAssertion } from "@keyferry/protocol"
import type { AuthenticationResponseJSON, RegistrationResponseJSON } from "@simplewebauthn/server"

/*
 * What an authenticator signed, checked. User verification is always asked for. Nothing here keeps or counts anything.
 * Source: spec/passkeys.md PK3, PK4
 */

/** EdDSA, ES256, RS256, by their COSE numbers. */
const ALGORITHMS = [-8, -7, -257]

/** Loaded with the first passkey: with its certificates' formats it is half of what a start would have to read. */
const webauthn = (): Promise<typeof import("@simplewebauthn/server")> => import("@simplewebauthn/server")

/** Where answers may come from: an address and the origins that a browser lets it be used from. */
export interface RelyingParty {
  readonly rpId: string
  readonly origins: readonly string[]
}

/**
 * The first of our origins that has a name decides, since a browser takes no number; the others count where they are
 * the same name or below it.
 */
export const relyingParty = (origins: readonly string[]): RelyingParty => {
  const rpId = origins.map(hostOf).find(isName) ?? "localhost"
  return { rpId, origins: origins.filter((origin) => isBelow(hostOf(origin), rpId)) }
}

/** The same for a passkey that was made at an earlier address. */
export const relyingPartyOf = (rpId: string, origins: readonly string[]): RelyingParty => ({
  rpId,
  origins: origins.filter((origin) => isBelow(hostOf(origin), rpId)),
})

const hostOf = (origin: string): string => URL.parse(origin)?.hostname ?? ""
const isName = (host: string): boolean => host !== "" && !/^[\d.]+$|:/.test(host)
const isBelow = (host: string, rpId: string): boolean => host === rpId || host.endsWith(`.${rpId}`)

/** The challenge that an answer is about; `undefined` where it names none. */
export const challengeIn = (clientDataJSON: string): Uint8Array | undefined => {
  const text = utf8ToText(base64urlToBytes(clientDataJSON) ?? new Uint8Array())
  try {
    const parsed: unknown = JSON.parse(text ?? "")
    if (typeof parsed !== "object" || parsed === null || !("challenge" in parsed)) return undefined
    return typeof parsed.challenge === "string" ? base64urlToBytes(parsed.challenge) : undefined
  } catch {
    return undefined
  }
}

export interface CheckedAssertion {
  readonly counter: number
}

/** `undefined`: wrong signature, origin, address or purpose, nobody present, or the person was not verified. */
export const checkAssertion = async (
  assertion: PasskeyAssertion,
  challenge: string,
  publicKey: Uint8Array,
  { rpId, origins }: RelyingParty,
): Promise<CheckedAssertion | undefined> => {
  const { verifyAuthenticationResponse } = await webauthn()
  const checked = await orUndefined(() =>
    verifyAuthenticationResponse({
      // What may be absent is optional in both; only the types say it in different ways.
      response: assertion as AuthenticationResponseJSON,
      expectedChallenge: challenge,
      expectedOrigin: [...origins],
      expectedRPID: rpId,
      requireUserVerification: true,
      // Compared where it is kept, in the transaction that raises it.
      credential: { id: assertion.id, publicKey: Uint8Array.from(publicKey), counter: 0 },
    }),
  )
  return checked?.verified === true ? { counter: checked.authenticationInfo.newCounter } : undefined
}

export interface CheckedRegistration {
  readonly credentialId: Uint8Array
  readonly publicKey: Uint8Array
  readonly counter: number
  readonly backedUp: boolean
}

/** `undefined` as for an assertion, and for an algorithm that was not asked for. */
export const checkRegistration = async (
  credential: JsonBody<"passkeys.finish">["credential"],
  challenge: string,
  { rpId, origins }: RelyingParty,
): Promise<CheckedRegistration | undefined> => {
  const { verifyRegistrationResponse } = await webauthn()
  const checked = await orUndefined(() =>
    verifyRegistrationResponse({
      response: credential as RegistrationResponseJSON,
      expectedChallenge: challenge,
      expectedOrigin: [...origins],
      expectedRPID: rpId,
      requireUserVerification: true,
      supportedAlgorithmIDs: ALGORITHMS,
    }),
  )
  const id = base64urlToBytes(credential.id)
  if (checked?.verified !== true || id === undefined) return undefined
  const { credential: made, credentialBackedUp } = checked.registrationInfo
  if (made.id !== credential.id) return undefined
  return { credentialId: id, publicKey: made.publicKey, counter: made.counter, backedUp: credentialBackedUp }
}

/** The library throws for everything that is wrong with an answer. What it says is about the sender's own bytes. */
const orUndefined = async <T>(check: () => Promise<T>): Promise<T | undefined> => {
  try {
    return await check()
  } catch {
    return undefined
  }
}
