import { equalBytes } from "@keyferry/base"

import { parsePublicKey } from "./public-key.ts"
import { verifySignature } from "./signature.ts"
import { createReader } from "./wire.ts"

/*
 * `session-bind@openssh.com` (OpenSSH PROTOCOL.agent section 1): string host key · string session id ·
 * string signature · bool is forwarding. `ssh` sends it before anything else on a connection; the host's signature of
 * the session id, made while keys were exchanged, proves which host is at the other end.
 */
export interface Binding {
  /** The host's plain public key, also where it showed a certificate. */
  readonly hostKey: Uint8Array
  readonly sessionId: Uint8Array
  readonly isForwarding: boolean
}

/** `undefined` when the message is malformed or the host's signature does not fit. */
export const parseBinding = (payload: Uint8Array): Binding | undefined => {
  const reader = createReader(payload)
  const hostKeyBlob = reader.string()
  const sessionId = reader.string()
  const signature = reader.string()
  const forwarding = reader.byte()
  if (hostKeyBlob === undefined || sessionId === undefined || signature === undefined || !reader.isAtEnd())
    return undefined
  if (sessionId.length === 0 || sessionId.length > 128 || (forwarding !== 0 && forwarding !== 1)) return undefined
  const hostKey = parsePublicKey(hostKeyBlob)
  if (!hostKey.ok || !verifySignature(hostKey.value, sessionId, signature)) return undefined
  return { hostKey: hostKey.value.blob, sessionId: sessionId.slice(), isForwarding: forwarding === 1 }
}

const MAX_BINDINGS = 16

/**
 * The bindings of one connection after one more, or `undefined` where it may not be added: after a login binding only
 * the same session may bind again, and a chain of forwardings has an end.
 */
export const addBinding = (bindings: readonly Binding[], next: Binding): readonly Binding[] | undefined => {
  const last = bindings.at(-1)
  const isKnown = bindings.some(
    (known) => equalBytes(known.sessionId, next.sessionId) && !equalBytes(known.hostKey, next.hostKey),
  )
  if (isKnown || bindings.length >= MAX_BINDINGS) return undefined
  if (last !== undefined && !last.isForwarding) return isSame(last, next) ? bindings : undefined
  return [...bindings, next]
}

const isSame = (a: Binding, b: Binding): boolean =>
  equalBytes(a.sessionId, b.sessionId) && equalBytes(a.hostKey, b.hostKey) && a.isForwarding === b.isForwarding
