import { copyFileSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

import { afterAll, describe, expect, test } from "vitest"

import { createLimiter } from "../service/limiter.ts"
import { openTestStore } from "../testing/world.ts"
import { findAccountByAddress } from "./accounts.ts"
import { cases } from "./conformance.ts"

const root = mkdtempSync(join(tmpdir(), "kf-server-"))
afterAll(() => rmSync(root, { recursive: true, force: true }))

describe("conformance on SQLite", () => {
  cases.forEach(({ name, run }, i) =>
    test(name, () => run({ url: `sqlite:${join(root, `c${i}.db`)}`, dialect: "sqlite" })),
  )
})

test("the committed schema is the sum of the migrations", async () => {
  const store = await openTestStore()
  expect(store.schemaText()).toBe(readFileSync(join(import.meta.dirname, "schema.sql"), "utf8"))
  await store.close()
})

test("a store that version 1 wrote is opened, and its rows are there", async () => {
  const path = join(root, "v1.db")
  copyFileSync(join(import.meta.dirname, "fixtures", "server-1.db"), path)
  const store = await openTestStore(`sqlite:${path}`)
  expect(store.migrated.from).toBe(1)
  const account = await store.read((db) => findAccountByAddress(db, "ada@example.org"))
  expect(account).toMatchObject({ uuid: "00000000-0000-4000-8000-000000000001", operator: 1, confirmed: 1 })
  await store.close()
})

test("limits survive a restart", async () => {
  const url = `sqlite:${join(root, "limits.db")}`
  const clock = { nowMs: () => 1_000 }
  const rule = { by: "network", points: 3, windowMs: 60_000 } as const
  const open = async () => {
    const store = await openTestStore(url)
    return { store, limiter: await createLimiter({ store, clock, key: new Uint8Array(32), scale: 1 }) }
  }
  const one = await open()
  for (let i = 0; i < 3; i++) {
    expect((await one.limiter.count("login", rule, "192.0.2.1")).ok).toBe(true)
    expect(one.limiter.countFast(rule, "192.0.2.1").ok).toBe(true)
  }
  await one.limiter.flush()
  await one.store.close()
  const two = await open()
  expect(await two.limiter.count("login", rule, "192.0.2.1")).toMatchObject({
    ok: false,
    error: { code: "rate-limited" },
  })
  expect(two.limiter.countFast(rule, "192.0.2.1").ok).toBe(false)
  expect(two.limiter.countFast(rule, "192.0.2.2").ok).toBe(true)
  const rows = await two.store.read((db) => db.selectFrom("limiter").select("bucket").execute())
  expect(JSON.stringify(rows)).not.toContain("192.0.2")
  await two.store.close()
})
