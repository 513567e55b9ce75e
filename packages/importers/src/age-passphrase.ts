import { chacha20poly1305 } from "@noble/ciphers/chacha.js"
import { type Identity, type Recipient, Stanza } from "age-encryption"

import { base64urlToBytes, bytesToBase64url, utf8 } from "@keyferry/base"

import type { Passphrase } from "./format.ts"

/*
 * The recipient "scrypt" of the age format (https://c2sp.org/age). The library has one too, in plain JavaScript, during which
 * a browser's worker answers nobody for seconds; this one lets the host do the stretching.
 */
const LABEL = "age-encryption.org/v1/scrypt"
const SALT_LENGTH = 16
/** The file key's 16 bytes and a tag. */
const BODY_LENGTH = 32

export const passphraseRecipient = (key: Passphrase, logN: number): Recipient => ({
  wrapFileKey: async (fileKey) => {
    const salt = crypto.getRandomValues(new Uint8Array(SALT_LENGTH))
    const wrapping = await wrappingKey(key, salt, logN)
    return [new Stanza(["scrypt", toBase64(salt), String(logN)], cipherOf(wrapping).encrypt(fileKey))]
  },
})

/** A file that asks for more work than `mostLogN` throws, as one whose stanza is malformed does. */
export const passphraseIdentity = (key: Passphrase, mostLogN: number): Identity => ({
  unwrapFileKey: async (stanzas) => {
    const stanza = stanzas.find(({ args }) => args[0] === "scrypt")
    if (stanza === undefined) return null
    const [, saltText = "", factor = ""] = stanza.args
    const salt = fromBase64(saltText)
    // Any other recipient beside it could open what was meant for those who know the passphrase.
    const isAlone = stanzas.length === 1 && stanza.args.length === 3
    const logN = /^[1-9][0-9]?$/.test(factor) ? Number(factor) : Infinity
    if (!isAlone || logN > mostLogN || salt?.length !== SALT_LENGTH || stanza.body.length !== BODY_LENGTH)
      throw new Error("not a scrypt stanza of ours to open")
    const wrapping = await wrappingKey(key, salt, logN)
    try {
      return cipherOf(wrapping).decrypt(stanza.body)
    } catch {
      // Lengths were checked above: what is left is a tag that does not match.
      return null
    }
  },
})

const wrappingKey = ({ passphrase, scrypt }: Passphrase, salt: Uint8Array, logN: number): Promise<Uint8Array> => {
  const bytes = new Uint8Array([...utf8(LABEL), ...salt])
  return scrypt(utf8(passphrase), bytes, { cost: 2 ** logN, blockSize: 8, parallelism: 1, length: 32 })
}

/** A key is used once: the nonce is zero. */
const cipherOf = (key: Uint8Array): ReturnType<typeof chacha20poly1305> => chacha20poly1305(key, new Uint8Array(12))

const toBase64 = (bytes: Uint8Array): string => bytesToBase64url(bytes).replaceAll("-", "+").replaceAll("_", "/")

const fromBase64 = (text: string): Uint8Array | undefined =>
  /[-_]/.test(text) ? undefined : base64urlToBytes(text.replaceAll("+", "-").replaceAll("/", "_"))
