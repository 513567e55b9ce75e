import { err, ok } from "@keyferry/base"
import { failure } from "@keyferry/sdk/errors"
import { expect, test } from "vitest"

import type { Keyferry } from "../keyferry.ts"
import { calls, run } from "../test/run-fake.ts"

test("two-factor off is refused by its code while sync is on, and says how many devices", async () => {
  const off = await run(
    ["2fa", "off", "--yes", "--password-stdin"],
    {
      twoFactorOff: async () => err(failure("two-factor-disable-blocked", "Sync is on on 2 devices.")),
    },
    { stdin: "pw" },
  )
  expect(off.exit).toBe(9)
  expect(off.stderr).toContain("2 devices")
  expect(off.stderr).toContain("--suspend-sync")
})

const blueKey = {
  id: "AAEC",
  label: "Blue key",
  signsIn: true,
  unlocks: true,
  address: "keys.example.com",
  here: true,
  backedUp: false,
  createdAtMs: 0,
  lastUsedAtMs: 0,
}

test("kf 2fa lists passkeys with what each does, and removes one by its name", async () => {
  const passkeys = async () => ok([blueKey, { ...blueKey, id: "AAED", label: "Old key", unlocks: false }])
  const listed = await run(["2fa"], { passkeys })
  expect(listed.stdout).toMatch(/Blue key\s+signs in and unlocks\s+keys\.example\.com/)
  expect(listed.stdout).toMatch(/Old key\s+signs in\s+keys\.example\.com/)
  const seen = calls()
  const keyferry: Partial<Keyferry> = {
    passkeys,
    passkeyRemove: async (input) => {
      seen.of("passkeyRemove")(input)
      return ok(undefined)
    },
  }
  const removed = await run(["2fa", "remove", "Old key", "--yes", "--password-stdin"], keyferry, { stdin: "pw" })
  expect([removed.exit, seen.list]).toEqual([0, [["passkeyRemove", { id: "AAED", password: "pw" }]]])
  expect((await run(["2fa", "remove", "none", "--yes", "--password-stdin"], keyferry, { stdin: "pw" })).exit).toBe(3)
})

test("where only the second factor is too old, only its code is asked for", async () => {
  for (const command of [["2fa", "codes"], ["thaw"], ["address", "set", "ada@new.example"]]) {
    let isFresh = false
    const seen = calls()
    const answer = async () => (isFresh ? ok(undefined) : err(failure("second-factor-needed")))
    const done = await run(
      command,
      {
        recoveryCodes: async () => (isFresh ? ok({ codes: ["a"] }) : err(failure("second-factor-needed"))),
        thawAccount: answer,
        changeAddress: answer,
        confirmPassword: async () => {
          seen.of("password")()
          return ok(undefined)
        },
        twoFactorCheck: async (kind, code) => {
          seen.of("factor")(kind, code)
          isFresh = true
          return ok(undefined)
        },
      },
      { answers: ["123456"] },
    )
    expect([command, done.exit, seen.list]).toEqual([command, 0, [["factor", "totp", "123456"]]])
  }
})

test("an authenticator that takes the place of another needs the password and a code of the old one, each once", async () => {
  let isFresh = false
  const seen = calls()
  const started = await run(
    ["2fa", "on"],
    {
      twoFactorStart: async (input) => {
        seen.of("start")(input)
        return isFresh
          ? ok({ otpauth: "otpauth://totp/Keyferry:ada?secret=AAAA" })
          : err(failure("second-factor-needed"))
      },
      twoFactorCheck: async () => {
        isFresh = true
        return ok(undefined)
      },
      twoFactorConfirm: async () => ok({ factors: ["totp"] }),
    },
    { answers: ["the password", "123456", "654321"] },
  )
  expect(started.exit).toBe(0)
  expect(seen.list).toEqual([
    ["start", { password: "the password" }],
    ["start", { password: "the password" }],
  ])
})
