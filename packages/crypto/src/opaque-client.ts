import { bytesToBase64url, err, ok, type Result, secret } from "@keyferry/base"

import type { ExportKey } from "./keys.ts"
import { identifiersOf, KEY_STRETCHING, libraryBytes, type OpaqueIdentifiers, opaqueLibrary } from "./opaque-library.ts"
import type { SessionKey } from "./opaque-session.ts"
import { passwordText } from "./password.ts"

/** Given to the server once, and what the client has from it. */
export interface RegistrationResult {
  /** The record that the strongroom stores. */
  readonly record: Uint8Array
  readonly exportKey: ExportKey
  /** To be pinned. */
  readonly serverStaticPk: Uint8Array
}

export interface RegistrationInProgress {
  /** To send. */
  readonly request: Uint8Array
  /** Errors: refused, for an answer that does not parse. */
  readonly finish: (
    response: Uint8Array,
    identifiers: OpaqueIdentifiers,
  ) => Promise<Result<RegistrationResult, "refused">>
}

/** Registers a password that the server never learns. Source   spec/keys.md KE5 */
export const startOpaqueRegistration = async (password: string): Promise<RegistrationInProgress> => {
  const { client } = await opaqueLibrary()
  const text = passwordText(password)
  const started = client.startRegistration({ password: text })
  return {
    request: libraryBytes(started.registrationRequest),
    finish: async (response, identifiers) => {
      const done = attempt(() =>
        client.finishRegistration({
          password: text,
          registrationResponse: bytesToBase64url(response),
          clientRegistrationState: started.clientRegistrationState,
          identifiers: identifiersOf(identifiers),
          keyStretching: KEY_STRETCHING,
        }),
      )
      if (done === undefined) return err("refused")
      return ok({
        record: libraryBytes(done.registrationRecord),
        exportKey: secret<"ExportKey">(libraryBytes(done.exportKey)),
        serverStaticPk: libraryBytes(done.serverStaticPublicKey),
      })
    },
  }
}

export interface LoginResult {
  /** The last message, to send. */
  readonly finish: Uint8Array
  readonly sessionKey: SessionKey
  readonly exportKey: ExportKey
  /** To be compared with the pinned one. */
  readonly serverStaticPk: Uint8Array
}

export interface LoginInProgress {
  /** To send. */
  readonly request: Uint8Array
  /** Errors: refused, for a wrong password, an unknown account, another deployment and a changed answer alike. */
  readonly finish: (response: Uint8Array, identifiers: OpaqueIdentifiers) => Promise<Result<LoginResult, "refused">>
}

/** Source   spec/keys.md KE5 */
export const startOpaqueLogin = async (password: string): Promise<LoginInProgress> => {
  const { client } = await opaqueLibrary()
  const text = passwordText(password)
  const started = client.startLogin({ password: text })
  return {
    request: libraryBytes(started.startLoginRequest),
    finish: async (response, identifiers) => {
      const done = attempt(() =>
        client.finishLogin({
          clientLoginState: started.clientLoginState,
          loginResponse: bytesToBase64url(response),
          password: text,
          identifiers: identifiersOf(identifiers),
          keyStretching: KEY_STRETCHING,
        }),
      )
      if (done === undefined) return err("refused")
      return ok({
        finish: libraryBytes(done.finishLoginRequest),
        sessionKey: secret<"SessionKey">(libraryBytes(done.sessionKey)),
        exportKey: secret<"ExportKey">(libraryBytes(done.exportKey)),
        serverStaticPk: libraryBytes(done.serverStaticPublicKey),
      })
    },
  }
}

/** The library throws for an answer that does not parse; to the caller that is an answer that does not fit. */
const attempt = <T>(run: () => T | undefined): T | undefined => {
  try {
    return run()
  } catch {
    return undefined
  }
}
