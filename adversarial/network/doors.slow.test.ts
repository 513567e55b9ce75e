import { bytesToBase64url, bytesToHex, formatId } from "@keyferry/base"
import { blind, deriveRecoveryAuth, parseKitCode } from "@keyferry/crypto"
import { nodePrimitives as p } from "@keyferry/crypto/node"
import { bytesToBase32, secret } from "@keyferry/base"
import {
  bootstrapRequestStruct,
  type DeviceState,
  historyRequestStruct,
  type Route,
  type RouteName,
  routes,
  signupFinishStruct,
  syncReplyStruct,
  syncRequestStruct,
} from "@keyferry/protocol"
import { afterAll, beforeAll, describe, expect, test } from "vitest"

import { enrolRaw, inviteLink, levelOne, levelTwo, makeIntruder } from "../world/intruder.ts"
import { deploymentOf, tokenOf } from "../world/password-client.ts"
import {
  type Identity,
  identityOf,
  knock,
  randomBytes,
  type RawReply,
  stealFrom,
  type StolenDevice,
} from "../world/raw-client.ts"
import {
  type AttackedDevice,
  type AttackWorld,
  createAttackWorld,
  enrolUpToKeys,
  exchangeKey,
  login,
  must,
  PASSWORD,
  post,
  type Settled,
  settleAccount,
} from "../world/world.ts"

/*
 * Every door: each route of the table × everybody who might knock, on the real processes. Bodies are empty on purpose:
 * whoever may pass gets as far as the form of the body, everybody else is refused before.
 */
const MINUTE = 60_000
let world: AttackWorld
let a: Settled
const devices = new Map<DeviceState, Identity>()
const sessions: string[] = [""]
let confirmedOfSession: Identity
let recovery: Identity
let mine: StolenDevice

let other: AttackedDevice
let theirs: StolenDevice
let vaultId: Uint8Array
let itemId: Uint8Array
let captured: Uint8Array

beforeAll(async () => {
  world = await createAttackWorld()
  a = await settleAccount(world)
  const deployment = await deploymentOf(world.origin())
  const added = must(await a.device.kf.add(login("one")))
  must(await a.device.kf.add(exchangeKey("strict")))
  must(await a.device.kf.syncNow())
  captured =
    a.device.server
      .requestsTo("sync")
      .map((r) => r.body ?? new Uint8Array())
      .toSorted((x, y) => y.length - x.length)[0] ?? new Uint8Array()
  mine = await stealFrom(a.device.folder)
  const reply = syncReplyStruct.decode(a.device.server.lastReply("sync").body, 1e8)
  vaultId = reply.ok ? (reply.value.heads[0]?.[0] ?? randomBytes(32)) : randomBytes(32)
  itemId = Uint8Array.from(Buffer.from(added.id.slice(4), "ascii")).slice(0, 16)
  devices.set("active", identityOf(mine))
  const kit = parseKitCode(p, a.kit.code)
  if (!kit.ok) throw new Error("no kit")
  const auth = await deriveRecoveryAuth(p, kit.value)
  recovery = { keyId: `rec_${bytesToBase32(auth.recPk)}`, seed: auth.seed.reveal() }

  // An account of somebody else, whose only device waits for its confirmation.
  other = await world.device("other")
  must(
    await other.kf.signUp({
      link: await inviteLink(world),
      address: "eve@example.org",
      password: PASSWORD,
      deviceName: "Eve",
    }),
  )
  theirs = await stealFrom(other.folder)
  devices.set("pending-first", identityOf(theirs))

  // In the chain, but its first unlock never arrived.
  const approved = await world.device("approved")
  await enrolUpToKeys(world, approved, a)
  approved.server.invent("lease.unlocked", () => undefined)
  await approved.kf.finishWithKit(a.kit.code)
  devices.set("approved", identityOf(await stealFrom(approved.folder)))

  const joined = async (name: string): Promise<AttackedDevice> => {
    const device = await world.device(name)
    await enrolUpToKeys(world, device, a)
    must(await device.kf.finishWithKit(a.kit.code))
    return device
  }
  const locked = await joined("locked")
  const stolen = await stealFrom(locked.folder)
  for (let i = 0; i < 11; i++) await guess(stolen)
  devices.set("lease-locked", identityOf(stolen))
  const gone = await joined("removed")
  devices.set("removed", identityOf(await stealFrom(gone.folder)))
  const left = await joined("retired")
  devices.set("retired", identityOf(await stealFrom(left.folder)))
  must(await left.kf.signOut({ clear: true, confirmed: true }))
  must(await a.device.kf.confirmPassword(PASSWORD))
  must(await a.device.kf.syncNow())
  must(await a.device.kf.removeDevice({ id: (await gone.kf.status()).account?.deviceId ?? "", reason: "lost" }))

  const expired = await makeIntruder()
  await enrolRaw(world, expired, await levelTwo(world, deployment, expired, a))
  devices.set("expired", expired.identity)
  await world.takeToken()
  world.advance(61 * MINUTE)
  sessions[1] = await levelOne(world, deployment, await makeIntruder())
  const pending = await makeIntruder()
  sessions[2] = await levelTwo(world, deployment, pending, a)
  await enrolRaw(world, pending, sessions[2])
  devices.set("pending", pending.identity)
  await world.takeToken()
  const confirmed = await makeIntruder()
  const session = await levelTwo(world, deployment, confirmed, a)
  const enrolled = await enrolRaw(world, confirmed, session)
  if ((await world.confirm(await world.takeToken(), String(enrolled.json["code"]))) !== 200)
    throw new Error("not confirmed")
  sessions[3] = tokenOf(await knock(world.origin(), "enrol.state", { session }))
  devices.set("confirmed", confirmed.identity)
  confirmedOfSession = confirmed.identity
  const reserved = await makeIntruder()
  const { startOpaqueRegistration } = await import("@keyferry/crypto")
  const registration = await startOpaqueRegistration("somebody new here")
  const link = new URL(await inviteLink(world))
  const started = await knock(world.origin(), "signup.start", {
    body: {
      invitation: link.hash.slice(3),
      address: "new@example.org",
      registrationRequest: bytesToBase64url(registration.request),
      device: reserved.device,
    },
  })
  if (started.status !== 200) throw new Error(`sign-up: ${started.code}`)
  reservedUuid = String(started.json["accountUuid"])
  devices.set("reserved", reserved.identity)
  const rejected = await makeIntruder()
  const denied = await levelTwo(world, deployment, rejected, a)
  await enrolRaw(world, rejected, denied)
  if ((await post(`${world.origin()}/api/v1/confirm/deny`, { token: await world.takeToken() })).status !== 200)
    throw new Error("not denied")
  devices.set("rejected", rejected.identity)
}, 400_000)
afterAll(() => world.close())

const guess = (device: StolenDevice): Promise<RawReply> => {
  const blinded = blind({ bytes: randomBytes }, secret<"LeaseInput">(randomBytes(32)))
  return knock(world.origin(), "lease.evaluate", {
    as: identityOf(device),
    nowMs: world.nowMs(),
    body: { leaseId: formatId("lea", device.leaseId), blinded: bytesToBase64url(blinded.blinded) },
  })
}

const all = Object.keys(routes) as RouteName[]
/** What the door itself says to somebody who may not pass. */
const AT_THE_DOOR = new Set([
  "signed-out",
  "second-factor-needed",
  "device-not-verified",
  "device-not-enrolled",
  "device-removed",
  "device-retired",
  "device-rejected",
  "device-expired",
  "lease-locked",
  "signature-invalid",
  "two-factor-required",
  "wrong-credentials",
])
const isRefused = (reply: RawReply): boolean =>
  AT_THE_DOOR.has(reply.code) || (reply.status === 403 && reply.code === "not-allowed")
let reservedUuid = ""
/** The server judges the invitation of a sign-up before the strongroom judges the rest, so this one needs a form. */
const bodyFor = (name: RouteName): Uint8Array | object | undefined =>
  name === "signup.finish"
    ? signupFinishStruct.encode({
        accountUuid: reservedUuid,
        registrationRecord: new Uint8Array(192),
        genesis: new Uint8Array(9),
        wraps: [],
      })
    : bodyOf(name)
const bodyOf = (name: RouteName): Uint8Array | object | undefined =>
  routes[name].body === "cbor" ? new Uint8Array([0xa0]) : routes[name].body === "json" ? {} : undefined
const at = (name: RouteName, who: { as?: Identity | undefined; session?: string | undefined }): Promise<RawReply> =>
  knock(world.origin(), name, { ...who, body: bodyFor(name), nowMs: world.nowMs() })
const LEVEL: Readonly<Partial<Record<Route["actor"], number>>> = { session1: 1, session2: 2, session3: 3 }

/** Who passes here ends every session and every device that waits: it comes after all the others. */
const LAST: RouteName = "account.freeze"

/** Everybody at one door: those who passed and may not, or the other way round. */
const knockEverybody = async (name: RouteName): Promise<readonly string[]> => {
  const route: Route = routes[name]
  const wrong: string[] = []
  const expectAt = (who: string, reply: RawReply, mayPass: boolean): void => {
    // Past the door a handler may still say that this is not allowed now, or to a device that its second factor is too old: no door asks a device for one.
    const isPast = who.startsWith("device ") && reply.code === "second-factor-needed"
    const refused = mayPass ? AT_THE_DOOR.has(reply.code) && !isPast : isRefused(reply)
    if (refused === mayPass) wrong.push(`${who}: ${reply.status} ${reply.code}`)
  }
  // Nobody at all, and sessions.
  for (const level of [0, 1, 2, 3]) {
    const needed = LEVEL[route.actor]
    const reply = await at(name, { session: sessions[level], ...(needed === 3 ? { as: confirmedOfSession } : {}) })
    expectAt(`level ${level}`, reply, route.actor === "public" || (needed !== undefined && level >= needed))
  }
  // Every state of a device; a session makes no difference to it.
  for (const [state, as] of devices) {
    const isOwn = route.actor === "device" || route.actor === "reserved"
    for (const session of isOwn ? [undefined, sessions[3]] : [undefined]) {
      const reply = await at(name, { as, session })
      expectAt(`device ${state}`, reply, route.actor === "public" || (isOwn && route.states.includes(state)))
    }
  }
  // The key of the kit, a key that nobody has, and a known name with another key.
  expectAt("kit", await at(name, { as: recovery }), route.actor === "public" || route.actor === "recovery")
  for (const as of [
    { keyId: `rec_${bytesToBase32(randomBytes(32))}`, seed: randomBytes(32) },
    { keyId: formatId("dev", randomBytes(16)), seed: randomBytes(32) },
    { keyId: devices.get("active")?.keyId ?? "", seed: randomBytes(32) },
  ])
    expectAt(as.keyId.slice(0, 4), await at(name, { as }), route.actor === "public")
  return wrong
}

describe("every door, everybody", () => {
  test.each(all.filter((name) => name !== LAST))(
    "AU-15 everybody at %s: passes exactly who the table says",
    async (name) => {
      expect(await knockEverybody(name)).toEqual([])
    },
  )

  test("X-17 outsider: what is not in the table is not there, in any method", async () => {
    for (const path of [
      "/api/v1",
      "/api/v1/",
      "/api/v1/sync/",
      "/api/v1//sync",
      "/api/v1/%73ync",
      "/api/v1/sync;x",
      "/API/v1/sync",
      "/api/v1/admin",
      "/metrics",
      "/debug",
      "/.env",
      "/dev/mailbox/../../etc/passwd",
    ]) {
      for (const method of ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"]) {
        const reply = await knock(world.origin(), "sync", {
          as: devices.get("active"),
          method,
          path,
          body: new Uint8Array([0xa0]),
          nowMs: world.nowMs(),
        })
        expect([method, path, [400, 404].includes(reply.status)]).toEqual([method, path, true])
      }
    }
    for (const name of all) {
      const { path, method } = routes[name]
      const reply = await knock(world.origin(), name, {
        as: devices.get("active"),
        path,
        method: method === "GET" ? "PUT" : "DELETE",
        nowMs: world.nowMs(),
        body: bodyFor(name),
      })
      expect([name, reply.status]).toEqual([name, 404])
    }
  })
})

describe("another account", () => {
  beforeAll(async () => {
    // Eve confirms, sets a factor, and has a vault of her own: now she is as good as anybody.
    must(await other.kf.requestMail())
    const status = await other.kf.requestMail()
    const code = status.ok ? status.value.code : ""
    let token = await world.takeToken()
    for (let i = 0; i < 5 && (await world.confirm(token, code)) !== 200; i++) token = await world.takeToken()
    const { otpauth } = must(await other.kf.twoFactorStart())
    const { TOTP, URI } = await import("otpauth")
    const totp = URI.parse(otpauth)
    if (!(totp instanceof TOTP)) throw new Error("not a TOTP")
    world.advance(30_000)
    must(await other.kf.twoFactorConfirm(totp.generate({ timestamp: world.nowMs() })))
    must(await other.kf.syncOn({ items: "all", autoNew: true }))
    must(await other.kf.add(login("eve's own")))
    must(await other.kf.syncNow())
    theirs = await stealFrom(other.folder)
  }, 180_000)

  const eve = (name: RouteName, body: Uint8Array | object | undefined, query = ""): Promise<RawReply> =>
    knock(world.origin(), name, { as: identityOf(theirs), nowMs: world.nowMs(), body, query })
  /** The answer without what differs between any two requests. */
  const shape = (reply: RawReply): string =>
    JSON.stringify([reply.status, reply.code, reply.code === "" ? bytesToHex(reply.body) : ""])
  const before = async (): Promise<string> => JSON.stringify(must(await a.device.kf.list()))

  test("AZ-01 another account: each id of this one, on every route that takes one, is answered like an id that nobody has", async () => {
    const untouched = await before()
    const foreign = {
      device: formatId("dev", mine.deviceId),
      lease: formatId("lea", mine.leaseId),
      slot: formatId("slt", mine.deviceId),
    }
    const nobody = {
      device: formatId("dev", randomBytes(16)),
      lease: formatId("lea", randomBytes(16)),
      slot: formatId("slt", randomBytes(16)),
    }
    const blinded = bytesToBase64url(blind({ bytes: randomBytes }, secret<"LeaseInput">(randomBytes(32))).blinded)
    const asks: readonly (readonly [
      RouteName,
      (ids: typeof nobody, vault: Uint8Array) => { body?: Uint8Array | object; query?: string },
    ])[] = [
      ["devices.deny", (ids) => ({ body: { deviceId: ids.device } })],
      ["devices.relay-read", (ids) => ({ query: `device=${ids.device}&after=0` })],
      ["lease.evaluate", (ids) => ({ body: { leaseId: ids.lease, blinded } })],
      [
        "lease.unlocked",
        (ids) => ({ body: { leaseId: ids.lease, attempt: 1, signature: bytesToBase64url(new Uint8Array(64)) } }),
      ],
      [
        "lease.renew",
        (ids) => ({
          body: {
            leaseId: ids.lease,
            createdS: Math.floor(world.nowMs() / 1000),
            signature: bytesToBase64url(new Uint8Array(64)),
          },
        }),
      ],
      ["bootstrap", (_, vault) => ({ body: bootstrapRequestStruct.encode({ vaultId: vault, maxBytes: 1e6 }) })],
      ["history", (_, vault) => ({ body: historyRequestStruct.encode({ vaultId: vault, itemId }) })],
    ]
    for (const [name, ask] of asks) {
      const [real, none] = [ask(foreign, vaultId), ask(nobody, randomBytes(32))]
      const [x, y] = [await eve(name, real.body, real.query), await eve(name, none.body, none.query)]
      expect([name, shape(x)]).toEqual([name, shape(y)])
      expect([name, x.status >= 400 || name === "devices.relay-read"]).toEqual([name, true])
    }
    // Cursors of a vault that is not hers bring nothing of it.
    const body = syncRequestStruct.encode({
      account: [0, new Uint8Array(32)],
      cursors: [[vaultId, 0, new Uint8Array(32)]],
      pushes: [],
      maxBytes: 1e6,
    })
    const synced = syncReplyStruct.decode((await eve("sync", body)).body, 1e8)
    if (!synced.ok) throw new Error("no sync reply")
    expect(synced.value.vaults).toEqual([])
    expect(synced.value.heads.map(([id]) => bytesToHex(id))).not.toContain(bytesToHex(vaultId))
    // A message for a pairing of this account never reaches it.
    await eve("devices.relay-send", { deviceId: foreign.device, body: "AAAA" })
    const read = await knock(world.origin(), "devices.relay-read", {
      as: identityOf(mine),
      nowMs: world.nowMs(),
      query: `device=${foreign.device}&after=0`,
    })
    expect(read.json["messages"]).toEqual([])
    expect(await before()).toBe(untouched)
  })

  test("AZ-01 another account: a recorded push of this one, sent again under her own signature, writes nowhere", async () => {
    const untouched = await before()
    const request = syncRequestStruct.decode(captured, 1e8)
    if (!request.ok || request.value.pushes.length === 0) throw new Error("no push was captured")
    const reply = syncReplyStruct.decode((await eve("sync", captured)).body, 1e8)
    if (!reply.ok) throw new Error("no sync reply")
    for (const result of reply.value.results) expect([result.outcome, result.code]).toEqual([2, "vault-not-found"])
    must(await a.device.kf.syncNow())
    expect(await before()).toBe(untouched)
  })

  test("AZ-02 another account: one foreign vault among her own in one request: that part is refused whole, hers is not held up", async () => {
    const untouched = await before()
    must(await other.kf.add(login("second of eve")))
    other.server.invent("sync", () => undefined)
    await other.kf.syncNow()
    other.server.honest()
    const foreign = syncRequestStruct.decode(captured, 1e8)
    const own = syncRequestStruct.decode(
      other.server
        .requestsTo("sync")
        .map((r) => r.body ?? new Uint8Array())
        .findLast((b) => b.length > 1500) ?? new Uint8Array(),
      1e8,
    )
    if (!foreign.ok || !own.ok) throw new Error("no two pushes")
    const both = syncRequestStruct.encode({ ...own.value, pushes: [...own.value.pushes, ...foreign.value.pushes] })
    const reply = syncReplyStruct.decode((await eve("sync", both)).body, 1e8)
    if (!reply.ok) throw new Error("no sync reply")
    const foreignResults = reply.value.results.filter((r) => bytesToHex(r.vaultId) === bytesToHex(vaultId))
    expect(foreignResults.map((r) => r.code)).toEqual(["vault-not-found"])
    expect(await before()).toBe(untouched)
    // The same vault twice in one request is nobody's.
    const doubled = syncRequestStruct.encode({ ...own.value, pushes: [...own.value.pushes, ...own.value.pushes] })
    expect((await eve("sync", doubled)).code).toBe("malformed")
  })
})

test("X-18 confirmed device: the wraps it may read are a slot's; those of other devices are not served", async () => {
  const query = `slot=${formatId("slt", mine.deviceId)}`
  const reply = await knock(world.origin(), "enrol.slot-wraps", {
    as: confirmedOfSession,
    session: sessions[3],
    nowMs: world.nowMs(),
    query,
  })
  expect([reply.status, reply.body.length < 200]).toEqual([200, true])
})

test("AU-15 everybody at account.freeze: passes exactly who the table says", async () => {
  expect(await knockEverybody(LAST)).toEqual([])
})
