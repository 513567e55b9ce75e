import { afterAll, beforeAll, describe, expect, test } from "vitest"

import type { Keyferry } from "@keyferry/sdk"

import { createWorld, exchangeKey, login, must, PASSWORD, signUpWithSync, type World } from "./world.ts"

const MINUTE = 60_000
let movedMs = 0
const clock = { nowMs: () => world.nowMs() + movedMs, monotonicMs: () => performance.now() }
let world: World
let a: Keyferry

beforeAll(async () => {
  world = await createWorld()
  a = await world.device("a", { clock })
  await signUpWithSync(world, a)
  must(await a.add(login("standard")))
  must(await a.add(exchangeKey("strict")))
  must(await a.syncNow())
  must(await a.keepDraft("new:login", { values: { password: "typed and not saved" } }))
  must(await a.keepDraft("new:exchange-key", { values: { secret: "typed and not saved" } }))
  await a.lock()
  await world.stop()
})
afterAll(() => world.close())

// One story: the server is away, and the clock is moved further and further.
describe("a device whose server does not answer", () => {
  test("[LS20] opens the standard class alone", async () => {
    expect(must(await a.unlock(PASSWORD)).lock).toBe("standard-only")
    expect(must(await a.list()).map((i) => i.title)).toEqual(["standard"])
  })

  test("[LS20] the same holds for what was typed and not saved: a strict draft stays closed and cannot be kept", async () => {
    expect(must(await a.draft("new:login"))).toEqual({ values: { password: "typed and not saved" } })
    expect(must(await a.draft("new:exchange-key"))).toBeUndefined()
    const typed = { values: { secret: "typed while offline" } }
    expect(await a.keepDraft("new:exchange-key", typed)).toMatchObject({ error: { code: "lease-needs-server" } })
  })

  test("[LS25] a clock that was set back refuses and destroys nothing", async () => {
    await a.lock()
    movedMs = -10 * MINUTE
    expect(await a.unlock(PASSWORD)).toMatchObject({ ok: false, error: { code: "clock-moved" } })
    movedMs = 0
    expect(must(await a.unlock(PASSWORD)).lock).toBe("standard-only")
  })

  test("[LS24] [LS25] the latest time seen counts, of the unlock that went before", async () => {
    await a.lock()
    movedMs = 60 * MINUTE
    expect(must(await a.unlock(PASSWORD)).lock).toBe("standard-only")
    await a.lock()
    movedMs = 0
    expect(await a.unlock(PASSWORD)).toMatchObject({ ok: false, error: { code: "clock-moved" } })
  })

  test("[LS26] after the end nothing opens, and setting the clock back does not bring it back", async () => {
    movedMs = 25 * 60 * MINUTE
    expect(await a.unlock(PASSWORD)).toMatchObject({ ok: false, error: { code: "lease-expired" } })
    movedMs = 61 * MINUTE
    expect(await a.unlock(PASSWORD)).toMatchObject({ ok: false, error: { code: "lease-expired" } })
  })

  test("[LS22] the server's answer starts a new grace", async () => {
    movedMs = 0
    await world.start()
    expect(must(await a.unlock(PASSWORD)).lock).toBe("unlocked")
    await a.lock()
    await world.stop()
    expect(must(await a.unlock(PASSWORD)).lock).toBe("standard-only")
  })

  test("[LS20] closes nothing that is open, when the password is asked for once more", async () => {
    await a.lock()
    await world.start()
    expect(must(await a.unlock(PASSWORD)).lock).toBe("unlocked")
    await world.stop()
    expect(await a.confirmPassword(PASSWORD)).toMatchObject({ ok: false, error: { code: "network-unreachable" } })
    expect((await a.status()).lock).toBe("unlocked")
    expect(must(await a.list()).map((i) => i.title)).toEqual(["standard", "strict"])
    await a.lock()
    expect(must(await a.unlock(PASSWORD)).lock).toBe("standard-only")
  })
})
