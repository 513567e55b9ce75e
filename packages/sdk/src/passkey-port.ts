import type { JsonBody, PasskeyAssertion } from "@keyferry/protocol"
import type { Result } from "@keyferry/base"

/*
 * What the SDK asks of whatever holds passkeys: a browser's `navigator.credentials`, or a test. Plain data both ways, so
 * that it may cross from a worker to its page. Bytes in WebAuthn's own structures are base64url.
 *
 * `prf` is the output of the PRF extension. It opens the account: it leaves the implementation through this field only,
 * never inside `credential` or `assertion`, which go to the server.
 */
export interface PasskeyAuthenticator {
  /**
   * Makes a passkey with user verification required, attestation `none`, resident key preferred, algorithms
   * -8, -7, -257, and the PRF extension evaluated for `prfInput`. `not-used`: the person or the authenticator did not.
   */
  readonly create: (options: PasskeyCreation) => Promise<Result<PasskeyMade, "not-used">>
  /** Asks one of `credentials`, with user verification required; PRF by `evalByCredential` where an input is given. */
  readonly get: (options: PasskeyQuestion) => Promise<Result<PasskeyAnswer, "not-used">>
}

export interface PasskeyReference {
  readonly id: string
  readonly transports: readonly string[]
}

export interface PasskeyCreation {
  readonly rpId: string
  readonly rpName: string
  readonly challenge: string
  readonly user: { readonly handle: string; readonly name: string }
  readonly exclude: readonly PasskeyReference[]
  readonly prfInput: Uint8Array
}

export interface PasskeyMade {
  readonly credential: JsonBody<"passkeys.finish">["credential"]
  /** Whether it evaluates PRF at all. */
  readonly prfEnabled: boolean
  /** Where it did so while it was made. */
  readonly prf?: Uint8Array
}

export interface PasskeyQuestion {
  readonly rpId: string
  readonly challenge: string
  readonly credentials: readonly (PasskeyReference & { readonly prfInput?: Uint8Array })[]
}

export interface PasskeyAnswer {
  readonly assertion: PasskeyAssertion
  readonly prf?: Uint8Array
}
