import type { Status } from "@keyferry/sdk"
import { expect, test } from "vitest"

import { syncStateOf } from "./sync-state.ts"

const status = (lock: Status["lock"]): Status =>
  ({
    mode: "account",
    lock,
    account: { factors: ["totp"], deviceState: "active", frozen: false, syncSuspended: false },
    sync: { on: true, state: "up-to-date", waiting: 0, conflicts: 0 },
  }) as unknown as Status
const here = { secure: true, online: true } as Parameters<typeof syncStateOf>[1]

test("a browser that was opened without the server is never called up to date", () => {
  expect(syncStateOf(status("unlocked"), here)).toBe("up-to-date")
  expect(syncStateOf(status("standard-only"), here)).toBe("offline")
})
