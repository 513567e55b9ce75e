import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

import { afterAll, describe, expect, test } from "vitest"

import { createLimiter } from "../service/limiter.ts"
import { openTestStore } from "../testing/world.ts"
import { cases } from "./conformance.ts"

const root = mkdtempSync(join(tmpdir(), "kf-server-"))
afterAll(() => rmSync(root, { recursive: true, force: true }))

describe("conformance on SQLite", () => {
  cases.forEach(({ name, run }, i) =>
    test(name, () => run({ url: `sqlite:${join(root, `c${i}.db`)}`, dialect: "sqlite" })),
  )
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
