import { err, ok } from "@keyferry/base"
import { failure } from "@keyferry/sdk/errors"
import { expect, test } from "vitest"

import type { Keyferry } from "../keyferry.ts"
import { FAKE_KIT, fakeDevice, SCAN, WAITING } from "../test/fake-keyferry.ts"
import { calls, run } from "../test/run-fake.ts"

test("kf device approve takes the text of the QR code, by option, at the prompt and from stdin, and no other text", async () => {
  const seen = calls()
  const device = fakeDevice({ name: "Desk", id: WAITING, state: "pending" })
  const keyferry: Partial<Keyferry> = {
    devices: async () => ok([fakeDevice(), device, fakeDevice({ name: "Other", state: "pending" })]),
    approveStart: async (id) => {
      seen.of("start")(id)
      return ok(undefined)
    },
    approve: async (id, typed) => {
      seen.of("approve")(id, typed)
      return ok({ reply: ["gamma", "lake"], done: Promise.resolve(ok(undefined)) })
    },
  }
  const byOption = await run(["device", "approve", "--qr", SCAN], keyferry)
  expect(byOption).toMatchObject({ exit: 0 })
  expect(byOption.stdout).toContain("gamma  lake")
  expect((await run(["device", "approve", "Desk"], keyferry, { answers: [SCAN] })).exit).toBe(0)
  const stdin = await run(["device", "approve", "Desk", "--secrets-stdin"], keyferry, { stdin: `words=${SCAN}\n` })
  expect(stdin.exit).toBe(0)
  expect((await run(["device", "approve", "--qr", "able acid aged"], keyferry)).exit).toBe(2)
  expect(seen.list).toEqual([
    ["approve", WAITING, SCAN],
    ["start", WAITING],
    ["approve", WAITING, SCAN],
    ["approve", WAITING, SCAN],
  ])
})

test("an action that wants the password and the factor fresh gets each once", async () => {
  const fresh = { password: false, factor: false }
  const seen = calls()
  const removed = await run(
    ["device", "remove", "phone", "--reason", "lost"],
    {
      devices: async () => ok([fakeDevice()]),
      confirmPassword: async (password) => {
        seen.of("password")(password)
        fresh.password = true
        return ok(undefined)
      },
      twoFactorCheck: async (kind, code) => {
        seen.of("factor")(kind, code)
        fresh.factor = true
        return ok(undefined)
      },
      removeDevice: async (input) => {
        if (!fresh.password || !fresh.factor)
          return err(failure(fresh.password ? "second-factor-needed" : "reauth-required"))
        seen.of("remove")(input)
        return ok({
          rotation: [
            { itemId: "itm_x", kind: "exchange-key", title: "Bybit", harm: "withdraws", why: "It may withdraw." },
          ],
          rotatedVaults: 1,
          replaceKit: true,
        })
      },
    },
    { answers: ["y", "my password", "123 456"] },
  )
  expect(removed.exit).toBe(0)
  expect(seen.list).toEqual([
    ["password", "my password"],
    ["factor", "totp", "123456"],
    ["remove", { id: "dev_other", reason: "lost" }],
  ])
  expect(removed.stdout).toContain("can move money out")
  expect(removed.stderr).toContain("kf kit")
})

test("the removal dialog says beforehand what is lost, and no means no", async () => {
  const removed = await run(
    ["device", "remove", "phone", "--reason", "retired"],
    { devices: async () => ok([fakeDevice()]) },
    { answers: ["n"] },
  )
  expect(removed.exit).toBe(5)
  expect(removed.stderr).toContain("edits that it has not sent, are lost")
})

test("the last device is removed only with the kit", async () => {
  const seen = calls()
  const removed = await run(
    ["device", "remove", "phone", "--reason", "retired", "--yes"],
    {
      devices: async () => ok([fakeDevice()]),
      removeDevice: async (input) => {
        seen.of("remove")(input)
        return input.kitCode === undefined
          ? err(failure("device-is-last"))
          : ok({ rotation: [], rotatedVaults: 0, replaceKit: false })
      },
    },
    { answers: [FAKE_KIT.code] },
  )
  expect(removed.exit).toBe(0)
  expect(seen.list).toHaveLength(2)
})
