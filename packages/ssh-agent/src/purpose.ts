import { equalBytes, utf8 } from "@keyferry/base"

import { createReader } from "./wire.ts"

/*
 * What a client asks to sign says itself what it is:
 *
 *   login      string session id · byte 50 · string user · string "ssh-connection" · string "publickey" · bool true ·
 *              string algorithm · string key, and for "publickey-hostbound-v00@openssh.com" · string host key
 *              (RFC 4252 section 7; OpenSSH PROTOCOL section 1.8)
 *   document   "SSHSIG" · string namespace · …  (OpenSSH PROTOCOL.sshsig), as `git commit -S` makes it
 */
export type Purpose =
  | {
      readonly kind: "login"
      readonly sessionId: Uint8Array
      readonly user: string
      readonly keyBlob: Uint8Array
      readonly hostKey?: Uint8Array
    }
  | { readonly kind: "document"; readonly namespace: string }
  | { readonly kind: "other" }

const USERAUTH_REQUEST = 50
const SSHSIG = utf8("SSHSIG")
const HOSTBOUND = "publickey-hostbound-v00@openssh.com"

export const purposeOf = (message: Uint8Array): Purpose => {
  if (equalBytes(message.subarray(0, SSHSIG.length), SSHSIG)) {
    const namespace = createReader(message.subarray(SSHSIG.length)).text()
    return namespace === undefined || namespace === "" ? { kind: "other" } : { kind: "document", namespace }
  }
  const reader = createReader(message)
  const sessionId = reader.string()
  const type = reader.byte()
  const user = reader.text()
  const service = reader.text()
  const method = reader.text()
  const hasSignature = reader.byte()
  reader.string()
  const keyBlob = reader.string()
  const hostKey = method === HOSTBOUND ? reader.string() : undefined
  if (sessionId === undefined || user === undefined || keyBlob === undefined || !reader.isAtEnd())
    return { kind: "other" }
  if (type !== USERAUTH_REQUEST || service !== "ssh-connection" || hasSignature !== 1) return { kind: "other" }
  if (method !== "publickey" && hostKey === undefined) return { kind: "other" }
  return { kind: "login", sessionId, user, keyBlob, ...(hostKey === undefined ? {} : { hostKey }) }
}
