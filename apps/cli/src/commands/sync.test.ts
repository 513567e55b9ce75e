import { ok } from "@keyferry/base"
import { expect, test } from "vitest"

import type { Keyferry } from "../keyferry.ts"
import { FAKE_ACCOUNT, FAKE_STATUS, fakeEnrolment, fakeItem, fakeView, NO_ACCOUNT } from "../test/fake-keyferry.ts"
import { calls, run } from "../test/run-fake.ts"

const OTHER_ITEM = "itm_aiaqcaibaeaqcaibaeaqcaibae"

test("kf sync on without a second factor names the way out", async () => {
  const status = { ...FAKE_STATUS, account: { ...FAKE_ACCOUNT, factors: [] } }
  const on = await run(["sync", "on", "--items", "all"], { status: async () => status })
  expect(on.exit).toBe(8)
  expect(on.stderr).toContain("kf 2fa on")
})

test("what may withdraw is named when it begins to travel, and what does not travel is not", async () => {
  const withdraws = fakeItem({
    title: "Cold",
    kind: "exchange-key",
    summary: "Bybit · read, withdraw",
    policy: "local-only",
  })
  const trades = fakeItem({
    id: OTHER_ITEM,
    title: "Bot",
    kind: "exchange-key",
    summary: "Bybit · trade",
    policy: "local-only",
  })
  const keyferry: Partial<Keyferry> = {
    list: async () => ok([withdraws, trades]),
    setPolicy: async () => ok(undefined),
    syncOn: async () => ok({ uploaded: 1 }),
  }
  const synced = await run(["synced", "Cold", "Bot"], keyferry)
  expect(synced.stderr).toContain(`“Cold” can move money out`)
  expect(synced.stderr).toContain(`kf local ${withdraws.id}`)
  expect(synced.stderr).not.toContain("“Bot” can")
  expect((await run(["synced", "Bot"], keyferry)).stderr).not.toContain("money")
  expect((await run(["sync", "on", "--items", "all"], keyferry)).stderr).toContain("“Cold” can move money out")
  expect((await run(["sync", "on", "--items", "Bot"], keyferry)).stderr).not.toContain("money")
})

test("kf sync on uploads what was chosen and nothing before the choice", async () => {
  const items = [fakeItem({ title: "One" }), fakeItem({ id: "itm_aiaqcaibaeaqcaibaeaqcaibae", title: "Two" })]
  const seen = calls()
  const keyferry: Partial<Keyferry> = {
    list: async () => ok(items),
    syncOn: async (input, onProgress) => {
      seen.of("syncOn")(input)
      onProgress?.({ step: "uploading", done: 1, total: 1 })
      return ok({ uploaded: 1 })
    },
  }
  expect((await run(["sync", "on"], keyferry)).exit).toBe(9)
  expect(seen.list).toEqual([])
  const person = await run(["sync", "on"], keyferry, { answers: ["4", "2", "n"] })
  expect(person.exit).toBe(0)
  const script = await run(["sync", "on", "--items", "One", "--auto-new", "--json"], keyferry)
  expect(script.stderr).toContain('"event":"progress"')
  expect(seen.list).toEqual([
    ["syncOn", { items: ["itm_aiaqcaibaeaqcaibaeaqcaibae"], autoNew: false }],
    ["syncOn", { items: ["itm_aeaqcaibaeaqcaibaeaqcaibae"], autoNew: true }],
  ])
})

test("both versions of a field are shown, hidden if secret, and one is picked by its number", async () => {
  const view = fakeView({
    conflicts: 1,
    alternatives: [{ field: "password", value: "the other secret", deviceId: "dev_other", rev: 4 }],
  })
  const seen = calls()
  const keyferry: Partial<Keyferry> = {
    list: async () => ok([view]),
    get: async () => ok(view),
    resolve: async (id, field, take) => {
      seen.of("resolve")(id, field, take)
      return ok(fakeItem())
    },
  }
  const hidden = await run(["conflicts", "show", "Example shop"], keyferry)
  expect(hidden.stdout).not.toContain("the other secret")
  expect((await run(["conflicts", "show", "Example shop", "--reveal"], keyferry)).stdout).toContain("the other secret")
  expect((await run(["conflicts", "pick", "Example shop", "password", "--take", "2"], keyferry)).exit).toBe(2)
  expect((await run(["conflicts", "pick", "Example shop", "password"], keyferry)).exit).toBe(9)
  expect((await run(["conflicts", "pick", "Example shop", "password", "--take", "1"], keyferry)).exit).toBe(0)
  expect((await run(["conflicts", "pick", "Example shop", "password", "--take", "current"], keyferry)).exit).toBe(0)
  expect(seen.list.map((call) => call.at(-1))).toEqual([0, "current"])
})

test("kf local asks what happens elsewhere, and keeps those copies unless told", async () => {
  const seen = calls()
  const keyferry: Partial<Keyferry> = {
    list: async () => ok([fakeItem({ policy: "synced" })]),
    setPolicy: async (...args) => {
      seen.of("setPolicy")(...args)
      return ok(undefined)
    },
  }
  expect((await run(["local", "Example shop"], keyferry)).exit).toBe(9)
  expect((await run(["local", "Example shop", "--yes"], keyferry)).exit).toBe(0)
  expect((await run(["local", "Example shop"], keyferry, { answers: ["2"] })).exit).toBe(0)
  expect(seen.list.map((call) => call.at(-1))).toEqual(["keep", "delete"])
})

test("kf sync on does not take a recovery for a sign-in", async () => {
  const on = await run(["sync", "on"], {
    status: async () => ({ ...NO_ACCOUNT, enrolment: fakeEnrolment({ purpose: "recovery", step: "confirm" }) }),
  })
  expect(on.exit).toBe(4)
  expect(on.stderr).toContain("kf recover")
})
