import { expect, test } from "vitest"

import { err, ok } from "@keyferry/base"
import { failure } from "@keyferry/sdk/errors"

import type { Keyferry } from "../keyferry.ts"
import { fakeDevice, fakeKeyferry } from "../test/fake-keyferry.ts"
import { type CommandWish, runCommand } from "../test/run-command.ts"

const run = (argv: readonly string[], keyferry: Partial<Keyferry>, wish: Partial<CommandWish> = {}) =>
  runCommand(argv, { keyferry: fakeKeyferry(keyferry), ...wish })

test("activity tells the server's log in words, marks what to explain, and shows a newer server's kind as it came", async () => {
  const nowMs = Date.UTC(2026, 10, 20, 12)
  const log = [
    { atMs: nowMs - 60_000, kind: "second-factor-wrong" },
    { atMs: nowMs - 120_000, kind: "device-removed", deviceId: "dev_old", detail: "\u001b[31mlost" },
    { atMs: nowMs - 3 * 86_400_000, kind: "constructor" },
  ]
  const keyferry = {
    accountLog: async () => ok(log),
    devices: async () => ok([fakeDevice({ id: "dev_old", name: "Old phone" })]),
  } satisfies Partial<Keyferry>
  const all = await run(["activity"], keyferry, { nowMs })
  expect(all.exit).toBe(0)
  expect(all.stdout).toMatch(/! +The second factor was wrong/)
  expect(all.stdout).toContain("Old phone was removed")
  expect(all.stdout).not.toContain("\u001b[31m")
  expect(all.stdout).toContain("constructor")
  const day = await run(["activity", "--since", "1d", "--json"], keyferry, { nowMs })
  expect((JSON.parse(day.stdout) as { data: unknown[] }).data).toMatchObject([
    { kind: "second-factor-wrong", worthALook: true },
    { kind: "device-removed", deviceId: "dev_old", worthALook: false },
  ])
  const locked = await run(["activity"], { ...keyferry, devices: async () => err(failure("locked")) }, { nowMs })
  expect(locked.stdout).toContain("dev_old was removed")
  expect((await run(["activity", "--since", "soon"], keyferry)).exit).toBe(2)
})
