import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, statSync } from "node:fs"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"

import { bytesToBase64url, formatId, secret } from "@keyferry/base"
import { blind } from "@keyferry/crypto"
import { createNodeHttp, openNodeKeyferry } from "@keyferry/sdk/node"
import { createCanarySearch, makeCanary } from "@keyferry/testkit"
import { afterAll, beforeAll, describe, expect, test } from "vitest"

import { identityOf, knock, randomBytes, type RawReply, stealFrom, type StolenDevice } from "../world/raw-client.ts"
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
 * A thief with the disk of a device: a copy of its folder, the device secret in it, sometimes the password, sometimes the
 * moment before a removal and sometimes the one after. Everything is tried with the product's own code on the copy.
 */
const HOUR = 3_600_000
const STRICT = makeCanary("secret of the strict key", { bytes: randomBytes })
const STANDARD = makeCanary("standard password", { bytes: randomBytes })
const LOCAL = makeCanary("local password", { bytes: randomBytes })
let world: AttackWorld
let a: Settled
let n = 0

beforeAll(async () => {
  world = await createAttackWorld()
  a = await settleAccount(world)
  must(await a.device.kf.add(login("standard", STANDARD.text)))
  must(await a.device.kf.add(exchangeKey("strict", `${STRICT.text}abcdefghijkl`)))
  must(await a.device.kf.syncNow())
})
afterAll(() => world.close())

const joined = async (): Promise<AttackedDevice> => {
  const device = await world.device(`device${n++}`)
  await enrolByKit(world, device, a)
  must(await device.kf.add({ ...login("local", LOCAL.text), policy: "local-only" }))
  await device.quiet()
  return device
}
/** A copy of the disk at this moment. */
const image = (device: AttackedDevice): string => {
  const copy = join(world.folder, `image${n++}`)
  mkdirSync(copy)
  for (const name of ["device.db", "device.db-wal", "device.db-shm", "device.secret"])
    if (existsSync(join(device.folder, name))) cpSync(join(device.folder, name), join(copy, name))
  return copy
}
const openImage = async (folder: string, online: boolean, aheadMs = 0) =>
  must(
    await openNodeKeyferry({
      folder,
      http: online
        ? createNodeHttp()
        : { send: async () => undefined, stream: async () => ({ ok: false, error: undefined }) as never },
      clock: { nowMs: () => world.nowMs() + aheadMs, monotonicMs: () => performance.now() },
    }),
  )
const remove = async (device: AttackedDevice): Promise<void> => {
  must(await a.device.kf.unlock(PASSWORD))
  must(await a.device.kf.syncNow())
  must(await a.device.kf.removeDevice({ id: (await device.kf.status()).account?.deviceId ?? "", reason: "lost" }))
}
const guess = (device: StolenDevice): Promise<RawReply> => {
  const blinded = blind({ bytes: randomBytes }, secret<"LeaseInput">(randomBytes(32)))
  return knock(world.origin(), "lease.evaluate", {
    as: identityOf(device),
    nowMs: world.nowMs(),
    body: { leaseId: formatId("lea", device.leaseId), blinded: bytesToBase64url(blinded.blinded) },
  })
}

describe("DV-01, DV-03", () => {
  test("DV-01 thief with disk, device secret and password, after the removal: no strict item, no key, online or not", async () => {
    const device = await joined()
    await device.kf.lock()
    const disk = image(device)
    await remove(device)
    // Nothing readable lies about, whoever looks with whatever.
    const found = createCanarySearch([
      STRICT,
      STANDARD,
      LOCAL,
      { name: "password", text: PASSWORD, bytes: new TextEncoder().encode(PASSWORD) },
    ]).inPath(disk)
    expect(found.findings).toEqual([])
    // Online: the answer that opens the bundle is not given any more.
    const online = await openImage(disk, true)
    expect(codeOf(await online.unlock(PASSWORD))).toBe("device-removed")
    await online.close()
    const copy = image({ ...device, folder: disk })
    // Offline, inside the grace: standard items of the last sync, as printed; strict ones and every key stay closed.
    const offline = await openImage(copy, false)
    const opened = await offline.unlock(PASSWORD)
    if (opened.ok) {
      expect(opened.value.lock).toBe("standard-only")
      expect((await titlesOf(offline)).toSorted()).toEqual(["local", "standard"])
      expect(must(await offline.list()).every((i) => i.class === "standard")).toBe(true)
      expect((await offline.exportArchive({ passphrase: "a passphrase of some length" })).ok).toBe(false)
      expect((await offline.syncNow()).ok).toBe(false)
    } else expect(["lease-expired", "store-corrupt", "device-removed"]).toContain(opened.error.code)
    await offline.close()
  })

  test("DV-01 thief: the evaluation of the dead lease is refused whatever it asks, and its attempts are not what refuses it", async () => {
    const device = await joined()
    const stolen = await stealFrom(device.folder)
    expect((await guess(stolen)).status).toBe(200)
    await remove(device)
    for (let i = 0; i < 3; i++) expect((await guess(stolen)).code).toBe("device-removed")
    await world.kill()
    await world.start()
    expect((await guess(stolen)).code).toBe("device-removed")
  })

  test("DV-03 removed device that stays offline: past its grace nothing opens and the cached grace is gone; a clock set back does not help", async () => {
    const device = await joined()
    await device.kf.lock()
    const disk = image(device)
    await remove(device)
    const late = await openImage(disk, false, 25 * HOUR)
    expect(codeOf(await late.unlock(PASSWORD))).toBe("lease-expired")
    await late.close()
    // The same folder with the clock set back: what was wiped stays wiped.
    const back = await openImage(disk, false)
    expect(codeOf(await back.unlock(PASSWORD))).toBe("lease-expired")
    await back.close()
  })

  test("X-39 thief: inside the grace the clock set back is noticed, and the unlocks are counted down before anything opens", async () => {
    const device = await joined()
    await device.kf.lock()
    const disk = image(device)
    const ahead = await openImage(disk, false, 10 * HOUR)
    expect(must(await ahead.unlock(PASSWORD)).lock).toBe("standard-only")
    await ahead.close()
    const back = await openImage(disk, false, 9 * HOUR)
    expect(codeOf(await back.unlock(PASSWORD))).toBe("clock-moved")
    await back.close()
    const again = await openImage(disk, false, 10 * HOUR)
    for (let i = 0; i < 49; i++) expect(must(await again.unlock(PASSWORD)).lock).toBe("standard-only")
    expect(codeOf(await again.unlock(PASSWORD))).toBe("lease-expired")
    await again.close()
  }, 400_000)
})

describe("DV-02", () => {
  test("DV-02 thief: ten guesses, then the device is locked; a kill of the server in between refunds none", async () => {
    const device = await joined()
    const stolen = await stealFrom(device.folder)
    let answered = 0
    for (let i = 0; i < 4; i++) if ((await guess(stolen)).status === 200) answered++
    for (let kill = 0; kill < 3; kill++) {
      // Asked and killed at once: whatever was evaluated was counted before.
      const asked = guess(stolen).catch(() => undefined)
      await new Promise((resolve) => setTimeout(resolve, kill * 3))
      await world.kill()
      if ((await asked)?.status === 200) answered++
      await world.start()
    }
    for (let i = 0; i < 12; i++) if ((await guess(stolen)).status === 200) answered++
    expect(answered).toBeLessThanOrEqual(10)
    expect((await guess(stolen)).code).toBe("lease-locked")
    // Also the right password does not open it now, and the person is told.
    await device.kf.lock()
    expect(codeOf(await device.kf.unlock(PASSWORD))).toBe("lease-locked")
    await expect.poll(async () => (await world.mails()).some((m) => /locked/i.test(m.subject + m.body))).toBe(true)
  })
})

describe("the files", () => {
  test("X-41 thief: files and folder are the owner's alone, also right after they were made", async () => {
    const device = await joined()
    for (const name of ["device.db", "device.secret"]) expect(statSync(join(device.folder, name)).mode & 0o077).toBe(0)
    expect(statSync(device.folder).mode & 0o077).toBe(0)
    expect(readFileSync(join(device.folder, "device.secret")).length).toBeGreaterThanOrEqual(32)
  })

  const rows = (folder: string): DatabaseSync => new DatabaseSync(join(folder, "device.db"))

  test("X-42 thief who writes: pages exchanged, moved, older or cut do not open as something else", async () => {
    const device = await joined()
    const db = rows(device.folder)
    const pageOf = (table: string): { readonly key: string; readonly value: Uint8Array } => {
      const row = db.prepare("SELECT key, value FROM rows WHERE tbl = ? AND key <> 'index' ORDER BY key").get(table) as
        | { key: string; value: Uint8Array }
        | undefined
      if (row === undefined) throw new Error(`no page in ${table}`)
      return { key: row.key, value: row.value.slice() }
    }
    const older = pageOf("page")
    must(await device.kf.add({ ...login("later", LOCAL.text), policy: "local-only" }))
    const [standard, strict] = [pageOf("page"), pageOf("page-strict")]
    db.close()
    expect(standard.key).toBe(older.key)
    expect(Buffer.compare(standard.value, older.value)).not.toBe(0)
    await device.kf.close()

    const put = "UPDATE rows SET value = ? WHERE tbl = 'page' AND key = ?"
    const changes: readonly (readonly [string, string, readonly (string | Uint8Array)[]])[] = [
      ["the page of a strict class in the place of another", put, [strict.value, standard.key]],
      ["an older state of it", put, [older.value, standard.key]],
      ["its end cut off", put, [standard.value.subarray(0, -1), standard.key]],
      ["none of it", put, [new Uint8Array(), standard.key]],
      ["gone", "DELETE FROM rows WHERE tbl = 'page' AND key = ?", [standard.key]],
      [
        "twice",
        "INSERT INTO rows (tbl, key, value) VALUES ('page', ?, ?)",
        [`0${standard.key.slice(1)}0`, standard.value],
      ],
      ["under the other class", "UPDATE rows SET tbl = 'page-strict' WHERE tbl = 'page' AND key = ?", [standard.key]],
    ]
    for (const [what, statement, values] of changes) {
      const disk = image(device)
      const spoilt = rows(disk)
      spoilt.prepare(statement).run(...values)
      spoilt.close()
      const kf = await openImage(disk, true)
      expect([what, codeOf(await kf.unlock(PASSWORD))]).toEqual([what, "store-corrupt"])
      await kf.close()
    }
  })

  test("X-43 thief who writes: an older copy of the account's history in its place is noticed at the next unlock", async () => {
    const device = await joined()
    const older = (
      rows(device.folder).prepare("SELECT value FROM rows WHERE tbl = 'clear' AND key = 'chain'").get() as {
        value: Uint8Array
      }
    ).value
    const gone = await joined()
    await remove(gone)
    must(await device.kf.syncNow())
    await device.kf.close()
    const db = rows(device.folder)
    const newer = (
      db.prepare("SELECT value FROM rows WHERE tbl = 'clear' AND key = 'chain'").get() as { value: Uint8Array }
    ).value
    expect(newer.length).toBeGreaterThan(older.length)
    db.prepare("UPDATE rows SET value = ? WHERE tbl = 'clear' AND key = 'chain'").run(older)
    db.close()
    const again = await device.reopen()
    // The removal that this device knew of would be forgotten, and its keys wrapped to who was removed.
    expect(codeOf(await again.kf.unlock(PASSWORD))).toBe("store-corrupt")
    await again.kf.close()
  })

  test("X-44 thief who writes: the history, the device's own record or the grace changed by one bit", async () => {
    const device = await joined()
    await device.kf.close()
    for (const [table, key, codes] of [
      ["clear", "chain", ["store-corrupt"]],
      ["bundle", "on", ["wrong-password"]],
      ["clear", "auth", ["store-corrupt", "signature-invalid"]],
    ] as const) {
      const disk = image(device)
      const db = rows(disk)
      const row = db.prepare("SELECT value FROM rows WHERE tbl = ? AND key = ?").get(table, key) as {
        value: Uint8Array
      }
      const value = row.value.slice()
      value[value.length - 5] = (value[value.length - 5] ?? 0) ^ 1
      db.prepare("UPDATE rows SET value = ? WHERE tbl = ? AND key = ?").run(value, table, key)
      db.close()
      let code: string
      const opened = await openNodeKeyferry({ folder: disk })
      if (opened.ok) {
        code = codeOf(await opened.value.unlock(PASSWORD))
        await opened.value.close()
      } else code = opened.error.code
      expect([table, key, codes.includes(code as never) ? "refused" : code]).toEqual([table, key, "refused"])
    }
  })

  test("X-45 thief: what was deleted for good, or moved under new keys, is in no page of the file any more", async () => {
    const device = await world.device(`local${n++}`)
    must(await device.kf.createLocal(PASSWORD))
    must(await device.kf.add(login("before the account", LOCAL.text)))
    const before = readFileSync(join(device.folder, "device.db")).length
    const sealed = (
      rows(device.folder).prepare("SELECT value FROM rows WHERE tbl = 'page' AND key <> 'index'").get() as {
        value: Uint8Array
      }
    ).value
    await enrolByKit(world, device, a)
    await device.kf.close()
    const after = readFileSync(join(device.folder, "device.db"))
    expect(before).toBeGreaterThan(0)
    // The row under the old keys, which the password alone opened, is not there: a new file took its place.
    expect(after.includes(Buffer.from(sealed.subarray(40, 104)))).toBe(false)
    rmSync(device.folder, { recursive: true, force: true })
  })
})
