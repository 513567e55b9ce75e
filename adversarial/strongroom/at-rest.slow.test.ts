import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"

import { bytesToBase64url, bytesToHex, expectOk, formatId, secret } from "@keyferry/base"
import { blind, decodeRecord, openRecord } from "@keyferry/crypto"
import { nodePrimitives as p } from "@keyferry/crypto/node"
import { syncRequestStruct } from "@keyferry/protocol"
import { createCanarySearch, type Canary, canaryOf } from "@keyferry/testkit"
import { afterAll, beforeAll, describe, expect, test } from "vitest"

import { allHandlers } from "../../apps/strongroom/src/all-handlers.ts"
import {
  codeOf,
  createWorld,
  makeActive,
  must,
  NO_LIMITS,
  ORIGIN,
  type Person,
  random,
  send,
  signIn,
  signRequest,
  signUp,
} from "../../apps/strongroom/src/fixture.ts"
import {
  doPush,
  doSync,
  genesisPush,
  itemId,
  makePut,
  itemsPush,
  vaultOf,
  type Writer,
  writerOf,
} from "../../apps/strongroom/src/vaults/fixture.ts"
import { recordPlace } from "../../apps/strongroom/src/places.ts"
import { startStrongroomUnderAttack, type StrongroomUnderAttack } from "../world/strongroom-process.ts"

/*
 * The strongroom's files in other hands: with its key service, without it, with another key, with half of a backup.
 */
let room: StrongroomUnderAttack
let ada: Person
let writer: Writer
let otpauth: string
const records: Uint8Array[] = []
const PASSWORD = "correct horse battery staple"

beforeAll(async () => {
  room = await startStrongroomUnderAttack()
  ada = await signUp(room.reach, PASSWORD)
  otpauth = await makeActive(room.reach, ada)
  writer = writerOf(ada)
  await doPush(room.reach, writer, await genesisPush(writer))
  for (let i = 0; i < 5; i++) {
    const put = await makePut(writer, itemId(), { text: `plain text number ${i}, which only a device may read` })
    records.push(put.record)
    await doPush(room.reach, writer, await itemsPush(writer, [put]))
  }
})
afterAll(() => room.close())

const copyOf = (): string => {
  const folder = mkdtempSync(join(tmpdir(), "kf-copy-"))
  for (const name of readdirSync(room.folder))
    if (!name.endsWith("-shm") && !name.endsWith(".lock")) cpSync(join(room.folder, name), join(folder, name))
  return folder
}
const partsOf = (bytes: Uint8Array): Canary[] => {
  const record = expectOk(decodeRecord(bytes), "record")
  return [
    canaryOf("inner ciphertext", record.ct.slice(0, 32)),
    canaryOf("inner commitment", record.commit),
    canaryOf("inner salt", record.salt),
    canaryOf("inner header", record.header.slice(0, 40)),
  ]
}

describe("KM-01, KM-02", () => {
  test("KM-02 database thief: without the key service no inner ciphertext, seed, lease key or password record can be seen, and no size below the padding", () => {
    const seed = new URL(otpauth).searchParams.get("secret") ?? ""
    const search = createCanarySearch([
      ...records.flatMap(partsOf),
      { name: "factor seed", text: seed, bytes: new TextEncoder().encode(seed) },
      { name: "password", text: PASSWORD, bytes: new TextEncoder().encode(PASSWORD) },
      canaryOf("account seed", ada.accountSeed.reveal()),
      canaryOf("vault key", writer.key.reveal()),
    ])
    const folder = copyOf()
    // The key files are what the thief does not have.
    for (const name of readdirSync(folder)) if (/kek/.test(name)) rmSync(join(folder, name))
    expect(search.inPath(folder).findings).toEqual([])
    const db = new DatabaseSync(join(folder, "strongroom.db"), { readOnly: true })
    const sizes = (db.prepare("SELECT length(sealed_record) AS n FROM record").all() as { n: number }[]).map((r) => r.n)
    db.close()
    expect(Math.min(...sizes)).toBeGreaterThan(512)
    expect(new Set(sizes).size).toBe(1)
    rmSync(folder, { recursive: true })
  })

  test("KM-01 hostile key service: with every outer layer taken off there is the inner ciphertext, which opens with the device's key and with nothing that lies here", async () => {
    // The strongroom itself takes the outer layer off for an honest device: this is what a hostile key service sees at most.
    const reply = await doSync(room.reach, writer, { cursors: [[vaultOf(writer).id, 0, new Uint8Array(32)]] })
    const inner = reply.vaults[0]?.records ?? []
    expect(inner.map(bytesToHex).toSorted()).toEqual(records.map(bytesToHex).toSorted())
    const search = createCanarySearch([
      {
        name: "plain text",
        text: "which only a device may read",
        bytes: new TextEncoder().encode("which only a device may read"),
      },
    ])
    for (const bytes of inner) expect(search.inBytes(bytes, "inner record")).toEqual([])
    const folder = copyOf()
    expect(search.inPath(folder).findings).toEqual([])
    // Every 32 bytes of key material in the folder, tried as the vault's key.
    const record = expectOk(decodeRecord(inner[0] ?? new Uint8Array()), "record")
    const tried = readdirSync(folder)
      .filter((name) => /kek/.test(name))
      .map((name) => readFileSync(join(folder, name)))
      .filter((b) => b.length >= 32)
    expect(tried.length).toBeGreaterThan(0)
    for (const bytes of tried) {
      const opened = await openRecord(p, {
        key: secret<"VaultKey">(new Uint8Array(bytes.subarray(0, 32))),
        vid: vaultOf(writer).id,
        itemId: new Uint8Array(16),
        record,
      })
      expect(opened.ok).toBe(false)
    }
    rmSync(folder, { recursive: true })
  })

  test("X-71 database thief with the key files: the right password guessed offline against the stored record does not verify without the running exchange's secret", () => {
    const folder = copyOf()
    rmSync(join(folder, "main.kek"), { force: true })
    // The record is under the outer layer, the server's secret of the exchange too: there is nothing to guess against.
    const db = new DatabaseSync(join(folder, "strongroom.db"), { readOnly: true })
    const row = db.prepare("SELECT sealed_opaque_record AS r FROM account").get() as { r: Uint8Array | null }
    expect(row.r?.length ?? 0).toBeGreaterThan(192)
    const tables = db.prepare("SELECT name FROM sqlite_master WHERE type='table'").all() as { name: string }[]
    for (const { name } of tables)
      for (const line of db.prepare(`SELECT * FROM ${name}`).all() as Record<string, unknown>[])
        for (const [column, value] of Object.entries(line))
          if (
            value instanceof Uint8Array &&
            value.length === 32 &&
            !/pk|hash|id|token|head|salt|root|recipient|tenant/.test(column)
          )
            throw new Error(`${name}.${column} holds 32 bytes in clear`)
    db.close()
    rmSync(folder, { recursive: true })
  })

  test("X-72 database thief who writes: sealed values exchanged between rows, accounts and purposes do not open as each other", async () => {
    const eve = await signUp(room.reach, PASSWORD)
    await room.stop()
    const path = join(room.folder, "strongroom.db")
    const before = readFileSync(path)
    const db = new DatabaseSync(path)
    const rows = db.prepare("SELECT n, sealed_record AS r FROM record ORDER BY n LIMIT 2").all() as {
      n: number
      r: Uint8Array
    }[]
    const [x, y] = rows
    if (x === undefined || y === undefined) throw new Error("two records")
    db.prepare("UPDATE record SET sealed_record = ? WHERE n = ?").run(y.r, x.n)
    // Eve's password record in the place of Ada's: then Eve's password would sign in as Ada.
    const own = db.prepare("SELECT sealed_opaque_record AS r FROM account WHERE uuid = ?").get(eve.accountUuid) as {
      r: Uint8Array
    }
    db.prepare("UPDATE account SET sealed_opaque_record = ? WHERE uuid = ?").run(own.r, ada.accountUuid)
    db.close()
    await room.start()
    const body = syncRequestStruct.encode({
      account: [0, new Uint8Array(32)],
      cursors: [[vaultOf(writer).id, 0, new Uint8Array(32)]],
      pushes: [],
      maxBytes: 1e6,
    })
    const request = await signRequest("sync", ada.device.authSeed, ada.device.deviceId, body, room.reach.nowMs())
    const answer = await room.client().call("execute", { request, limits: NO_LIMITS, origins: [ORIGIN] })
    // Refused by name or as a defect; nothing is handed out.
    expect(answer.ok ? answer.value.body.length : answer.error.code).toBe(answer.ok ? 0 : "internal")
    const signedIn = await codeOf(signIn(room.reach, ada.accountUuid, PASSWORD, random.bytes(32))).catch(
      () => "internal",
    )
    expect(signedIn).not.toBe("ok")
    await room.stop()
    writeFileSync(path, before)
    for (const suffix of ["-wal", "-shm"]) rmSync(path + suffix, { force: true })
    await room.start()
    expect(
      (await doSync(room.reach, writer, { cursors: [[vaultOf(writer).id, 0, new Uint8Array(32)]] })).vaults[0]?.records
        .length,
    ).toBe(5)
  })
})

describe("KM-06, KM-07, KM-11", () => {
  test("KM-06 operator with another key file: it refuses to start, says so, makes no key and changes no byte", async () => {
    await room.stop()
    const folder = copyOf()
    await room.start()
    const snapshot = (): string =>
      readdirSync(folder)
        .filter((f) => !/-(wal|shm)$|lock|clock/.test(f))
        .map((f) => `${f} ${readFileSync(join(folder, f)).toString("base64").length}`)
        .join("\n")
    for (const [name, change] of [
      ["main.kek", (f: string) => writeFileSync(f, random.bytes(32), { mode: 0o600 })],
      ["main.kek", (f: string) => rmSync(f)],
      ["lease-kek-1", (f: string) => writeFileSync(f, random.bytes(32), { mode: 0o600 })],
      ["lease-kek-1", (f: string) => rmSync(f)],
    ] as const) {
      const path = join(folder, name)
      const good = readFileSync(path)
      change(path)
      const before = snapshot()
      await expect(startStrongroomUnderAttack(folder)).rejects.toThrow(
        /kms-wrong-key|strongroom-unavailable|store-corrupt/,
      )
      expect(snapshot()).toBe(before)
      writeFileSync(path, good, { mode: 0o600 })
    }
    const own = await startStrongroomUnderAttack(folder)
    expect((await must(own.client().call("accounts", {}))).accounts.length).toBeGreaterThan(0)
    await own.close()
    rmSync(folder, { recursive: true, force: true })
  }, 400_000)

  test("KM-07 race (codec): the first data key of an account, asked for a hundred times at once: one is made, and everything opens", async () => {
    const world = await createWorld(allHandlers)
    try {
      const person = await signUp({
        call: (name, params) => (world.room().calls[name] as (q: unknown) => Promise<never>)(params),
        nowMs: world.clock.nowMs,
      })
      const { atRest, store } = world.room().ctx
      const count = async (): Promise<number> =>
        (
          await store.read((db) =>
            db
              .selectFrom("data_key")
              .select((e) => e.fn.countAll<number>().as("n"))
              .executeTakeFirstOrThrow(),
          )
        ).n
      const before = await count()
      // A tenant that has no key yet.
      const tenant = random.bytes(32)
      const places = Array.from({ length: 100 }, (_, rev) =>
        recordPlace(tenant, person.accountId, random.bytes(16), rev + 1),
      )
      const sealed = await Promise.all(
        places.map((place) => atRest.encryptAll([{ place, plaintext: random.bytes(40) }])),
      )
      expect(sealed.every((s) => s.ok)).toBe(true)
      expect((await count()) - before).toBe(1)
      const opened = await Promise.all(
        sealed.map((s, i) =>
          s.ok
            ? atRest.decrypt(places[i] ?? recordPlace(tenant, tenant, tenant, 0), s.value[0] ?? new Uint8Array())
            : Promise.resolve({ ok: false as const, error: "" }),
        ),
      )
      expect(opened.every((o) => o.ok)).toBe(true)
    } finally {
      await world.close()
    }
  })

  test("KM-11 reader of logs: keys, seeds, codes, passwords and plain text stand in no line that the strongroom wrote", async () => {
    // Make it talk: defects, refusals, a wrong body, a restart.
    for (const route of ["sync", "bootstrap", "account.append"] as const)
      await send(room.reach, ada.device, route, {}).catch(() => undefined)
    const blinded = blind(random, secret<"LeaseInput">(random.bytes(32)))
    await send(room.reach, ada.device, "lease.evaluate", {
      leaseId: formatId("lea", random.bytes(16)),
      blinded: bytesToBase64url(blinded.blinded),
    })
    const seed = new URL(otpauth).searchParams.get("secret") ?? ""
    const search = createCanarySearch([
      { name: "factor seed", text: seed, bytes: new TextEncoder().encode(seed) },
      { name: "password", text: PASSWORD, bytes: new TextEncoder().encode(PASSWORD) },
      canaryOf("account seed", ada.accountSeed.reveal()),
      canaryOf("vault key", writer.key.reveal()),
      canaryOf("chain key", ada.device.sigSeed.reveal()),
      canaryOf("request key", ada.device.authSeed.reveal()),
      ...readdirSync(room.folder)
        .filter((f) => /kek/.test(f))
        .map((f) => canaryOf(f, new Uint8Array(readFileSync(join(room.folder, f)).subarray(0, 32)))),
    ])
    expect(room.logged().length).toBeGreaterThan(100)
    expect(search.inBytes(new TextEncoder().encode(room.logged()), "the log")).toEqual([])
    expect(room.logged()).not.toContain(ada.accountUuid)
    expect(existsSync(join(room.folder, "core"))).toBe(false)
  })
})
