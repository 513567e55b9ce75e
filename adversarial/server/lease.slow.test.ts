import { bytesToBase64url } from "@keyferry/base"
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest"

import { inJson, problem } from "../world/hostile-server.ts"
import { identityOf, knock, randomBytes, stealFrom } from "../world/raw-client.ts"
import {
  type AttackedDevice,
  type AttackWorld,
  codeOf,
  createAttackWorld,
  enrolByKit,
  exchangeKey,
  login,
  must,
  PASSWORD,
  type Settled,
  settleAccount,
  titlesOf,
} from "../world/world.ts"

/*
 * The server's half of unlocking, in the hands of a server that lies, withholds or answers for somebody else.
 */
const HOUR = 3_600_000
let world: AttackWorld
let a: Settled
let b: AttackedDevice
let strict: string

beforeAll(async () => {
  world = await createAttackWorld()
  a = await settleAccount(world)
  must(await a.device.kf.add(login("standard")))
  strict = must(await a.device.kf.add(exchangeKey("strict"))).id
  must(await a.device.kf.syncNow())
  b = await world.device("b")
  await enrolByKit(world, b, a)
  must(await b.kf.syncNow())
})
afterEach(() => {
  a.device.server.honest()
  b.server.honest()
})
afterAll(() => world.close())

describe("DV-09", () => {
  test("DV-09 hostile server: an evaluation under another lease key is called that, and is no wrong password", async () => {
    await b.kf.lock()
    // Another device's evaluation, honest in itself; and nonsense of the right length.
    b.server.rewrite(
      "lease.evaluate",
      inJson((value) => ({ ...value, evaluated: bytesToBase64url(randomBytes(32)) })),
    )
    expect(codeOf(await b.kf.unlock(PASSWORD))).toBe("lease-key-changed")
    b.server.rewrite(
      "lease.evaluate",
      inJson((value) => ({ ...value, proof: bytesToBase64url(randomBytes(64)) })),
    )
    expect(codeOf(await b.kf.unlock(PASSWORD))).toBe("lease-key-changed")
    b.server.rewrite("lease.evaluate", async (reply, request) => {
      const stolen = await stealFrom(a.device.folder)
      const { blinded } = JSON.parse(new TextDecoder().decode(request.body)) as { blinded: string }
      const { formatId } = await import("@keyferry/base")
      const other = await knock(world.origin(), "lease.evaluate", {
        as: identityOf(stolen),
        nowMs: world.nowMs(),
        body: { leaseId: formatId("lea", stolen.leaseId), blinded },
      })
      return { ...reply, body: other.body }
    })
    expect(codeOf(await b.kf.unlock(PASSWORD))).toBe("lease-key-changed")
    expect((await b.kf.status()).lock).toBe("locked")
    b.server.honest()
    expect(must(await b.kf.unlock(PASSWORD)).lock).toBe("unlocked")
  })
})

describe("DV-13", () => {
  test("DV-13 hostile server: the token of another device, of another lease, or of nobody, is refused", async () => {
    await b.kf.lock()
    await a.device.kf.lock()
    must(await a.device.kf.unlock(PASSWORD))
    const foreign = JSON.parse(new TextDecoder().decode(a.device.server.lastReply("lease.evaluate").body)) as {
      token: string
    }
    for (const token of [
      foreign.token,
      bytesToBase64url(randomBytes(200)),
      "",
      bytesToBase64url(new Uint8Array(100)),
    ]) {
      b.server.rewrite(
        "lease.evaluate",
        inJson((value) => ({ ...value, token })),
      )
      expect(codeOf(await b.kf.unlock(PASSWORD))).toBe("lease-key-changed")
    }
    b.server.honest()
    must(await b.kf.unlock(PASSWORD))
  })

  test("DV-13 thief: one device's grace and keys copied into another's folder open nothing there", async () => {
    const { cpSync, mkdirSync } = await import("node:fs")
    const { join } = await import("node:path")
    const target = await world.device("copy")
    await target.kf.close()
    mkdirSync(target.folder, { recursive: true })
    // The whole store of b, with the secret of a.
    for (const name of ["device.db", "device.db-wal", "device.db-shm"]) {
      try {
        cpSync(join(b.folder, name), join(target.folder, name))
      } catch {
        // No write-ahead log at this moment.
      }
    }
    cpSync(join(a.device.folder, "device.secret"), join(target.folder, "device.secret"))
    let opened = "refused"
    try {
      const thief = await target.reopen()
      thief.server.rewriteAll(() => undefined)
      opened = codeOf(await thief.kf.unlock(PASSWORD))
      await thief.kf.close()
    } catch (error) {
      opened = error instanceof Error ? (error.message.split(":")[0] ?? "") : ""
    }
    expect(["wrong-password", "store-corrupt", "lease-expired"]).toContain(opened)
  })

  test("X-36 hostile server: a token with a longer grace than the signed policy, times of the far future or the past: cut, or no grace", async () => {
    // Tokens are signed by the strongroom, so the server can only replay old ones: an older one never gives more than it did.
    await b.kf.lock()
    must(await b.kf.unlock(PASSWORD))
    const old = JSON.parse(new TextDecoder().decode(b.server.lastReply("lease.evaluate").body)) as { token: string }
    await b.kf.lock()
    world.advance(23 * HOUR)
    b.server.rewrite(
      "lease.evaluate",
      inJson((value) => ({ ...value, token: old.token })),
    )
    must(await b.kf.unlock(PASSWORD))
    await b.kf.lock()
    b.server.honest()
    b.server.rewriteAll(() => undefined)
    // One more hour: the old token's day is over, although the server says it was given now.
    world.advance(61 * 60_000)
    expect(codeOf(await b.kf.unlock(PASSWORD))).toBe("lease-expired")
    b.server.honest()
    must(await b.kf.unlock(PASSWORD))
  })
})

describe("DV-14", () => {
  test("DV-14 hostile server: it does not answer: strict items say so and stay closed, standard ones open inside the grace and no longer", async () => {
    await b.kf.lock()
    b.server.rewriteAll(() => undefined)
    expect(must(await b.kf.unlock(PASSWORD))).toEqual({ lock: "standard-only", notice: "network-unreachable" })
    expect(codeOf(await b.kf.get(strict))).toBe("lease-needs-server")
    expect(await titlesOf(b.kf)).toEqual(["standard"])
    expect(codeOf(await b.kf.add(exchangeKey("new strict")))).toBe("lease-needs-server")
    expect(codeOf(await b.kf.exportArchive({ passphrase: "a long passphrase for it" }))).toBe("lease-needs-server")
    await b.kf.lock()
    world.advance(25 * HOUR)
    expect(codeOf(await b.kf.unlock(PASSWORD))).toBe("lease-expired")
    b.server.honest()
    must(await b.kf.unlock(PASSWORD))
    expect((await titlesOf(b.kf)).toSorted()).toEqual(["standard", "strict"])
  })

  test.each([
    ["refuses", problem("lease-refused", 403), "lease-refused"],
    ["says that the device was removed", problem("device-removed", 401), "device-removed"],
    ["says that the account is frozen", problem("account-frozen", 403), "account-frozen"],
    ["says that this device is locked", problem("lease-locked", 403), "lease-locked"],
    ["signs it out", problem("signed-out", 401), "signed-out"],
    ["says nothing it should", problem("", 500), "standard-only"],
    ["is restarting", problem("strongroom-unavailable", 503), "standard-only"],
  ] as const)(
    "DV-14 hostile server: it %s: no silent fallback, and its word alone destroys nothing",
    async (_, reply, expected) => {
      must(await b.kf.unlock(PASSWORD))
      await b.kf.lock()
      b.server.invent("lease.evaluate", () => reply)
      const result = await b.kf.unlock(PASSWORD)
      expect(result.ok ? result.value.lock : result.error.code).toBe(expected)
      b.server.honest()
      await b.kf.lock()
      must(await b.kf.unlock(PASSWORD))
      expect((await titlesOf(b.kf)).toSorted()).toEqual(["standard", "strict"])
    },
  )

  test("X-37 hostile server: told that it was removed, a device asks for the signed link; an invented chain does not wipe it either", async () => {
    must(await b.kf.syncNow())
    const chain = b.server.exchanges().length
    b.server.invent("sync", () => problem("device-removed", 401))
    for (const reply of [
      undefined,
      problem("not-found", 404),
      { status: 200, contentType: "application/cbor", body: new Uint8Array([0xa1, 0x01, 0x80]) },
    ]) {
      b.server.invent("account.chain", () => reply)
      expect(codeOf(await b.kf.syncNow())).toBe("device-removed")
      expect((await b.kf.status()).mode).toBe("account")
    }
    // The honest chain, which does not name this device.
    b.server.honest()
    b.server.invent("sync", () => problem("device-removed", 401))
    expect(codeOf(await b.kf.syncNow())).toBe("device-removed")
    expect(b.server.exchanges().length).toBeGreaterThan(chain)
    b.server.honest()
    must(await b.kf.syncNow())
    expect((await titlesOf(b.kf)).toSorted()).toEqual(["standard", "strict"])
  })

  test("X-38 hostile server: renewals with somebody else's token, or none, leave the grace as it was", async () => {
    const before = (await b.kf.status()).graceUntilMs
    b.server.invent("lease.renew", () => problem("lease-refused", 403))
    world.advance(60_000)
    await b.quiet()
    expect((await b.kf.status()).graceUntilMs).toBe(before)
  })
})
