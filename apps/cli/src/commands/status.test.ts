import { ok } from "@keyferry/base"
import { expect, test } from "vitest"

import type { Keyferry } from "../keyferry.ts"
import { FAKE_ACCOUNT, FAKE_STATUS, fakeItem } from "../test/fake-keyferry.ts"
import { run } from "../test/run-fake.ts"

test("a device that was removed is told so and asked for no password", async () => {
  const listed = await run(
    ["ls"],
    { status: async () => ({ ...FAKE_STATUS, lock: "locked", lockCode: "device-removed" }) },
    { answers: [] },
  )
  expect(listed.exit).toBe(5)
  expect(listed.asked).toEqual([])
})

test("status says what to look at, and nothing about factors while it cannot know", async () => {
  const shown = await run(["status"], {
    status: async () => ({ ...FAKE_STATUS, sync: { ...FAKE_STATUS.sync, conflicts: 1 } }),
  })
  expect(shown.stdout).toContain("2FA on")
  expect(shown.stdout).toContain("kf conflicts")
  const locked = await run(["status"], {
    status: async () => ({
      ...FAKE_STATUS,
      lock: "locked",
      account: { ...FAKE_ACCOUNT, deviceState: "unknown", factors: [] },
    }),
  })
  expect(locked.stdout).not.toContain("2FA")
  expect(locked.stdout).not.toContain("second factor")
})

test("what is not found on a device that was opened offline may be strict: it says so, and not that it is gone", async () => {
  const offline = {
    status: async () => ({ ...FAKE_STATUS, lock: "standard-only" }) as const,
    list: async () => ok([fakeItem()]),
  } satisfies Partial<Keyferry>
  for (const argv of [
    ["get", "Bybit"],
    ["read", "Bybit", "secret"],
    ["otp", "Bybit"],
    ["rm", "Bybit", "--yes"],
  ]) {
    const missing = await run(argv, offline)
    expect([missing.exit, missing.stderr.includes("Strict keys open only while the server answers")]).toEqual([7, true])
    const gone = await run(argv, { ...offline, status: async () => FAKE_STATUS })
    expect(gone.exit).toBe(3)
  }
})
