import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"

import { bytesToBase64url, bytesToHex, secret } from "@keyferry/base"
import { nodePrimitives as p } from "@keyferry/crypto/node"
import { afterAll, beforeEach, describe, expect, test } from "vitest"

import type { Keyferry } from "./api.ts"
import {
  chainRow,
  type DeviceRecord,
  deviceRecord,
  graceBundle,
  localBundle,
  localItem,
  MODE_ACCOUNT,
  MODE_LOCAL,
} from "./formats.ts"
import { createFileStore, openNodeKeyferry } from "./node/index.ts"
import { lockedKey, macOf, openRow, sealRow } from "./sealing.ts"

const PASSWORD = "correct horse battery"
const root = mkdtempSync(join(tmpdir(), "kf-device-store-"))
afterAll(() => rmSync(root, { recursive: true, force: true }))
let folder = ""
let n = 0
let seed = 0
beforeEach(() => {
  folder = join(root, `d${++n}`)
})

const random = {
  bytes: (length: number) => Uint8Array.from({ length }, () => (seed = (seed * 1_103_515_245 + 12_345) >>> 0) >>> 24),
}
const key = (byte: number) => secret<"Test">(new Uint8Array(32).fill(byte))
const storeAt = () => createFileStore(join(folder, "device.db"))
const open = async (): Promise<Keyferry> => {
  const kf = await openNodeKeyferry({ folder })
  if (!kf.ok) throw new Error(kf.error.code)
  return kf.value
}
const onDisk = (): readonly { readonly name: string; readonly bytes: Buffer }[] =>
  readdirSync(folder).map((name) => ({ name, bytes: readFileSync(join(folder, name)) }))
const isOnDisk = (text: string): boolean => onDisk().some(({ bytes }) => bytes.includes(text))

describe("rows", () => {
  test("[DS1] a row opens under its key, in its place, and nowhere else", async () => {
    const text = new TextEncoder().encode("what it holds")
    const sealed = await sealRow(p, random, key(1), "item", "aa", text)
    expect(await openRow(p, key(1), "item", "aa", sealed)).toEqual({ ok: true, value: text })
    const refused = { ok: false, error: "cannot-open" }
    expect(await openRow(p, key(2), "item", "aa", sealed)).toEqual(refused)
    expect(await openRow(p, key(1), "strict", "aa", sealed)).toEqual(refused)
    expect(await openRow(p, key(1), "item", "ab", sealed)).toEqual(refused)
    // The border between table and key is part of the place.
    expect(await openRow(p, key(1), "ite", "maa", sealed)).toEqual(refused)
    for (const at of [0, 40, sealed.length - 1]) {
      const changed = sealed.slice()
      changed[at] = (changed[at] ?? 0) ^ 1
      expect(await openRow(p, key(1), "item", "aa", changed)).toEqual(refused)
    }
  })

  test("[DS2] a batch that fails in its middle leaves nothing of itself", async () => {
    const store = storeAt()
    await store.write([{ table: "item", key: "a", value: new Uint8Array([1]) }])
    const broken = { table: "item", key: "b", value: "no bytes" as unknown as Uint8Array }
    const batch = [
      { table: "item", key: "a", value: new Uint8Array([2]) },
      { table: "item", key: "c", value: new Uint8Array([3]) },
      { ...broken, value: { not: "storable" } as unknown as Uint8Array },
    ]
    await expect(store.write(batch)).rejects.toThrow()
    expect(await store.list("item")).toEqual([{ key: "a", value: new Uint8Array([1]) }])
    await store.close()
  })

  test("[DS3] a replaced store holds the new rows and nothing of the old ones", async () => {
    const store = storeAt()
    const rows = Array.from({ length: 200 }, (_, i) => ({
      table: "item",
      key: `old-${i}`,
      value: new TextEncoder().encode(`PLANTED-OLD-${i}`.repeat(20)),
    }))
    await store.write(rows)
    expect(isOnDisk("PLANTED-OLD-7")).toBe(true)
    await store.replace([{ table: "item", key: "new", value: new TextEncoder().encode("NEW") }])
    expect((await store.list("item")).map((row) => row.key)).toEqual(["new"])
    expect(isOnDisk("PLANTED-OLD")).toBe(false)
    // The store goes on working, and in the file of the one name.
    await store.write([{ table: "item", key: "after", value: new Uint8Array([1]) }])
    await store.close()
    const again = storeAt()
    expect((await again.list("item")).map((row) => row.key)).toEqual(["after", "new"])
    await again.close()
    expect(readdirSync(folder).filter((name) => name.includes(".new"))).toEqual([])
  })

  test("[DS3] a stop before the new file took its place leaves the old store", async () => {
    const store = storeAt()
    await store.write([{ table: "item", key: "a", value: new Uint8Array([1]) }])
    await store.close()
    writeFileSync(join(folder, "device.db.new"), "half written")
    const again = storeAt()
    expect((await again.list("item")).map((row) => row.key)).toEqual(["a"])
    await again.replace([{ table: "item", key: "b", value: new Uint8Array([2]) }])
    expect((await again.list("item")).map((row) => row.key)).toEqual(["b"])
    await again.close()
  })

  test("[DS4] a store of a newer program is refused and left alone", async () => {
    const store = storeAt()
    await store.write([{ table: "clear", key: "device", value: new Uint8Array([1]) }])
    await store.close()
    const db = new DatabaseSync(join(folder, "device.db"))
    db.exec("PRAGMA user_version=3")
    db.close()
    expect(await openNodeKeyferry({ folder })).toEqual({ ok: false, error: { code: "schema-newer" } })
    const kept = new DatabaseSync(join(folder, "device.db"))
    expect(kept.prepare("PRAGMA user_version").get()).toEqual({ user_version: 3 })
    expect(kept.prepare("SELECT count(*) AS n FROM rows").get()).toEqual({ n: 1 })
    kept.close()
  })
})

describe("a store without an account", () => {
  test("[DS5] needs the password and the device secret, each of them", async () => {
    const kf = await open()
    expect((await kf.createLocal(PASSWORD)).ok).toBe(true)
    const fields = [{ name: "text", value: "PLANTED-SECRET", secret: true }]
    const added = await kf.add({ kind: "note", title: "PLANTED-TITLE", fields })
    if (!added.ok) throw new Error(added.error.code)
    await kf.close()
    expect(isOnDisk("PLANTED")).toBe(false)
    expect(statSync(join(folder, "device.db")).mode & 0o077).toBe(0)
    expect(statSync(join(folder, "device.secret")).mode & 0o077).toBe(0)

    const again = await open()
    expect(await again.unlock(`${PASSWORD}.`)).toEqual({ ok: false, error: { code: "wrong-password" } })
    expect((await again.unlock(PASSWORD)).ok).toBe(true)
    await again.close()

    const kept = readFileSync(join(folder, "device.secret"))
    writeFileSync(join(folder, "device.secret"), new Uint8Array(32).fill(9))
    const foreign = await open()
    expect(await foreign.unlock(PASSWORD)).toEqual({ ok: false, error: { code: "wrong-password" } })
    await foreign.close()
    rmSync(join(folder, "device.secret"))
    const without = await open()
    expect(await without.unlock(PASSWORD)).toMatchObject({ ok: false, error: { code: "store-corrupt" } })
    await without.close()

    writeFileSync(join(folder, "device.secret"), kept)
    chmodSync(join(folder, "device.secret"), 0o600)
    const back = await open()
    expect((await back.unlock(PASSWORD)).ok).toBe(true)
    expect((await back.get(added.value.id)).ok).toBe(true)
    await back.close()
  })

  test("[DS6] strict items have a table and a key of their own", async () => {
    const kf = await open()
    await kf.createLocal(PASSWORD)
    const note = await kf.add({ kind: "note", title: "Standard", fields: [{ name: "text", value: "x", secret: true }] })
    const strict = await kf.add({
      kind: "note",
      title: "Strict",
      fields: [{ name: "text", value: "x", secret: true }],
      class: "strict",
    })
    if (!note.ok || !strict.ok) throw new Error("not added")
    await kf.close()
    const store = storeAt()
    // The page of the note and the list of pages; the page of what is strict.
    const [standardRows, strictRows] = [await store.list("page"), await store.list("page-strict")]
    expect([standardRows.length, strictRows.length]).toEqual([2, 1])
    await store.close()
    // Moved by hand into the standard table, where a device opened offline would look for it, it does not open.
    const db = new DatabaseSync(join(folder, "device.db"))
    db.prepare("UPDATE rows SET tbl = 'page' WHERE tbl = 'page-strict'").run()
    db.close()
    const moved = await open()
    expect(await moved.unlock(PASSWORD)).toMatchObject({ ok: false, error: { code: "store-corrupt" } })
    expect(await moved.list()).toMatchObject({ ok: false, error: { code: "locked" } })
    await moved.close()
  })
})

describe("formats", () => {
  test("[DS8] the grace bundle has room for one key, the token and two numbers", () => {
    const bundle = { standardKey: new Uint8Array(32), token: new Uint8Array(9), highWaterMs: 1, unlocks: 50 }
    const bytes = graceBundle.encode(bundle)
    expect(graceBundle.decode(bytes, 4096)).toEqual({ ok: true, value: bundle })
    // What opens everything has another form, so that it cannot stand here by mistake.
    const both = localBundle.encode({ standardKey: new Uint8Array(32), strictKey: new Uint8Array(32) })
    expect(graceBundle.decode(both, 4096).ok).toBe(false)
    expect(bytes[0]).toBe(0xa4)
  })

  test("an item's row survives its form, with and without a base", () => {
    const row = {
      itemId: new Uint8Array(16),
      vaultId: new Uint8Array(32),
      rev: 3,
      epoch: 1,
      ctHash: new Uint8Array(32).fill(1),
      body: new Uint8Array([1, 2]),
      policy: 1 as const,
      strict: false,
      deletedAtMs: 0,
      waiting: true,
      by: new Uint8Array(16),
      recordKind: 1,
      prevHash: new Uint8Array(32),
    }
    for (const item of [row, { ...row, base: new Uint8Array([3]) }])
      expect(localItem.decode(localItem.encode(item), 200_000)).toEqual({ ok: true, value: item })
  })
})

const record: DeviceRecord = {
  version: 1,
  mode: MODE_ACCOUNT,
  saltOn: new Uint8Array(32).fill(1),
  saltOff: new Uint8Array(32).fill(2),
  account: {
    server: {
      origin: "http://localhost:1",
      deploymentId: "dep",
      opaquePk: new Uint8Array(32),
      leaseTokenPk: new Uint8Array(32),
    },
    accountUuid: "u",
    accountId: new Uint8Array(32),
    address: "ada@example.org",
    deviceId: new Uint8Array(16),
    deviceName: "Desk",
    leaseId: new Uint8Array(16),
    leasePk: new Uint8Array(32),
    lastContactS: 0,
    graceUntilS: 0,
  },
}

/** A folder with a device record, a device secret and the rows given. */
const plant = async (
  rows: readonly { readonly table: string; readonly key: string; readonly value: Uint8Array }[],
  of = record,
) => {
  const store = storeAt()
  await store.write([{ table: "clear", key: "device", value: deviceRecord.encode(of) }, ...rows])
  await store.close()
  writeFileSync(join(folder, "device.secret"), new Uint8Array(32).fill(3), { mode: 0o600 })
}

describe("what lies in clear", () => {
  test("[DS9] links that somebody put beside the store are not taken for the account's", async () => {
    const mac = new Uint8Array(32)
    await plant([{ table: "clear", key: "chain", value: chainRow.encode({ links: [new Uint8Array([1])], mac }) }])
    expect(await openNodeKeyferry({ folder })).toMatchObject({ ok: false, error: { code: "store-corrupt" } })
  })

  test("[DS9] the MAC is under the device secret and covers every link, in order", async () => {
    const d = secret<"DeviceSecret">(new Uint8Array(32).fill(3))
    const links = [new Uint8Array([1]), new Uint8Array([2, 3])]
    const macUnder = async (use: "auth" | "chain-mac", parts: readonly Uint8Array[]) =>
      bytesToHex(await macOf(p, await lockedKey(p, d, use), parts))
    const right = await macUnder("chain-mac", links)
    expect(await macUnder("chain-mac", links.toReversed())).not.toBe(right)
    expect(await macUnder("chain-mac", [new Uint8Array([1, 2]), new Uint8Array([3])])).not.toBe(right)
    expect(await macUnder("auth", links)).not.toBe(right)
    // With the right MAC the links are still verified: these are none.
    const mac = Uint8Array.from(right.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16))
    await plant([{ table: "clear", key: "chain", value: chainRow.encode({ links, mac }) }])
    expect(await openNodeKeyferry({ folder })).toMatchObject({ ok: false, error: { code: "store-corrupt" } })
  })

  test("[DS10] a device that saw its removal opens nothing and says why", async () => {
    await plant([], { ...record, removed: "device-removed" })
    const kf = await open()
    expect(await kf.unlock(PASSWORD)).toEqual({ ok: false, error: { code: "device-removed" } })
    expect((await kf.status()).lockCode).toBe("device-removed")
    expect(await kf.list()).toMatchObject({ ok: false, error: { code: "locked" } })
    await kf.close()
  })

  test("[DS7] without an answer and without a grace bundle nothing opens, and the password is not judged", async () => {
    const d = secret<"DeviceSecret">(new Uint8Array(32).fill(3))
    const auth = await sealRow(p, random, await lockedKey(p, d, "auth"), "clear", "auth", new Uint8Array(32).fill(5))
    await plant([{ table: "clear", key: "auth", value: auth }])
    const http = { send: async () => undefined, stream: async () => ({ ok: false, error: undefined }) as const }
    const kf = await openNodeKeyferry({ folder, http })
    if (!kf.ok) throw new Error(kf.error.code)
    expect(await kf.value.unlock(PASSWORD)).toEqual({ ok: false, error: { code: "lease-expired" } })
    await kf.value.close()
  })

  test("[DS7] a refusal of the server is not answered by the grace bundle", async () => {
    const d = secret<"DeviceSecret">(new Uint8Array(32).fill(3))
    const auth = await sealRow(p, random, await lockedKey(p, d, "auth"), "clear", "auth", new Uint8Array(32).fill(5))
    await plant([{ table: "clear", key: "auth", value: auth }])
    const problem = new TextEncoder().encode(JSON.stringify({ code: "lease-refused" }))
    const reply = { status: 403, contentType: "application/problem+json", body: problem }
    const http = { send: async () => reply, stream: async () => ({ ok: false, error: reply }) as const }
    const kf = await openNodeKeyferry({ folder, http })
    if (!kf.ok) throw new Error(kf.error.code)
    expect(await kf.value.unlock(PASSWORD)).toEqual({ ok: false, error: { code: "lease-refused" } })
    await kf.value.close()
  })

  test("[DS7] an answer that the account's lease key did not make is named, and is no guess of the password", async () => {
    const d = secret<"DeviceSecret">(new Uint8Array(32).fill(3))
    const auth = await sealRow(p, random, await lockedKey(p, d, "auth"), "clear", "auth", new Uint8Array(32).fill(5))
    await plant([{ table: "clear", key: "auth", value: auth }])
    const text = (length: number) => bytesToBase64url(new Uint8Array(length).fill(1))
    const answer = { evaluated: text(32), proof: text(64), attempt: 1, token: text(80) }
    const body = new TextEncoder().encode(JSON.stringify(answer))
    const reply = { status: 200, contentType: "application/json", body }
    const http = { send: async () => reply, stream: async () => ({ ok: false, error: reply }) as const }
    const kf = await openNodeKeyferry({ folder, http })
    if (!kf.ok) throw new Error(kf.error.code)
    expect(await kf.value.unlock(PASSWORD)).toEqual({ ok: false, error: { code: "lease-key-changed" } })
    await kf.value.close()
  })

  test("[DS5] a record of local mode without its bundle is a broken store, not a new one", async () => {
    const { account: _account, ...rest } = record
    await plant([], { ...rest, mode: MODE_LOCAL })
    const kf = await open()
    expect(await kf.unlock(PASSWORD)).toMatchObject({ ok: false, error: { code: "store-corrupt" } })
    expect(await kf.createLocal(PASSWORD)).toMatchObject({ ok: false, error: { code: "account-exists-here" } })
    await kf.close()
  })
})
