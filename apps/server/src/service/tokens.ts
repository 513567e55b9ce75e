import { createHash, createHmac } from "node:crypto"

import { base64urlToBytes, bytesToBase64url, type Random } from "@keyferry/base"

const TOKEN_BYTES = 32

/** A secret that is handed out once; the store keeps only its hash. */
export interface Token {
  readonly text: string
  readonly hash: Uint8Array
}

export const makeToken = (random: Random): Token => {
  const bytes = random.bytes(TOKEN_BYTES)
  return { text: bytesToBase64url(bytes), hash: sha256(bytes) }
}

/** `undefined` for anything that could not be one. */
export const hashToken = (text: string): Uint8Array | undefined => {
  const bytes = base64urlToBytes(text)
  return bytes?.length === TOKEN_BYTES ? sha256(bytes) : undefined
}

export const sha256 = (bytes: Uint8Array): Uint8Array => new Uint8Array(createHash("sha256").update(bytes).digest())

/** Random UUID (version 4) from the given source. */
export const makeUuid = (random: Random): string => uuidOf(random.bytes(16))

/**
 * The id that an unknown address signs in with. Stable, because an id that changed with every call would show that nobody
 * is behind it; keyed, because nobody else may compute it.
 */
export const pseudonymOf = (key: Uint8Array, addressKey: string): string =>
  uuidOf(new Uint8Array(createHmac("sha256", key).update(addressKey, "utf8").digest().subarray(0, 16)))

const uuidOf = (bytes: Uint8Array): string => {
  const b = Uint8Array.from(bytes)
  b[6] = ((b[6] ?? 0) & 0x0f) | 0x40
  b[8] = ((b[8] ?? 0) & 0x3f) | 0x80
  const hex = Buffer.from(b).toString("hex")
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}
