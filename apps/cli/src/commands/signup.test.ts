import { err, ok } from "@keyferry/base"
import { failure } from "@keyferry/sdk/errors"
import { expect, test } from "vitest"

import { FAKE_KIT, NO_ACCOUNT } from "../test/fake-keyferry.ts"
import { calls, run } from "../test/run-fake.ts"

test("sign-up shows the kit once and says what comes next", async () => {
  const seen = calls()
  const signedUp = await run(
    ["signup", "https://keys.example.com/a/x", "--address", "ada@example.com", "--device-name", "laptop"],
    {
      status: async () => NO_ACCOUNT,
      signUp: async (input) => {
        seen.of("signUp")(input)
        return ok(FAKE_KIT)
      },
    },
    { answers: ["a good password", "a good password"] },
  )
  expect(signedUp.exit).toBe(0)
  expect(seen.list).toEqual([
    [
      "signUp",
      {
        link: "https://keys.example.com/a/x",
        address: "ada@example.com",
        password: "a good password",
        deviceName: "laptop",
      },
    ],
  ])
  expect(signedUp.stdout.split(FAKE_KIT.code)).toHaveLength(2)
  expect(signedUp.stderr).toContain("kf sync on")
})

test("sign-up on a device with a vault takes that vault's password, checked first", async () => {
  const wish = { stdin: "not the vault's" }
  const local = { ...NO_ACCOUNT, mode: "local", lock: "unlocked" } as const
  const refused = await run(
    ["signup", "https://keys.example.com/a/x", "--address", "a@b", "--password-stdin"],
    {
      status: async () => local,
      confirmPassword: async () => err(failure("wrong-password")),
      signUp: async () => ok(FAKE_KIT),
    },
    wish,
  )
  expect(refused.exit).toBe(4)
  expect(refused.stdout).toBe("")
})
