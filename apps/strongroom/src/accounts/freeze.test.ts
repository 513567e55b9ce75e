import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

import { bytesToBase64url, formatId, hexToBytes, secret } from "@keyferry/base"
import { blind } from "@keyferry/crypto"
import { afterEach, beforeEach, describe, expect, it } from "vitest"

import { allHandlers } from "../all-handlers.ts"
import {
  codeOf,
  createWorld,
  enrolDevice,
  json,
  makeActive,
  type Person,
  type Reach,
  random,
  reachOf,
  send,
  signUp,
  tokenHashOf,
  totpCode,
  type World,
} from "../fixture.ts"
import { runUntilKilled } from "../fixture-crash.ts"

let world: World
let reach: Reach
let person: Person
let otpauth: string
beforeEach(async () => {
  world = await createWorld(allHandlers)
  reach = reachOf(world)
  person = await signUp(reach)
  otpauth = await makeActive(reach, person)
})
afterEach(() => world.close())

const evaluate = async () => {
  const lease = await world.room().leases.read(person.device.deviceId)
  return (
    await send(reach, person.device, "lease.evaluate", {
      leaseId: formatId("lea", lease?.lease_id ?? new Uint8Array(16)),
      blinded: bytesToBase64url(blind(random, secret<"LeaseInput">(random.bytes(32))).blinded),
    })
  ).code
}
const sync = async () =>
  (
    await send(reach, person.device, "sync", {
      account: [1, person.chain.head.hash],
      cursors: [],
      pushes: [],
      maxBytes: 1000,
    })
  ).code
const freeze = () => json(send(reach, person.device, "account.freeze", {}))
const thaw = () => send(reach, person.device, "account.thaw", {})
const HOURS_72 = 72 * 3_600_000
const kinds = async (): Promise<readonly string[]> => {
  const answer = await reach.call("events", { after: 0, max: 1000 })
  return answer.ok ? answer.value.events.map((event) => event.kind) : []
}
const isFrozen = async () => (await json(send(reach, person.device, "account.status")))["frozen"]

describe("a frozen account", () => {
  it("[DV22] answers no lease, no vault, no change, no new device and no confirmation", async () => {
    expect([await evaluate(), await sync()]).toEqual([undefined, undefined])
    const waiting = await enrolDevice(reach, person)
    expect(await freeze()).toEqual({ frozen: true })
    expect(await freeze()).toEqual({ frozen: true })
    expect((await kinds()).filter((kind) => kind === "account-frozen")).toHaveLength(1)
    expect([await evaluate(), await sync()]).toEqual(["account-frozen", "account-frozen"])
    for (const [route, body] of [
      ["account.append", { link: new Uint8Array(3), wraps: [], rotations: [] }],
      ["two-factor.codes", {}],
      ["two-factor.disable", { suspendSync: true }],
      ["sync.resume", {}],
      ["devices.deny", { deviceId: formatId("dev", waiting.device.deviceId) }],
    ] as const)
      expect([route, (await send(reach, person.device, route, body)).code]).toEqual([route, "account-frozen"])
    // The device that waited is over, and another one does not begin.
    expect((await send(reach, waiting.device, "enrol.chain")).code).toBe("device-expired")
    await expect(enrolDevice(reach, person)).rejects.toThrow("account-frozen")
    expect(await isFrozen()).toBe(true)
  })

  it("[DV22] a link that was mailed before confirms nobody", async () => {
    const token = random.bytes(32)
    const device = (await enrolDevice(reach, person)).device
    const again = await reach.call("enrolMail", {
      accountUuid: person.accountUuid,
      deviceId: device.deviceId,
      tokenHash: tokenHashOf(token),
    })
    const code = again.ok ? again.value.code : again.error.code
    await freeze()
    expect(await codeOf(reach.call("confirmCode", { tokenHash: tokenHashOf(token), code }))).not.toBe("ok")
  })

  it("[DV22] ends the streams of its devices, and the mail and the operator freeze as well", async () => {
    expect(await codeOf(reach.call("freeze", { accountUuid: person.accountUuid, by: "mail" }))).toBe("ok")
    const closed = world.notices.flatMap((notice) => notice.closed).map(bytesToBase64url)
    expect(closed).toContain(bytesToBase64url(person.device.deviceId))
    expect(await evaluate()).toBe("account-frozen")
    expect(await codeOf(reach.call("freeze", { accountUuid: "nobody", by: "mail" }))).toBe("not-found")
  })
})

describe("thawing", () => {
  it("[DV23] needs a second factor within five minutes, and gives everything back", async () => {
    await freeze()
    world.clock.add(5 * 60_000 + 1)
    expect((await thaw()).code).toBe("second-factor-needed")
    expect(await evaluate()).toBe("account-frozen")
    const code = await totpCode(otpauth, world.clock.nowMs())
    expect((await send(reach, person.device, "two-factor.check", { kind: "totp", code })).status).toBe(200)
    expect(await json(thaw())).toEqual({ frozen: false })
    expect([await evaluate(), await sync(), await isFrozen()]).toEqual([undefined, undefined, false])
    expect((await kinds()).slice(-1)).toEqual(["account-thawed"])
  })

  it("[DV23] or takes 72 hours, once, within a day, and freezing again stops it", async () => {
    await freeze()
    const ask = async () => {
      const answer = await reach.call("thawWait", { accountUuid: person.accountUuid })
      return answer.ok ? answer.value : answer.error
    }
    const readyAtMs = world.clock.nowMs() + HOURS_72
    expect(await ask()).toEqual({ frozen: true, readyAtMs })
    expect(await json(send(reach, person.device, "account.status"))).toMatchObject({ thawAtMs: readyAtMs })
    world.clock.add(HOURS_72 - 1)
    expect(await json(send(reach, person.device, "account.thaw-wait", {}))).toEqual({ frozen: true, readyAtMs })
    expect((await kinds()).filter((kind) => kind === "thaw-requested")).toHaveLength(1)
    await freeze()
    expect((await kinds()).slice(-1)).toEqual(["thaw-cancelled"])
    world.clock.add(2)
    const later = world.clock.nowMs() + HOURS_72
    expect(await ask()).toEqual({ frozen: true, readyAtMs: later })
    // Its day passed unused: it begins anew.
    world.clock.add(HOURS_72 + 24 * 3_600_000)
    expect(await ask()).toEqual({ frozen: true, readyAtMs: world.clock.nowMs() + HOURS_72 })
    world.clock.add(HOURS_72)
    expect(await ask()).toMatchObject({ frozen: false })
    expect(await evaluate()).toBe(undefined)
    expect(await ask()).toEqual({ frozen: false, readyAtMs: 0 })
  })
})

describe("[LS15] kill -9 in a freeze and a thaw", () => {
  let folder: string
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "kf-freeze-"))
  })
  afterEach(() => rmSync(folder, { recursive: true, force: true }))

  const runUntil = async (step: string): Promise<{ readonly accountUuid: string; readonly deviceId: string }> =>
    JSON.parse(await runUntilKilled(new URL("freeze-crash.ts", import.meta.url), folder, step)) as {
      accountUuid: string
      deviceId: string
    }

  it.each([
    ["before-lease", 0],
    ["after-lease", 1],
    ["frozen", 1],
    ["before-thaw-lease", 1],
    ["thawed", 0],
  ])("%s: both stores say the same after the start", async (step, expected) => {
    const { accountUuid, deviceId } = await runUntil(step)
    const after = await createWorld(allHandlers, { folder })
    const { ctx, leases } = after.room()
    const account = await ctx.store.read((db) =>
      db.selectFrom("account").select("frozen").where("uuid", "=", accountUuid).executeTakeFirst(),
    )
    const lease = await leases.read(hexToBytes(deviceId) ?? new Uint8Array())
    expect([account?.frozen, lease?.frozen]).toEqual([expected, expected])
    await after.close()
  })
})
