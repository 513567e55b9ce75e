import { err, ok } from "@keyferry/base"
import { failure } from "@keyferry/sdk/errors"
import { expect, test } from "vitest"

import { FAKE_ACCOUNT, FAKE_KIT, FAKE_STATUS } from "../test/fake-keyferry.ts"
import { run } from "../test/run-fake.ts"

test("the kit goes to a file instead of the screen when asked", async () => {
  const checked = await run(
    ["kit", "--check", "--secrets-stdin"],
    { checkKit: async (code) => (code === FAKE_KIT.code ? ok(undefined) : err(failure("kit-code-wrong"))) },
    {
      stdin: `kit=${FAKE_KIT.code}\n`,
    },
  )
  expect(checked.exit).toBe(0)
  expect(checked.stdout).not.toContain(FAKE_KIT.code)
})

test("a kit that was never checked is named by kf doctor and kf status, with what to do; a checked one is not", async () => {
  const evidence = async () => ok([])
  for (const command of ["doctor", "status"]) {
    const unchecked = { ...FAKE_STATUS, account: { ...FAKE_ACCOUNT, kitUnchecked: true as const } }
    const told = await run([command], { evidence, status: async () => unchecked })
    expect(told.stdout).toMatch(/your recovery kit was not checked.*kf kit --check, or kf kit for a new one/)
    // It is for a person to look at; nothing is broken.
    expect(told.exit).toBe(0)
    const quiet = await run([command], { evidence, status: async () => FAKE_STATUS })
    expect(quiet.stdout).not.toContain("kit")
  }
})

test("an account that is not set up yet makes no new kit, and says so before it asks for the password", async () => {
  const early = (factors: readonly string[]) => ({
    ...FAKE_STATUS,
    account: { ...FAKE_ACCOUNT, deviceState: "pending-first" as const, factors, kitUnchecked: true as const },
  })
  for (const [factors, sentence] of [
    [[], "this account has none"],
    [["totp"], "not confirmed"],
  ] as const) {
    const refused = await run(["kit"], { status: async () => early(factors) }, { answers: [] })
    expect(refused.exit).toBe(8)
    expect(refused.stderr).toContain(sentence)
    expect(refused.stderr).toContain("kf sync on")
    expect(refused.asked).toEqual([])
  }
})
