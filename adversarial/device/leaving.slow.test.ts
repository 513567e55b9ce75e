import { existsSync, readdirSync } from "node:fs"
import { join } from "node:path"

import { bytesToBase64url } from "@keyferry/base"
import { createCanarySearch, makeCanary } from "@keyferry/testkit"
import { afterAll, beforeAll, describe, expect, test } from "vitest"

import { inCbor, inJson } from "../world/hostile-server.ts"
import { identityOf, knock, randomBytes, stealFrom } from "../world/raw-client.ts"
import { accountChainReplyStruct, accountKeysReplyStruct } from "@keyferry/protocol"
import {
  ADDRESS,
  type AttackWorld,
  codeOf,
  createAttackWorld,
  enrolByKit,
  enrolUpToKeys,
  exchangeKey,
  login,
  must,
  PASSWORD,
  type Settled,
  settleAccount,
  titlesOf,
} from "../world/world.ts"

/*
 * Leaving, losing and coming back: what must not be lost by a click, what must not remain, and what a server can do to
 * somebody who has nothing left but the kit.
 */
let world: AttackWorld
let a: Settled
let n = 0

beforeAll(async () => {
  world = await createAttackWorld()
  a = await settleAccount(world)
  must(await a.device.kf.add(login("one")))
  must(await a.device.kf.add(exchangeKey("trading")))
  must(await a.device.kf.syncNow())
})
afterAll(() => world.close())

describe("DV-10", () => {
  test("DV-10 person in a hurry: three local items and two unsent edits are counted, nothing goes without a word, and after it nothing readable remains", async () => {
    const device = await world.device(`d${n++}`)
    await enrolByKit(world, device, a)
    const canary = makeCanary("only here", { bytes: randomBytes })
    for (let i = 0; i < 3; i++) must(await device.kf.add({ ...login(`local ${i}`, canary.text), policy: "local-only" }))
    device.server.rewriteAll(() => undefined)
    for (const { id, title } of must(await device.kf.list()))
      if (!title.startsWith("local")) must(await device.kf.edit(id, { title: `${title} edited` }))
    const plan = must(await device.kf.leaving())
    expect([plan.unsynced.length, plan.waiting]).toEqual([3, 2])
    expect(await device.kf.signOut({ clear: true, confirmed: false })).toMatchObject({
      ok: false,
      error: { code: "unsynced-loss", detail: expect.stringMatching(/3 items.*2 edits/) },
    })
    expect((await titlesOf(device.kf)).length).toBe(5)
    device.server.honest()
    must(await device.kf.signOut({ clear: true, confirmed: true }))
    expect((await device.kf.status()).mode).toBe("none")
    expect(readdirSync(device.folder).filter((name) => name.startsWith("device.db"))).toEqual([])
    expect(existsSync(join(device.folder, "device.secret"))).toBe(false)
    expect(createCanarySearch([canary]).inPath(device.folder).findings).toEqual([])
  })

  test("X-48 person in a hurry: a locked device is not cleared without a word either", async () => {
    const device = await world.device(`d${n++}`)
    await enrolByKit(world, device, a)
    must(await device.kf.add({ ...login("local"), policy: "local-only" }))
    await device.kf.lock()
    expect(codeOf(await device.kf.signOut({ clear: true, confirmed: false }))).toBe("unsynced-loss")
    must(await device.kf.unlock(PASSWORD))
    expect(await titlesOf(device.kf)).toContain("local")
  })
})

describe("DV-11", () => {
  test("DV-11 person in a hurry: the last device does not go without the kit or the typed address; the server refuses it as well", async () => {
    const only = await createAttackWorld()
    try {
      const b = await settleAccount(only)
      must(await b.device.kf.add(login("one")))
      must(await b.device.kf.syncNow())
      expect(codeOf(await b.device.kf.signOut({ clear: true, confirmed: true }))).toBe("device-is-last")
      expect(
        codeOf(
          await b.device.kf.signOut({
            clear: true,
            confirmed: true,
            kitCode: "KF1-0000-0000-0000-0000-0000-0000-0000-0000-0000",
          }),
        ),
      ).toBe("kit-code-wrong")
      expect(
        codeOf(await b.device.kf.signOut({ clear: true, confirmed: true, typedAddress: "someone@example.org" })),
      ).toBe("device-is-last")
      const as = identityOf(await stealFrom(b.device.folder))
      const retire = {
        seq: 1,
        head: bytesToBase64url(randomBytes(32)),
        signature: bytesToBase64url(randomBytes(64)),
        lastDeviceConfirmed: false,
      }
      expect(
        (await knock(only.origin(), "device.retire", { as, nowMs: only.nowMs(), body: retire })).status,
      ).toBeGreaterThanOrEqual(400)
      expect(await titlesOf(b.device.kf)).toEqual(["one"])
      must(await b.device.kf.signOut({ clear: true, confirmed: true, kitCode: b.kit.code }))
    } finally {
      await only.close()
    }
  })
})

describe("DV-12", () => {
  test("DV-12 fate: every device lost: the kit, the second factor and the mail bring everything back, replace the kit and shut the lost ones out", async () => {
    // What waited on the device that was cleared above may have left in its last moment; what counts is what others have.
    must(await a.device.kf.syncNow())
    const kept = (await titlesOf(a.device.kf)).toSorted()
    expect(kept.map((title) => title.replace(" edited", ""))).toEqual(["one", "trading"])
    const device = await world.device(`d${n++}`)
    must(await device.kf.recoverStart({ server: world.origin(), kitCode: a.kit.code, deviceName: "New" }))
    const waiting = must(await device.kf.loginSecondFactor("totp", a.code()))
    expect(await world.confirm(await world.takeToken(), waiting.code ?? "")).toBe(200)
    must(await device.kf.confirmation())
    const oldKit = a.kit.code
    const kit = must(await device.kf.recoverFinish("another password 22"))
    must(await device.kf.syncOn({ items: "none", autoNew: true }))
    expect((await titlesOf(device.kf)).toSorted()).toEqual(kept)
    expect(codeOf(await a.device.kf.syncNow())).toBe("device-removed")
    expect((await a.device.kf.status()).lockCode).toBe("device-removed")
    // The old kit opens nothing any more, here or at the server.
    expect(codeOf(await device.kf.checkKit(oldKit))).toBe("kit-code-wrong")
    const thief = await world.device(`d${n++}`)
    expect(codeOf(await thief.kf.recoverStart({ server: world.origin(), kitCode: oldKit, deviceName: "Thief" }))).toBe(
      "wrong-credentials",
    )
    // With the server gone: the store of a device opens with the kit alone, and stays closed without it.
    await device.kf.lock()
    device.server.rewriteAll(() => undefined)
    expect(codeOf(await device.kf.rescue(oldKit, "rescued password 1"))).toBe("kit-code-wrong")
    expect(must(await device.kf.rescue(kit.code, "rescued password 1")).items).toBe(2)
    device.server.honest()
    a = { ...a, device, kit }
  })

  test("X-49 hostile server: to somebody with nothing but the kit it serves an account of its own making: the kit's keys do not fit, nothing is signed or sent", async () => {
    const evil = await createAttackWorld()
    const good = await createAttackWorld()
    try {
      const forged = await settleAccount(evil)
      const victim = await settleAccount(good)
      const reader = await evil.device("reader")
      let chain: Uint8Array | undefined
      reader.server.rewrite("enrol.chain", (reply) => {
        chain = reply.body
        return reply
      })
      await enrolByKit(evil, reader, forged)
      const keys = reader.server.lastReply("enrol.slot-wraps").body
      for (const swap of ["chain", "chain and account"] as const) {
        good.advance(61 * 60_000)
        const device = await good.device(`rec${n++}`)
        if (swap === "chain and account")
          device.server.rewrite(
            "recovery.start",
            inJson((value) => ({
              ...value,
              accountId: (
                JSON.parse(new TextDecoder().decode(reader.server.lastReply("login.finish").body)) as {
                  accountId: string
                }
              ).accountId,
            })),
          )
        must(await device.kf.recoverStart({ server: good.origin(), kitCode: victim.kit.code, deviceName: "New" }))
        const waiting = must(await device.kf.loginSecondFactor("totp", victim.code()))
        expect(await good.confirm(await good.takeToken(), waiting.code ?? "")).toBe(200)
        must(await device.kf.confirmation())
        device.server.invent("enrol.chain", () => ({
          status: 200,
          contentType: "application/cbor",
          body: chain ?? new Uint8Array(),
        }))
        device.server.invent("enrol.slot-wraps", () => ({
          status: 200,
          contentType: "application/cbor",
          body: keys,
        }))
        expect(["chain-invalid", "kit-replaced"]).toContain(
          codeOf(await device.kf.recoverFinish("another password 22")),
        )
        expect(device.server.requestsTo("enrol.append")).toEqual([])
        expect(device.server.requestsTo("enrol.password-start")).toEqual([])
        await device.kf.close()
      }
    } finally {
      await evil.close()
      await good.close()
    }
  })

  test("X-50 hostile server: during recovery it serves an older chain, or wraps of another epoch: the recovery does not go on under them", async () => {
    const good = await createAttackWorld()
    try {
      const victim = await settleAccount(good)
      // The chain moves on: a kit that is shown to be current must be.
      const second = await good.device("second")
      await enrolByKit(good, second, victim)
      must(await victim.device.kf.unlock(PASSWORD))
      must(await victim.device.kf.syncNow())
      must(
        await victim.device.kf.removeDevice({ id: (await second.kf.status()).account?.deviceId ?? "", reason: "lost" }),
      )
      const device = await good.device("rec")
      must(await device.kf.recoverStart({ server: good.origin(), kitCode: victim.kit.code, deviceName: "New" }))
      const waiting = must(await device.kf.loginSecondFactor("totp", victim.code()))
      expect(await good.confirm(await good.takeToken(), waiting.code ?? "")).toBe(200)
      must(await device.kf.confirmation())
      device.server.rewrite(
        "enrol.chain",
        inCbor(accountChainReplyStruct, (reply) => ({ links: reply.links.slice(0, -1) })),
      )
      const older = await device.kf.recoverFinish("another password 22")
      // Whatever it was told, the honest rest of the world refuses a link on an old head; nothing was taken over.
      expect(older.ok).toBe(false)
      device.server.honest()
      device.server.rewrite(
        "enrol.slot-wraps",
        inCbor(accountKeysReplyStruct, (reply) => ({
          ...reply,
          wraps: reply.wraps.map(
            ([epoch, entry], i) => [epoch, reply.wraps[(i + 1) % reply.wraps.length]?.[1] ?? entry] as const,
          ),
        })),
      )
      expect(codeOf(await device.kf.recoverFinish("another password 22"))).toBe("key-not-trusted")
      device.server.honest()
      must(await device.kf.recoverFinish("another password 22"))
    } finally {
      await good.close()
    }
  })

  test("X-51 outsider with the kit alone: without second factor and mailbox it gets a session of the first level and nothing of the account", async () => {
    const good = await createAttackWorld()
    try {
      const victim = await settleAccount(good)
      const thief = await good.device("thief")
      const started = must(
        await thief.kf.recoverStart({ server: good.origin(), kitCode: victim.kit.code, deviceName: "Thief" }),
      )
      expect(started.step).toBe("second-factor")
      expect(codeOf(await thief.kf.recoverFinish("another password 22"))).toBe("device-not-verified")
      expect(codeOf(await thief.kf.loginSecondFactor("totp", victim.wrong()))).toBe("second-factor-wrong")
      expect(thief.server.requestsTo("enrol.chain")).toEqual([])
      // The person is told.
      expect(JSON.stringify((await good.mails()).map((m) => m.to))).toContain(ADDRESS)
      await enrolUpToKeys(good, await good.device("other"), victim)
    } finally {
      await good.close()
    }
  })
})
