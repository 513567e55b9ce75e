import { createFakeAuthenticator, type FakeAuthenticator } from "@keyferry/testkit"
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest"

import { problem } from "../world/hostile-server.ts"
import {
  type AttackedDevice,
  type AttackWorld,
  codeOf,
  createAttackWorld,
  enrolByKit,
  login,
  must,
  PASSWORD,
  type Settled,
  settleAccount,
  titlesOf,
} from "../world/world.ts"

/*
 * A device that is locked, or removed, in the middle of something that waits: for a person, for another device, for a server.
 * Whatever waited ends in a named answer, keeps no key, and writes nothing afterwards.
 */
let world: AttackWorld
let a: Settled
let authenticator: FakeAuthenticator
/** While set, nobody touches the authenticator until it is called. */
let touch: PromiseWithResolvers<void> | undefined
let questions = 0
let n = 0

beforeAll(async () => {
  world = await createAttackWorld()
  authenticator = createFakeAuthenticator({ origin: world.origin() })
  const untilTouched = async (): Promise<void> => {
    questions++
    await touch?.promise
  }
  a = await settleAccount(world, "a", {
    passkeys: {
      create: async (options) => {
        await untilTouched()
        return authenticator.create(options)
      },
      get: async (question) => {
        await untilTouched()
        return authenticator.get(question)
      },
    },
  })
  must(await a.device.kf.add(login("one")))
  must(await a.device.kf.syncNow())
})
afterEach(() => a.device.server.honest())
afterAll(() => world.close())

const within = async <T>(ms: number, work: Promise<T>): Promise<T | "too late"> => {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<"too late">((resolve) => (timer = setTimeout(() => resolve("too late"), ms)))
  const first = await Promise.race([work, late])
  clearTimeout(timer)
  return first
}
const lockOf = async (device: AttackedDevice): Promise<string> => (await device.kf.status()).lock

describe("a passkey that nobody touches", () => {
  test("X-106 person who left: an open question to a passkey holds up no lock, and what it answers later is nobody's", async () => {
    const { kf, server } = a.device
    must(await kf.confirmPassword(PASSWORD))
    must(await kf.twoFactorCheck("totp", a.code()))
    touch = Promise.withResolvers()
    questions = 0
    const adding = kf.passkeyAdd({ label: "Blue key", password: PASSWORD })
    await expect.poll(() => questions).toBeGreaterThan(0)
    const before = server.requestsTo("passkeys.finish").length
    const locked = await within(20_000, kf.lock())
    const lock = await lockOf(a.device)
    touch.resolve()
    touch = undefined
    expect([locked, lock]).toEqual([undefined, "locked"])
    expect(codeOf(await adding)).toBe("passkey-not-used")
    await a.device.quiet()
    expect(server.requestsTo("passkeys.finish")).toHaveLength(before)
    must(await kf.unlock(PASSWORD))
    expect(must(await kf.passkeys())).toEqual([])
    // And one that is touched is taken, after all that.
    must(await kf.twoFactorCheck("totp", a.code()))
    expect(must(await kf.passkeyAdd({ label: "Blue key", password: PASSWORD })).unlocks).toBe(true)
  })
})

describe("an approval that is under way", () => {
  test("X-101 person who left: a device that was locked between the words and the new device's signature adds nobody, and says so", async () => {
    const added = await world.device(`new${n++}`)
    must(
      await added.kf.loginStart({
        server: world.origin(),
        address: "ada@example.org",
        password: PASSWORD,
        deviceName: "Travel",
      }),
    )
    must(await added.kf.loginSecondFactor("totp", a.code()))
    must(await a.device.kf.unlock(PASSWORD))
    const pending = must(await a.device.kf.devices()).find((d) => d.state === "pending")
    const id = pending?.id ?? ""
    const shown = added.kf.approvalWords()
    must(await a.device.kf.approveStart(id))
    const { words } = must(await shown)
    const { reply, done } = must(await a.device.kf.approve(id, words.join(" ")))
    // Between two looks into the relay nothing is asked, so there is nothing that could be given up.
    const { server } = a.device
    const looks = server.requestsTo("devices.relay-read").length
    await expect
      .poll(() => server.requestsTo("devices.relay-read").length > looks && !server.isBusy(), { interval: 10 })
      .toBe(true)
    await a.device.kf.lock()
    const appends = a.device.server.requestsTo("account.append").length
    const joining = added.kf.approvalReply(reply.join(" "))
    // Nobody waits for it here: a command that was stopped does not.
    const ended = await within(
      30_000,
      done.then(codeOf, (error: unknown) => `thrown: ${String(error)}`),
    )
    expect(ended).toBe("locked")
    expect(a.device.server.requestsTo("account.append")).toHaveLength(appends)
    await added.kf.close()
    expect(codeOf(await joining)).toBe("network-unreachable")
    must(await a.device.kf.unlock(PASSWORD))
    expect(must(await a.device.kf.devices()).find((d) => d.id === id)?.state).not.toBe("active")
  })
})

describe("an unlock that is under way", () => {
  test("X-102 person in a hurry: locked while it was opening, a device is locked, and syncs by itself after the next unlock", async () => {
    must(await a.device.kf.unlock(PASSWORD))
    const b = await world.device(`b${n++}`)
    await enrolByKit(world, b, a)
    await b.quiet()
    // The server's answer is here, and the last steps are under way: at each of them somebody locks.
    for (const steps of [1, 10, 20, 30, 40, 60, 80, 120, 160]) {
      await b.kf.lock()
      let locking: Promise<void> | undefined
      b.server.rewrite("lease.evaluate", (reply) => {
        const lockAfter = async (): Promise<void> => {
          for (let i = 0; i < steps; i++) await Promise.resolve()
          locking = b.kf.lock()
        }
        void lockAfter()
        return reply
      })
      await b.kf.unlock(PASSWORD)
      b.server.honest()
      await locking
      await b.quiet()
      expect(await lockOf(b)).toBe("locked")
      must(await a.device.kf.add(login(`meanwhile ${steps}`)))
      must(await a.device.kf.syncNow())
      must(await b.kf.unlock(PASSWORD))
      await expect.poll(() => titlesOf(b.kf)).toContain(`meanwhile ${steps}`)
    }
  })
})

describe("a removal that is learnt in the middle of something", () => {
  test("X-103 removed device: a change that was on its way is answered, writes nothing after the wipe, and the wipe is remembered", async () => {
    must(await a.device.kf.unlock(PASSWORD))
    const c = await world.device(`c${n++}`)
    await enrolByKit(world, c, a)
    await c.quiet()
    must(await a.device.kf.confirmPassword(PASSWORD))
    must(await a.device.kf.syncNow())
    const id = (await c.kf.status()).account?.deviceId ?? ""
    const removed = Promise.withResolvers<void>()
    // Asked before the password, and answered after the removal.
    c.server.rewrite("devices.list", async () => {
      await removed.promise
      return problem("device-removed", 401)
    })
    const learning = c.kf.devices()
    // The second answer is for the new password, which is stretched once more after it.
    let answers = 0
    c.server.rewrite("lease.evaluate", async (reply) => {
      if (++answers < 2) return reply
      must(await a.device.kf.removeDevice({ id, reason: "lost" }))
      removed.resolve()
      return reply
    })
    const changing = c.kf.changeDevicePassword({ password: PASSWORD, newPassword: "another long password" })
    expect(await changing.then(codeOf, (error: unknown) => `thrown: ${String(error)}`)).not.toContain("thrown")
    expect(codeOf(await learning)).toBe("device-removed")
    await c.quiet()
    expect(await c.kf.status()).toMatchObject({ lock: "locked", lockCode: "device-removed" })
    expect(codeOf(await c.kf.list())).not.toBe("ok")
    const again = await c.reopen()
    expect(await again.kf.status()).toMatchObject({ lock: "locked", lockCode: "device-removed" })
    expect(codeOf(await again.kf.unlock(PASSWORD))).toBe("device-removed")
  })
})
