import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

import { nodePrimitives } from "@keyferry/crypto/node"
import { createSeededRandom } from "@keyferry/testkit"
import { afterAll, expect, test } from "vitest"

import type { Keyferry } from "./api.ts"
import { openKeyferry } from "./keyferry.ts"
import { createFileStore, createNodeHttp, createSecretFile } from "./node/index.ts"

const PASSWORD = "correct horse battery"
const folder = mkdtempSync(join(tmpdir(), "kf-unlock-"))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** A device in the folder that notes in `seen` when a table was read and when a password was stretched. */
const open = async (seen: string[]): Promise<Keyferry> => {
  const store = createFileStore(join(folder, "device.db"))
  const kf = await openKeyferry({
    store: {
      ...store,
      list: async (table) => {
        const rows = await store.list(table)
        seen.push(`${table} read`)
        return rows
      },
    },
    secrets: createSecretFile(join(folder, "device.secret")),
    http: createNodeHttp(),
    clock: { nowMs: () => 0, monotonicMs: () => 0 },
    random: createSeededRandom("unlock"),
    primitives: {
      ...nodePrimitives,
      argon2id: async (password, salt, options) => {
        const key = await nodePrimitives.argon2id(password, salt, { ...options, memoryKiB: 1024 })
        // Longer than any read of a store that was begun before.
        await new Promise((resolve) => setImmediate(resolve))
        seen.push("stretched")
        return key
      },
    },
    platform: "test",
    client: "test/0",
    failureOf: () => undefined,
    schedule: () => () => undefined,
  })
  if (!kf.ok) throw new Error(kf.error.code)
  return kf.value
}

test("the sealed pages are read while the password is stretched, and a wrong password opens none of them", async () => {
  const first = await open([])
  expect(await first.createLocal(PASSWORD)).toMatchObject({ ok: true })
  const note = { kind: "note", title: "Harbour", fields: [{ name: "text", value: "quay", secret: true }] }
  expect(await first.add(note)).toMatchObject({ ok: true })
  await first.close()

  const seen: string[] = []
  const again = await open(seen)
  seen.length = 0
  expect(await again.unlock("not the password")).toMatchObject({ ok: false, error: { code: "wrong-password" } })
  expect(await again.list()).toMatchObject({ ok: false })
  expect(await again.unlock(PASSWORD)).toMatchObject({ ok: true })
  expect(await again.list()).toMatchObject({ ok: true, value: [{ title: "Harbour" }] })
  const pages = ["page read", "page-strict read", "stretched"]
  expect(seen.filter((what) => pages.includes(what))).toEqual([...pages, ...pages])
  await again.close()
})
