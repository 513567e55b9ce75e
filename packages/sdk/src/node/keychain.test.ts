import { existsSync, mkdtempSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

import { expect, test } from "vitest"

import { createKeychainStorage, type KeychainEntry } from "./keychain.ts"

/** A fake: an entry in memory, as the system's keychain would answer. */
const createFakeEntry = (): KeychainEntry => {
  let held: Uint8Array | null = null
  return {
    getSecret: async () => held,
    setSecret: async (secret) => {
      held = secret
    },
    deleteCredential: async () => {
      held = null
    },
  }
}
const folder = () => mkdtempSync(join(tmpdir(), "kf-keychain-"))
const SECRET = new Uint8Array(32).fill(7)

test("the secret goes to the keychain and nothing of it to the folder", async () => {
  const dir = folder()
  const entry = createFakeEntry()
  const storage = createKeychainStorage(dir, async () => entry)
  await storage.save(SECRET)
  expect(existsSync(join(dir, "device.secret"))).toBe(false)
  expect(await createKeychainStorage(dir, async () => entry).load()).toEqual(SECRET)
  await storage.destroy()
  expect(await entry.getSecret()).toBeNull()
})

test("without a keychain, or with one that does not keep what it is given, a file serves", async () => {
  const broken: KeychainEntry = { ...createFakeEntry(), setSecret: async () => undefined }
  for (const open of [async () => undefined, async () => broken]) {
    const dir = folder()
    await createKeychainStorage(dir, open).save(SECRET)
    expect(await createKeychainStorage(dir, open).load()).toEqual(SECRET)
    expect(existsSync(join(dir, "device.secret"))).toBe(true)
  }
})

test("[keychain-unavailable] a keychain that does not answer later is locked, not lost: no new secret is made", async () => {
  const dir = folder()
  await createKeychainStorage(dir, async () => createFakeEntry()).save(SECRET)
  await expect(createKeychainStorage(dir, async () => undefined).load()).rejects.toThrow("keychain-unavailable")
})
