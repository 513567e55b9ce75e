import assert from "node:assert/strict"

import { equalBytes } from "@keyferry/base"

import type { KmsContext, KmsProvider } from "./provider.ts"

/** One behaviour that every provider shows. */
export interface KmsCase {
  readonly name: string
  readonly run: (open: () => Promise<KmsProvider>) => Promise<void>
}

const context: KmsContext = {
  app: "keyferry",
  dep: "dep_conformance",
  tenant: "11".repeat(32),
  purpose: "record",
  dek: "22".repeat(16),
  v: "1",
}

const made = async (kms: KmsProvider) => {
  const key = await kms.generate(context)
  if (!key.ok) assert.fail(key.error.detail)
  return key.value
}

const changed = (field: keyof KmsContext, value: string): KmsContext => ({ ...context, [field]: value })

export const kmsCases: readonly KmsCase[] = [
  {
    name: "a wrapped key opens to the key that was made",
    run: async (open) => {
      const kms = await open()
      const key = await made(kms)
      assert.equal(key.plain.length, 32)
      const again = await kms.unwrap(key, context)
      assert.ok(again.ok && equalBytes(again.value.reveal(), key.plain.reveal()))
    },
  },
  {
    name: "two keys are different",
    run: async (open) => {
      const kms = await open()
      const [a, b] = [await made(kms), await made(kms)]
      assert.ok(!equalBytes(a.plain.reveal(), b.plain.reveal()) && !equalBytes(a.wrapped, b.wrapped))
    },
  },
  {
    name: "the wrapped key does not contain the key",
    run: async (open) => {
      const key = await made(await open())
      assert.ok(!Buffer.from(key.wrapped).includes(Buffer.from(key.plain.reveal())))
    },
  },
  {
    name: "every part of the context is bound",
    run: async (open) => {
      const kms = await open()
      const key = await made(kms)
      const others = [
        changed("dep", "dep_other"),
        changed("tenant", "12".repeat(32)),
        changed("purpose", "lease"),
        changed("dek", "23".repeat(16)),
        changed("v", "2"),
      ]
      for (const other of others) {
        const opened = await kms.unwrap(key, other)
        assert.ok(!opened.ok && opened.error.code === "kms-wrong-key")
      }
    },
  },
  {
    name: "changed bytes are refused as wrong, not as unavailable",
    run: async (open) => {
      const kms = await open()
      const key = await made(kms)
      for (const at of [0, key.wrapped.length >> 1, key.wrapped.length - 1]) {
        const wrapped = key.wrapped.slice()
        wrapped[at] = (wrapped[at] ?? 0) ^ 1
        const opened = await kms.unwrap({ ...key, wrapped }, context)
        assert.ok(!opened.ok && opened.error.code === "kms-wrong-key")
      }
      const empty = await kms.unwrap({ ...key, wrapped: new Uint8Array() }, context)
      assert.ok(!empty.ok && empty.error.code === "kms-wrong-key")
    },
  },
  {
    name: "a key opens after the provider was closed and opened again",
    run: async (open) => {
      const first = await open()
      const key = await made(first)
      const plain = key.plain.reveal().slice()
      await first.close()
      const again = await (await open()).unwrap(key, context)
      assert.ok(again.ok && equalBytes(again.value.reveal(), plain))
    },
  },
]
