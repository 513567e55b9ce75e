import {
  base32ToBytes,
  base64urlToBytes,
  bytesToBase32,
  bytesToBase64url,
  bytesToCrockford,
  bytesToHex,
  crockfordToBytes,
  decodeCbor,
  encodeCbor,
  equalBytes,
  formatId,
  hexToBytes,
  parseId,
  type Struct,
  utf8,
  utf8ToText,
} from "@keyferry/base"
import * as protocol from "@keyferry/protocol"

import { makeCbor, makeText } from "./engine/mutate.ts"
import { type FuzzTarget, promise, textOf } from "./engine/target.ts"
import { protocolSamples } from "./engine/samples.ts"

const LIMIT = 1024 * 1024

/** Every struct that travels between a device and a server, by name. */
const structs: readonly (readonly [string, Struct<unknown>])[] = Object.entries(protocol).filter(([name]) =>
  name.endsWith("Struct"),
) as never
const samples = Object.values(protocolSamples)

export const targets: readonly FuzzTarget[] = [
  {
    name: "cbor",
    make: makeCbor(samples),
    run: (input) => {
      const decoded = decodeCbor(input, LIMIT)
      if (!decoded.ok) {
        promise(decoded.error === "not-canonical", `undeclared error ${decoded.error}`)
        return
      }
      promise(equalBytes(encodeCbor(decoded.value), input), "a value that was accepted has other bytes")
      const copy = input.slice()
      input.fill(0xee)
      promise(equalBytes(encodeCbor(decoded.value), copy), "a decoded value shares memory with its input")
      input.set(copy)
    },
  },
  {
    name: "structs",
    make: makeCbor(samples),
    run: (input) => {
      // Each shape looks at everybody's bytes: a body sent to the wrong route is an input too.
      for (const [name, shape] of structs) {
        const decoded = shape.decode(input, LIMIT)
        if (decoded.ok) promise(equalBytes(shape.encode(decoded.value), input), `${name} has a second form`)
        else promise(decoded.error === "malformed", `${name}: undeclared error ${decoded.error}`)
      }
    },
  },
  {
    name: "bytes-texts",
    make: makeText(
      [
        bytesToHex(utf8("sixteen bytes ok")),
        bytesToBase64url(utf8("any bytes at all")),
        formatId("dev", utf8("sixteen bytes ok")),
      ],
      ["dev_", "acc_", "itm_", "=", "-", "_", "l", "O"],
    ),
    run: (input) => {
      const text = textOf(input)
      const hex = hexToBytes(text)
      if (hex !== undefined) promise(bytesToHex(hex) === text.toLowerCase(), "hex reads differently than it writes")
      const b64 = base64urlToBytes(text)
      if (b64 !== undefined) promise(bytesToBase64url(b64) === text, "two texts for the same base64url bytes")
      const b32 = base32ToBytes(text)
      if (b32 !== undefined) promise(bytesToBase32(b32) === text, "two texts for the same base32 bytes")
      const crockford = crockfordToBytes(text)
      if (crockford !== undefined)
        promise(equalBytes(crockfordToBytes(bytesToCrockford(crockford)) ?? input, crockford), "Crockford bytes change")
      for (const prefix of ["dev", "acc", "itm", "vlt", "lea"] as const) {
        const id = parseId(prefix, text)
        if (id.ok) promise(formatId(prefix, id.value) === text, "two texts for one id")
      }
      const read = utf8ToText(input)
      if (read !== undefined) promise(equalBytes(utf8(read), input), "text that was read has other bytes")
    },
  },
]
