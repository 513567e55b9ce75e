import { err, ok } from "@keyferry/base"
import { failure } from "@keyferry/sdk/errors"
import { expect, test } from "vitest"

import type { Keyferry } from "../keyferry.ts"
import { FAKE_KIT, fakeItem } from "../test/fake-keyferry.ts"
import { calls, run } from "../test/run-fake.ts"

test("logout names what would be lost and refuses; the sentence it shows is the way", async () => {
  const seen = calls()
  const keyferry: Partial<Keyferry> = {
    leaving: async () =>
      ok({ unsynced: [fakeItem({ title: "Only here" })], waiting: 2, lastDevice: false, address: "ada@example.com" }),
    signOut: async (input) => {
      seen.of("signOut")(input)
      return ok(undefined)
    },
  }
  for (const argv of [
    ["logout"],
    ["logout", "--yes"],
    ["logout", "--yes", "--confirm", "lose 1 item"],
    ["logout", "--confirm", "lose 1 item and 2 unsent edits"],
  ]) {
    const refused = await run(argv, keyferry)
    expect(refused.exit).toBe(9)
    expect(refused.stderr).toContain("“Only here”")
  }
  expect((await run(["logout"], keyferry, { answers: ["1"] })).exit).toBe(9)
  expect((await run(["logout"], keyferry, { answers: ["3", "yes"] })).exit).toBe(9)
  expect(seen.list).toEqual([])
  expect((await run(["logout", "--yes", "--confirm", "lose 1 item and 2 unsent edits"], keyferry)).exit).toBe(0)
  expect((await run(["logout"], keyferry, { answers: ["3", "lose 1 item and 2 unsent edits"] })).exit).toBe(0)
  expect(seen.list).toEqual([
    ["signOut", { clear: true, confirmed: true }],
    ["signOut", { clear: true, confirmed: true }],
  ])
})

test("logout of the last device wants the kit, or the address under what is lost for ever", async () => {
  const seen = calls()
  const keyferry: Partial<Keyferry> = {
    list: async () => ok([fakeItem({ policy: "synced" })]),
    leaving: async () => ok({ unsynced: [], waiting: 0, lastDevice: true, address: "ada@example.com" }),
    signOut: async (input) => {
      seen.of("signOut")(input)
      return ok(undefined)
    },
  }
  expect((await run(["logout", "--yes"], keyferry)).exit).toBe(9)
  expect((await run(["logout", "--yes", "--secrets-stdin"], keyferry, { stdin: `kit=${FAKE_KIT.code}\n` })).exit).toBe(
    0,
  )
  const typed = await run(["logout"], keyferry, { answers: ["y", "", "ada@example.com"] })
  expect(typed.asked.at(-1)).toContain("1 item will be lost for ever")
  expect(seen.list).toEqual([
    ["signOut", { clear: true, confirmed: true, kitCode: FAKE_KIT.code }],
    ["signOut", { clear: true, confirmed: true, typedAddress: "ada@example.com" }],
  ])
})

test("kf logout --keep asks nothing, because it destroys nothing", async () => {
  const kept = await run(["logout", "--keep"], {
    signOut: async (input) => (input.clear ? err(failure("internal")) : ok(undefined)),
  })
  expect(kept.exit).toBe(0)
})
