import { err, ok } from "@keyferry/base"
import { failure } from "@keyferry/sdk/errors"
import { expect, test } from "vitest"

import type { Keyferry } from "../keyferry.ts"
import { FAKE_KIT, fakeEnrolment, NO_ACCOUNT } from "../test/fake-keyferry.ts"
import { calls, run } from "../test/run-fake.ts"

test("kf recover asks for the new password first, and after a stop of the agent for that one only", async () => {
  const seen = calls()
  const begun: Partial<Keyferry> = {
    status: async () => NO_ACCOUNT,
    recoverStart: async (input) => {
      seen.of("start")(input)
      return ok(fakeEnrolment({ purpose: "recovery", step: "second-factor", passwordChosen: true }))
    },
    loginSecondFactor: async () => err(failure("network-unreachable")),
  }
  const first = await run(["recover", "https://keys.example.com", "--device-name", "d"], begun, {
    answers: [FAKE_KIT.code, "a good password", "a good password", "123456"],
  })
  expect(first.exit).toBe(7)
  expect(seen.list).toEqual([
    [
      "start",
      { server: "https://keys.example.com", kitCode: FAKE_KIT.code, deviceName: "d", newPassword: "a good password" },
    ],
  ])

  let opened = false
  const keys = fakeEnrolment({ purpose: "recovery", step: "keys", passwordChosen: true })
  const again: Partial<Keyferry> = {
    status: async () =>
      opened
        ? { ...NO_ACCOUNT, mode: "local", lock: "unlocked", enrolment: keys }
        : { ...NO_ACCOUNT, mode: "local", lock: "locked" },
    unlock: async (password) => {
      seen.of("unlock")(password)
      opened = true
      return ok({ lock: "unlocked" })
    },
    recoverFinish: async (password) => {
      seen.of("finish")(password)
      return ok(FAKE_KIT)
    },
  }
  const second = await run(["recover"], again, { answers: ["a good password"] })
  expect(second.exit).toBe(0)
  expect(seen.list.slice(1)).toEqual([
    ["unlock", "a good password"],
    ["finish", undefined],
  ])
})
