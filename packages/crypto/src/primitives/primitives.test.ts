import { describe, expect, test } from "vitest"

import { conformance } from "./conformance.ts"
import { noblePrimitives } from "./noble.ts"
import { nodePrimitives } from "./node.ts"
import { hasEd25519, webPrimitives } from "./web.ts"

const { subtle } = globalThis.crypto

conformance("node:crypto", nodePrimitives, noblePrimitives)
conformance("plain JavaScript", noblePrimitives, nodePrimitives)
conformance("WebCrypto", webPrimitives(subtle, true), noblePrimitives)
conformance("WebCrypto without Ed25519", webPrimitives(subtle, false), nodePrimitives)

describe("primitives: what a host has", () => {
  test("[KE2] Ed25519 is found where it exists and missed where the host refuses it", async () => {
    expect(await hasEd25519(subtle)).toBe(true)
    expect(
      await hasEd25519({ generateKey: (): Promise<never> => Promise.reject(new Error("NotSupportedError")) }),
    ).toBe(false)
  })

  test("[KE2] more signers than the cache of public keys holds still verify", async () => {
    const message = new Uint8Array(1)
    for (let i = 0; i < 1_100; i++) {
      const seed = new Uint8Array(32)
      new DataView(seed.buffer).setUint32(0, i)
      const key = await nodePrimitives.ed25519PublicKey(seed)
      if (i % 50 !== 0) {
        expect(await nodePrimitives.ed25519Verify(key, message, new Uint8Array(64))).toBe(false)
        continue
      }
      const signature = await nodePrimitives.ed25519Sign(seed, message)
      expect(await nodePrimitives.ed25519Verify(key, message, signature)).toBe(true)
    }
  })
})
