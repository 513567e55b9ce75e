import { equalBytes, err, ok, parseId, type Result } from "@keyferry/base"
import { type ExportKey, finishMac, sessionBinding, startOpaqueLogin } from "@keyferry/crypto"
import type { Failure } from "@keyferry/protocol"

import type { Device } from "./device.ts"
import type { ServerRecord } from "./formats.ts"
import type { Transport } from "./transport.ts"
import { b64, fromB64 } from "./wire.ts"

export interface SignedIn {
  readonly accountUuid: string
  readonly accountId: Uint8Array
  readonly session: string
  readonly factors: readonly string[]
  readonly exportKey: ExportKey
}

/** Level 1: the account's password by OPAQUE, bound to a device's request key. Errors: wrong-credentials, server-identity-changed */
export const signIn = async (
  device: Device,
  transport: Transport,
  server: ServerRecord,
  input: { readonly address: string; readonly password: string; readonly authPk: Uint8Array },
): Promise<Result<SignedIn, Failure>> => {
  const { primitives } = device.ports
  const login = await startOpaqueLogin(input.password)
  const started = await transport.json(
    "login.start",
    { address: input.address, startLoginRequest: b64(login.request) },
    {},
  )
  if (!started.ok) return started
  const response = fromB64(started.value.loginResponse)
  if (response === undefined) return err({ code: "malformed" })
  const finished = await login.finish(response, {
    account: started.value.accountUuid,
    deployment: server.deploymentId,
  })
  if (!finished.ok) return err({ code: "wrong-credentials" })
  if (!equalBytes(finished.value.serverStaticPk, server.opaquePk)) return err({ code: "server-identity-changed" })
  const binding = await finishMac(primitives, await sessionBinding(primitives, finished.value.sessionKey), input.authPk)
  const signedIn = await transport.json(
    "login.finish",
    {
      loginId: started.value.loginId,
      finishLoginRequest: b64(finished.value.finish),
      authPk: b64(input.authPk),
      binding: b64(binding),
    },
    {},
  )
  if (!signedIn.ok) return signedIn
  const accountId = parseId("acc", signedIn.value.accountId)
  if (!accountId.ok) return err({ code: "malformed" })
  return ok({
    accountUuid: started.value.accountUuid,
    accountId: accountId.value,
    session: signedIn.value.session.token,
    factors: signedIn.value.factors,
    exportKey: finished.value.exportKey,
  })
}
