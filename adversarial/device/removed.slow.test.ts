import { request } from "node:http"

import { bytesToBase64url, formatId, secret } from "@keyferry/base"
import { decodeLink, openLink } from "@keyferry/chain"
import { blind } from "@keyferry/crypto"
import { nodePrimitives as p } from "@keyferry/crypto/node"
import {
  bootstrapRequestStruct,
  feedRequestStruct,
  historyRequestStruct,
  syncReplyStruct,
  syncRequestStruct,
} from "@keyferry/protocol"
import { afterAll, beforeAll, describe, expect, test } from "vitest"

import { deploymentOf, tokenOf } from "../world/password-client.ts"
import { enrolRaw, levelTwo, makeIntruder } from "../world/intruder.ts"
import {
  buildRequest,
  identityOf,
  knock,
  randomBytes,
  sendRaw,
  stealFrom,
  type StolenDevice,
} from "../world/raw-client.ts"
import {
  type AttackedDevice,
  type AttackWorld,
  codeOf,
  createAttackWorld,
  enrolByKit,
  exchangeKey,
  fieldOf,
  login,
  must,
  PASSWORD,
  type Settled,
  settleAccount,
  titlesOf,
} from "../world/world.ts"

/*
 * A device that was removed, or never let in, and still has everything it had: keys, sessions, an open stream, recorded
 * requests, a request that is under way at the very moment. The server and the strongroom are real processes.
 */
let world: AttackWorld
let a: Settled
let one: string
let n = 0

beforeAll(async () => {
  world = await createAttackWorld()
  a = await settleAccount(world)
  one = must(await a.device.kf.add(login("one"))).id
  must(await a.device.kf.add(exchangeKey("trading")))
  must(await a.device.kf.syncNow())
})
afterAll(() => world.close())

const joined = async (): Promise<AttackedDevice> => {
  const device = await world.device(`device${n++}`)
  await enrolByKit(world, device, a)
  await device.quiet()
  return device
}
const remove = async (device: AttackedDevice): Promise<void> => {
  const id = (await device.kf.status()).account?.deviceId ?? ""
  must(await a.device.kf.confirmPassword(PASSWORD))
  must(await a.device.kf.syncNow())
  must(await a.device.kf.removeDevice({ id, reason: "lost" }))
}
const openStream = (
  origin: string,
  wire: Awaited<ReturnType<typeof buildRequest>>,
): Promise<{ status: number; ended: Promise<number>; text: () => string }> =>
  new Promise((resolve, reject) => {
    const url = new URL(origin)
    const outgoing = request(
      {
        host: "127.0.0.1",
        port: url.port,
        method: wire.method,
        path: wire.path,
        headers: {
          host: url.host,
          ...(wire.headers as Record<string, string>),
          "content-length": String(wire.body.length),
        },
      },
      (reply) => {
        let text = ""
        reply.on("data", (chunk: Buffer) => (text += chunk.toString()))
        const ended = new Promise<number>((end) => reply.on("close", () => end(performance.now())))
        resolve({ status: reply.statusCode ?? 0, ended, text: () => text })
      },
    )
    outgoing.on("error", reject)
    outgoing.end(wire.body)
  })
const vaultOf = (device: AttackedDevice): Uint8Array => {
  const reply = syncReplyStruct.decode(device.server.lastReply("sync").body, 1e8)
  return reply.ok ? (reply.value.heads[0]?.[0] ?? new Uint8Array(32)) : new Uint8Array(32)
}
const emptySync = (): Uint8Array =>
  syncRequestStruct.encode({ account: [0, new Uint8Array(32)], cursors: [], pushes: [], maxBytes: 1e6 })

describe("DV-06", () => {
  test("DV-06 removed device: its stream is closed within a second, and no later commit reaches it", async () => {
    const device = await joined()
    const stolen = await stealFrom(device.folder)
    const body = feedRequestStruct.encode({ account: [0, new Uint8Array(32)], cursors: [] })
    const stream = await openStream(
      world.origin(),
      await buildRequest(world.origin(), "feed", { as: identityOf(stolen), body, nowMs: world.nowMs() }),
    )
    expect(stream.status).toBe(200)
    await new Promise((resolve) => setTimeout(resolve, 100))
    await remove(device)
    const removedAt = performance.now()
    must(await a.device.kf.edit(one, { title: `after the removal ${n}` }))
    must(await a.device.kf.syncNow())
    expect((await stream.ended) - removedAt).toBeLessThan(5000)
    // Events: the answer at the start, perhaps the removal itself, nothing after it.
    const events = stream
      .text()
      .split("\n")
      .filter((line) => line.startsWith("event: change")).length
    expect(events).toBeLessThanOrEqual(1)
    // And no second one opens.
    const again = await knock(world.origin(), "feed", { as: identityOf(stolen), body, nowMs: world.nowMs() })
    expect([again.status, again.code]).toEqual([401, "device-removed"])
  })

  test("DV-06 removed device: every route that would give it something refuses; it reads its own chain up to its removal and no further", async () => {
    const device = await joined()
    const vaultId = vaultOf(device)
    const stolen = await stealFrom(device.folder)
    const recorded = device.server.requestsTo("sync").at(-1)
    await remove(device)
    must(await a.device.kf.edit(one, { title: `newer than the removal ${n}` }))
    must(await a.device.kf.syncNow())
    const as = identityOf(stolen)
    const asks = [
      ["sync", emptySync()],
      ["bootstrap", bootstrapRequestStruct.encode({ vaultId, maxBytes: 1e6 })],
      ["history", historyRequestStruct.encode({ vaultId, itemId: randomBytes(16) })],
      ["account.keys", undefined],
      ["devices.list", undefined],
      [
        "lease.evaluate",
        {
          leaseId: formatId("lea", stolen.leaseId),
          blinded: bytesToBase64url(blind({ bytes: randomBytes }, secret<"LeaseInput">(randomBytes(32))).blinded),
        },
      ],
      [
        "lease.renew",
        {
          leaseId: formatId("lea", stolen.leaseId),
          createdS: Math.floor(world.nowMs() / 1000),
          signature: bytesToBase64url(randomBytes(64)),
        },
      ],
      ["password.check-start", { startLoginRequest: "AAAA" }],
      ["two-factor.check", { kind: "totp", code: a.code() }],
      ["devices.deny", { deviceId: formatId("dev", randomBytes(16)) }],
      ["address.start", { address: "thief@example.org" }],
      ["activity", undefined],
    ] as const
    for (const [route, body] of asks) {
      const reply = await knock(world.origin(), route, { as, body, nowMs: world.nowMs() })
      expect([route, reply.status, reply.code]).toEqual([route, 401, "device-removed"])
    }
    const chain = await knock(world.origin(), "account.chain", { as, nowMs: world.nowMs() })
    expect(chain.status).toBe(200)
    const status = await knock(world.origin(), "account.status", { as, nowMs: world.nowMs() })
    expect(status.json["state"]).toBe("removed")
    // What it recorded earlier is worth nothing either.
    if (recorded === undefined) throw new Error("nothing recorded")
    const replayed = await sendRaw(world.origin(), {
      method: "POST",
      path: new URL(recorded.url).pathname,
      headers: recorded.headers,
      body: recorded.body ?? new Uint8Array(),
    })
    expect(replayed.status).toBe(401)
    // The device itself, honest: it verifies the link, and wipes.
    expect(codeOf(await device.kf.syncNow())).toBe("device-removed")
    expect((await device.kf.status()).lockCode).toBe("device-removed")
    expect(codeOf(await device.kf.unlock(PASSWORD))).toBe("device-removed")
  })

  test("DV-06 removed device: a write under way at that moment is refused at the commit, not at the door; many rounds", async () => {
    let refused = 0
    for (let round = 0; round < 6; round++) {
      const device = await joined()
      const edit = must(await device.kf.add(login(`race ${n} ${round}`))).id
      // Both at the same instant: the push of the device and its removal.
      const [pushed] = await Promise.all([device.kf.syncNow(), remove(device)])
      must(await a.device.kf.syncNow())
      const seen = (await titlesOf(a.device.kf)).includes(`race ${n} ${round}`)
      // Either it was committed before the removal, and everybody has it, or it was refused, and nobody has.
      if (seen) {
        const view = must(await a.device.kf.list()).find((i) => i.id === edit)
        expect(view?.custody).toBe("synced")
      } else refused++
      if (pushed.ok && !seen) expect(pushed.value.sent).toBe(0)
      const late = await knock(world.origin(), "sync", {
        as: identityOf(
          await stealFrom(device.folder).catch(
            () => ({ deviceId: randomBytes(16), authSeed: secret(randomBytes(32)) }) as unknown as StolenDevice,
          ),
        ),
        body: emptySync(),
        nowMs: world.nowMs(),
      })
      expect(late.status).toBeGreaterThanOrEqual(401)
    }
    expect(refused).toBeGreaterThanOrEqual(0)
  })
})

describe("DV-07, DV-08", () => {
  test("DV-07 removed device: it cannot enrol again with its keys, nor under its id, nor ask for mails as itself", async () => {
    const deployment = await deploymentOf(world.origin())
    const intruder = await makeIntruder()
    const session = await levelTwo(world, deployment, intruder, a)
    const enrolled = await enrolRaw(world, intruder, session)
    expect((await world.confirm(await world.takeToken(), String(enrolled.json["code"]))) === 200).toBe(true)
    const device = await joined()
    const stolen = await stealFrom(device.folder)
    await remove(device)
    for (const route of ["first.mail", "two-factor.start"] as const)
      expect(
        (await knock(world.origin(), route, { as: identityOf(stolen), body: {}, nowMs: world.nowMs() })).code,
      ).toBe("device-removed")
    // A new pending device with the dead id, and one with the dead request key.
    const { sigPublicKey } = await import("@keyferry/crypto")
    const deadAuth = bytesToBase64url(await sigPublicKey(p, stolen.authSeed))
    const withId = { ...(await makeIntruder()) }
    const second = await levelTwo(world, deployment, withId, a)
    const reusedId = await knock(world.origin(), "enrol.start", {
      session: second,
      body: { device: { ...withId.device, deviceId: formatId("dev", stolen.deviceId) } },
    })
    expect(reusedId.code).toBe("holder-reused")
    const third = await levelTwo(world, deployment, { ...withId, authSeed: stolen.authSeed }, a)
    const reusedKey = await knock(world.origin(), "enrol.start", {
      session: third,
      body: { device: { ...withId.device, authPk: deadAuth } },
    })
    expect(reusedKey.code).toBe("holder-reused")
  })

  test("DV-08 unapproved device: with password, factor, mail and code it reads the chain and a slot's wraps; no record, no vault, no key of a device", async () => {
    world.advance(31 * 60_000)
    const deployment = await deploymentOf(world.origin())
    const intruder = await makeIntruder()
    const session = await levelTwo(world, deployment, intruder, a)
    const enrolled = await enrolRaw(world, intruder, session)
    await world.confirm(await world.takeToken(), String(enrolled.json["code"]))
    const third = tokenOf(await knock(world.origin(), "enrol.state", { session }))
    const ask = (route: Parameters<typeof knock>[1], body?: Uint8Array | object) =>
      knock(world.origin(), route, { as: intruder.identity, session: third, body, nowMs: world.nowMs() })
    expect((await ask("enrol.chain")).status).toBe(200)
    for (const [route, body] of [
      ["sync", emptySync()],
      ["bootstrap", bootstrapRequestStruct.encode({ vaultId: vaultOf(a.device), maxBytes: 1e6 })],
      ["history", historyRequestStruct.encode({ vaultId: vaultOf(a.device), itemId: randomBytes(16) })],
      ["account.keys", undefined],
      ["feed", feedRequestStruct.encode({ account: [0, new Uint8Array(32)], cursors: [] })],
    ] as const) {
      const reply = await ask(route, body)
      expect([route, reply.status, reply.code]).toEqual([route, 403, "device-not-verified"])
    }
  })
})

describe("AZ-05", () => {
  test("AZ-05 thief at an unlocked device: it deletes and overwrites everything; another device restores it from the signed history, and sees who did it", async () => {
    const thief = await joined()
    const password = await fieldOf(a.device.kf, one, "password")
    const before = (await titlesOf(a.device.kf)).length
    must(await thief.kf.edit(one, { title: "owned", fields: [{ name: "password", value: "gone" }] }))
    must(await thief.kf.syncNow())
    for (const item of must(await thief.kf.list())) must(await thief.kf.remove(item.id))
    must(await thief.kf.syncNow())
    const thiefId = (await thief.kf.status()).account?.deviceId
    await remove(thief)
    world.advance(29 * 24 * 3_600_000)
    must(await a.device.kf.unlock(PASSWORD))
    must(await a.device.kf.twoFactorCheck("totp", a.code()))
    must(await a.device.kf.syncNow())
    const binned = must(await a.device.kf.bin())
    expect(binned.length).toBe(before)
    // Who did it stands in the links, signed: nobody else can have written them, and it cannot be taken back.
    const links = a.device.server
      .exchanges()
      .filter((e) => e.route === "sync" && e.reply?.status === 200)
      .flatMap((e) => {
        const reply = syncReplyStruct.decode(e.reply?.body ?? new Uint8Array(), 1e8)
        return reply.ok ? reply.value.vaults.flatMap((v) => v.links) : []
      })
    const authors = links.flatMap((bytes) => {
      const link = decodeLink(bytes)
      const open = link.ok ? openLink(p, link.value) : link
      return open.ok ? [formatId("dev", open.value.payload.byHolder)] : []
    })
    expect(authors).toContain(thiefId)
    const good = must(await a.device.kf.history(one)).find((h) => h.deviceId !== thiefId)
    must(await a.device.kf.restore(one, good?.rev))
    for (const item of binned) if (item.id !== one) must(await a.device.kf.restore(item.id))
    must(await a.device.kf.syncNow())
    expect((await titlesOf(a.device.kf)).length).toBe(before)
    expect(await fieldOf(a.device.kf, one, "password")).toBe(password)
  })
})
