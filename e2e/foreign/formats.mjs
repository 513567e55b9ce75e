// Written from spec/keys.md, spec/device-store.md and spec/http.md alone: nothing of this repository is imported here.
import {
  argon2Sync,
  createDecipheriv,
  createHash,
  createPrivateKey,
  hkdfSync,
  randomBytes,
  sign,
  timingSafeEqual,
} from "node:crypto"

import { ristretto255, ristretto255_hasher } from "@noble/curves/ed25519.js"

const bytesOf = (part) => (typeof part === "string" ? Buffer.from(part, "utf8") : Buffer.from(part))

/** LP of keys.md: each part with its length in four bytes before it. */
export const lp = (...parts) =>
  Buffer.concat(
    parts.flatMap((part) => {
      const bytes = bytesOf(part)
      const length = Buffer.alloc(4)
      length.writeUInt32BE(bytes.length)
      return [length, bytes]
    }),
  )

const sha256 = (bytes) => createHash("sha256").update(bytes).digest()

/** KE1 */
export const kdf = (ikm, salt, info, length) => Buffer.from(hkdfSync("sha512", ikm, salt, info, length))

/** KE1, KE5: the password in NFC, 64 MiB, 3 passes, 4 lanes. */
export const stretch = (password, salt) =>
  argon2Sync("argon2id", {
    message: Buffer.from(password.normalize("NFC"), "utf8"),
    nonce: salt,
    parallelism: 4,
    tagLength: 32,
    memory: 65_536,
    passes: 3,
  })

/** Definite lengths, unsigned integers, bytes, text, arrays, maps, booleans, null: what protocol.md lets into a file. */
export const readCbor = (input) => {
  const bytes = Buffer.from(input)
  let at = 0
  const head = () => {
    const first = bytes[at++]
    const [major, short] = [first >> 5, first & 31]
    if (short < 24) return [major, short]
    const size = { 24: 1, 25: 2, 26: 4, 27: 8 }[short]
    if (size === undefined) throw new Error("cbor: a length that is not definite")
    const value = size === 8 ? Number(bytes.readBigUInt64BE(at)) : bytes.readUIntBE(at, size)
    at += size
    return [major, value]
  }
  const take = (length) => {
    if (at + length > bytes.length) throw new Error("cbor: too short")
    at += length
    return bytes.subarray(at - length, at)
  }
  const value = () => {
    const [major, argument] = head()
    if (major === 0) return argument
    if (major === 2) return take(argument)
    if (major === 3) return take(argument).toString("utf8")
    if (major === 4) return Array.from({ length: argument }, value)
    if (major === 5) return new Map(Array.from({ length: argument }, () => [value(), value()]))
    if (major === 7 && argument === 20) return false
    if (major === 7 && argument === 21) return true
    if (major === 7 && argument === 22) return null
    throw new Error(`cbor: major type ${major}`)
  }
  const result = value()
  if (at !== bytes.length) throw new Error("cbor: bytes behind the value")
  return result
}

/** KE6, KE7. Gives the plaintext, or `undefined` where key, place or bytes are others. */
const open = (key, label, header, sealed) => {
  const map = readCbor(sealed)
  const [salt, commit, ct] = [map.get(1), map.get(2), map.get(3)]
  const okm = kdf(key, salt, lp(label, sha256(header)), 76)
  if (!timingSafeEqual(okm.subarray(44, 76), commit)) return undefined
  const decipher = createDecipheriv("aes-256-gcm", okm.subarray(0, 32), okm.subarray(32, 44), { authTagLength: 16 })
  decipher.setAAD(header)
  decipher.setAuthTag(ct.subarray(ct.length - 16))
  const plain = decipher.update(ct.subarray(0, ct.length - 16))
  try {
    decipher.final()
  } catch {
    // The tag does not fit: not ours.
    return undefined
  }
  return plain
}

/** DS1 */
export const openRow = (key, table, rowKey, sealed) =>
  open(key, "kf1/local-row", lp("kf1/local-row", table, rowKey), sealed)

// ── the lease: RFC 9497, VOPRF mode, ristretto255-SHA512 ──

const CONTEXT = Buffer.concat([Buffer.from("OPRFV1-"), Buffer.from([1]), Buffer.from("-ristretto255-SHA512")])
const { Point } = ristretto255
const { Fn } = Point

const i2osp2 = (length) => Buffer.from([length >> 8, length & 255])

/** Blinds `x`. The blind is a decimal number, so that it can be written into a file. */
export const blind = (x) => {
  const scalar = Fn.create(BigInt(`0x${randomBytes(48).toString("hex")}`))
  const element = ristretto255_hasher.hashToCurve(x, { DST: Buffer.concat([Buffer.from("HashToGroup-"), CONTEXT]) })
  return { blind: String(scalar), blinded: Buffer.from(element.multiply(scalar).toBytes()) }
}

/** Takes the blind off an evaluated element and hashes: y of KE16. The proof is not looked at; a robber would not either. */
export const unblind = (x, blindText, evaluated) => {
  const element = Point.fromBytes(evaluated).multiply(Fn.inv(BigInt(blindText)))
  const unblinded = Buffer.from(element.toBytes())
  return createHash("sha512")
    .update(i2osp2(x.length))
    .update(x)
    .update(i2osp2(unblinded.length))
    .update(unblinded)
    .update("Finalize")
    .digest()
}

// ── requests signed as a device: HT1, HT2, HT5 ──

const BASE32 = "abcdefghijklmnopqrstuvwxyz234567"

export const id = (prefix, bytes) => {
  let [bits, held, text] = [0, 0, ""]
  for (const byte of bytes) {
    held = (held << 8) | byte
    bits += 8
    while (bits >= 5) {
      text += BASE32[(held >> (bits - 5)) & 31]
      bits -= 5
    }
    held &= (1 << bits) - 1
  }
  return `${prefix}_${text}${bits > 0 ? BASE32[(held << (5 - bits)) & 31] : ""}`
}

const PKCS8_ED25519 = Buffer.from("302e020100300506032b657004220420", "hex")

/** Signs and sends one JSON request with the key that every device keeps for its requests. */
export const send = async ({ origin, path, json, seed, deviceId, tag }) => {
  const url = new URL(path, origin)
  const body = Buffer.from(JSON.stringify(json))
  const headers = {
    "content-type": "application/json",
    "content-digest": `sha-256=:${sha256(body).toString("base64")}:`,
    "idempotency-key": id("req", randomBytes(16)),
  }
  const components = ["@method", "@authority", "@path", "@query", ...Object.keys(headers)]
  const parameters =
    `(${components.map((name) => `"${name}"`).join(" ")})` +
    `;created=${Math.floor(Date.now() / 1000)};nonce="${randomBytes(16).toString("base64url")}"` +
    `;keyid="${id("dev", deviceId)}";tag="${tag}"`
  const base = [
    `"@method": POST`,
    `"@authority": ${url.host}`,
    `"@path": ${url.pathname}`,
    `"@query": ?`,
    ...Object.entries(headers).map(([name, value]) => `"${name}": ${value}`),
    `"@signature-params": ${parameters}`,
  ].join("\n")
  const key = createPrivateKey({ key: Buffer.concat([PKCS8_ED25519, seed]), format: "der", type: "pkcs8" })
  const signature = sign(null, Buffer.from(base), key).toString("base64")
  const reply = await fetch(url, {
    method: "POST",
    headers: {
      ...headers,
      "signature-input": `sig1=${parameters}`,
      signature: `sig1=:${signature}:`,
      "keyferry-client": "robber/1 protocol/1",
    },
    body,
  })
  return { status: reply.status, answer: await reply.json() }
}
