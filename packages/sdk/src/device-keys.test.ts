import { expect, test } from "vitest"

import { nodePrimitives as p } from "@keyferry/crypto/node"

import { hasKeyObjects } from "./browser/key-support.ts"
import { seedKeys } from "./device-keys.ts"

const { subtle } = globalThis.crypto
const random = { bytes: (length: number) => crypto.getRandomValues(new Uint8Array(length)) }

test("[DS15] a browser that refuses one of the two kinds of keys has none of them", async () => {
  expect(await hasKeyObjects(subtle)).toBe(true)
  for (const missing of ["Ed25519", "X25519"]) {
    const refusing = async (algorithm: unknown) => {
      if (algorithm === missing) throw new Error("NotSupportedError")
      return {}
    }
    expect(await hasKeyObjects({ generateKey: refusing as never })).toBe(false)
  }
})

test("[DS15] a seed signs as the public key says, and is all there is of the X-Wing pair", async () => {
  const keys = seedKeys(p, random)
  const auth = await keys.makeAuth()
  const message = new Uint8Array([1, 2, 3])
  expect(
    await p.ed25519Verify(await keys.authPublicKey(auth), message, await (await keys.authSigner(auth))(message)),
  ).toBe(true)
  const pair = await keys.kemPair(await keys.makeKem())
  expect([pair.publicKey.length, pair.half]).toEqual([1216, undefined])
})
