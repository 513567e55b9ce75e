import { base64urlToBytes, bytesToBase64url } from "@keyferry/base"
import { finishMac, sessionBinding, sigPublicKey, startOpaqueLogin, type SigSeed } from "@keyferry/crypto"
import { nodePrimitives as p } from "@keyferry/crypto/node"

import { knock, type RawReply } from "./raw-client.ts"

/** Somebody who knows (or guesses) an address and a password, with a key pair of their own. */
export const signInRaw = async (
  origin: string,
  deploymentId: string,
  address: string,
  password: string,
  authSeed: SigSeed,
): Promise<RawReply> => {
  const login = await startOpaqueLogin(password)
  const started = await knock(origin, "login.start", {
    body: { address, startLoginRequest: bytesToBase64url(login.request) },
  })
  if (started.status !== 200) return started
  const account = String(started.json["accountUuid"])
  const finished = await login.finish(base64urlToBytes(String(started.json["loginResponse"])) ?? new Uint8Array(), {
    account,
    deployment: deploymentId,
  })
  if (!finished.ok) return { ...started, status: 401, code: "wrong-credentials", json: {} }
  const authPk = await sigPublicKey(p, authSeed)
  const binding = await finishMac(p, await sessionBinding(p, finished.value.sessionKey), authPk)
  return knock(origin, "login.finish", {
    body: {
      loginId: started.json["loginId"],
      finishLoginRequest: bytesToBase64url(finished.value.finish),
      authPk: bytesToBase64url(authPk),
      binding: bytesToBase64url(binding),
    },
  })
}

export const tokenOf = (reply: RawReply): string => {
  const token = (reply.json["session"] as Record<string, unknown> | undefined)?.["token"]
  return typeof token === "string" ? token : ""
}

export const deploymentOf = async (origin: string): Promise<string> => {
  const answer = (await (await fetch(`${origin}/.well-known/keyferry`)).json()) as { deploymentId: string }
  return answer.deploymentId
}
