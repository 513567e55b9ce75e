import { bytesToHex, secret, utf8 } from "@keyferry/base"
import { nodePrimitives as p } from "@keyferry/crypto/node"
import { encodeItem, makeItem } from "@keyferry/items"
import { cpSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { DatabaseSync } from "node:sqlite"
import { tmpdir } from "node:os"
import { join } from "node:path"

import { afterEach, beforeEach, describe, expect, test } from "vitest"

import { createDevice, type LocalKeys } from "./device.ts"
import { type LocalItem, POLICY_SYNCED } from "./formats.ts"
import {
  createPagedStore,
  type ItemRow,
  NO_PAGES,
  PAGE_BYTES,
  type PagesHolder,
  readItems,
  readSealedPages,
} from "./item-pages.ts"
import { itemRow, newLocalItem } from "./items.ts"
import { createFileStore } from "./node/file-store.ts"
import { openNodeKeyferry, storeFailure } from "./node/index.ts"
import { cardOfRow } from "./packed-row.ts"
import { decodePage, encodePage, type ReadPage, sizeInPage } from "./page-format.ts"
import type { DeviceStore, SdkPorts } from "./ports.ts"
import { unlock } from "./unlock.ts"

const PASSWORD = "correct horse battery"
const FIXTURE = join(import.meta.dirname, "fixtures", "store-1")
const KEYS: LocalKeys = {
  standard: secret<"StandardKey">(new Uint8Array(32).fill(1)),
  strict: secret<"StrictKey">(new Uint8Array(32).fill(2)),
}
let folder = ""
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), "kf-pages-"))))
afterEach(() => rmSync(folder, { recursive: true, force: true }))

let seed = 1
const random = {
  bytes: (length: number) => Uint8Array.from({ length }, () => (seed = (seed * 1_103_515_245 + 12_345) >>> 0) >>> 24),
}
const item = (n: number, change: Partial<LocalItem> = {}): LocalItem => ({
  itemId: new Uint8Array(16).fill(n % 256).fill(n >> 8, 0, 1),
  vaultId: new Uint8Array(32).fill(7),
  rev: n,
  epoch: 1,
  ctHash: new Uint8Array(32).fill(n % 251),
  body: utf8(`body ${n}`),
  policy: POLICY_SYNCED,
  strict: false,
  deletedAtMs: 0,
  waiting: false,
  by: new Uint8Array(16).fill(9),
  recordKind: 1,
  prevHash: new Uint8Array(32).fill(3),
  ...change,
})
const put = (one: LocalItem): ItemRow => ({ table: "item", key: bytesToHex(one.itemId), item: one, keys: KEYS })
const rowsOf = ({ rows }: ReadPage): readonly LocalItem[] => rows.map((row) => row.open())
const takeOut = (one: LocalItem): ItemRow => ({ table: "item", key: bytesToHex(one.itemId) })

interface World {
  readonly store: DeviceStore
  readonly file: DeviceStore
  readonly holder: PagesHolder
  readonly read: (keys?: LocalKeys) => ReturnType<typeof readItems>
  /** Rows that the last batch wrote or took out, by table. */
  readonly written: () => readonly string[]
}

const world = (): World => {
  const file = createFileStore(join(folder, "device.db"))
  let last: readonly string[] = []
  const watched: DeviceStore = {
    ...file,
    write: (rows) => {
      last = rows.map(
        (row) => `${row.table}${row.key === "index" ? " index" : ""}${row.value === undefined ? " out" : ""}`,
      )
      return file.write(rows)
    },
  }
  const ports = { store: watched, primitives: p, random } as unknown as SdkPorts
  const holder: PagesHolder = { local: KEYS, pages: NO_PAGES }
  return {
    file,
    store: createPagedStore(ports, () => holder),
    holder,
    read: (keys = KEYS) => readSealedPages(ports).then((sealed) => readItems(ports, keys, sealed)),
    written: () => last.toSorted(),
  }
}
const must = async (read: ReturnType<typeof readItems>) => {
  const loaded = await read
  if (!loaded.ok) throw new Error(loaded.error.detail)
  return loaded.value
}

describe("a page", () => {
  test("[DS16] comes back as it was, with every field an item can have", () => {
    const whole = item(3, {
      base: utf8("base"),
      heldBy: 2,
      order: 5,
      tried: new Uint8Array(),
      deletedAtMs: 12,
      waiting: true,
    })
    const bytes = encodePage(4, [item(1), whole, item(2, { vaultId: new Uint8Array(32) })])
    const read = decodePage(bytes, false)
    expect(read.ok && [read.value.revision, rowsOf(read.value)]).toEqual([
      4,
      [item(1), whole, item(2, { vaultId: new Uint8Array(32) })],
    ])
    // One form of the same content.
    expect(read.ok && encodePage(4, rowsOf(read.value))).toEqual(bytes)
  })

  test("a row that lies in its page says what the row itself says, and is made once", () => {
    const one = item(3, { base: utf8("base"), tried: utf8("sent"), deletedAtMs: 12, waiting: true, strict: true })
    const other = item(4, { strict: true })
    const { itemId: id, vaultId: vault } = other
    const note = makeItem({ kind: "note", title: "Kraken", fields: new Map(), nowMs: 5, itemId: id, vaultId: vault })
    const body = encodeItem(note)
    if (!body.ok) throw new Error(body.error)
    const read = decodePage(encodePage(1, [one, { ...other, body: body.value }]), true)
    const [first, second] = read.ok ? read.value.rows : []
    if (first === undefined || second === undefined) throw new Error("two rows")
    for (const row of [first, second]) {
      const { itemId, vaultId, rev, epoch, ctHash, policy, strict, deletedAtMs, waiting, recordKind } = row
      expect(row.open()).toMatchObject({
        itemId,
        vaultId,
        rev,
        epoch,
        ctHash,
        policy,
        strict,
        deletedAtMs,
        waiting,
        recordKind,
      })
      expect([row.tried, sizeInPage(row), cardOfRow(row)]).toEqual([
        row.open().tried,
        sizeInPage(row.open()),
        cardOfRow(row.open()),
      ])
      expect(row.open()).toBe(row.open())
    }
    expect(first.open()).toEqual(one)
    expect(second.card?.title).toBe("Kraken")
  })

  test("[DS16] columns of different length, a foreign vault number and bytes behind the end are refused", () => {
    const bytes = encodePage(1, [item(1), item(2)])
    for (let at = 0; at < bytes.length; at++) {
      const changed = bytes.slice()
      changed[at] = (changed[at] ?? 0) ^ 0x20
      const read = decodePage(changed, false)
      if (read.ok) expect(encodePage(read.value.revision, rowsOf(read.value))).toEqual(changed)
    }
    expect(decodePage(new Uint8Array([...bytes, 0]), false).ok).toBe(false)
    expect(decodePage(bytes.slice(0, -1), false).ok).toBe(false)
  })
})

describe("items in pages", () => {
  test("[DS17] one edit writes one page and the index, whatever else the store holds", async () => {
    const w = world()
    const many = Array.from({ length: 600 }, (_, n) => item(n, { body: new Uint8Array(500).fill(n % 256) }))
    await w.store.write(many.map(put))
    const pages = (await w.file.list("page")).length - 1
    expect(pages).toBeGreaterThan(4)
    for (const { key, value } of await w.file.list("page"))
      if (key !== "index") expect(value.length).toBeLessThan(PAGE_BYTES * 1.1)
    await w.store.write([put(item(5, { rev: 9, body: utf8("new") }))])
    expect(w.written()).toEqual(["page", "page index"])
    const { items } = await must(w.read())
    expect(items.size).toBe(600)
    expect(items.get(bytesToHex(item(5).itemId))).toMatchObject({ rev: 9, body: utf8("new") })
    await w.store.close()
  })

  test("[DS17] an item that grows past its page moves; one larger than a page has one to itself; the last of a page takes it out", async () => {
    const w = world()
    await w.store.write([put(item(1)), put(item(2))])
    await w.store.write([put(item(1, { body: new Uint8Array(65_000), base: new Uint8Array(60_000) }))])
    expect((await w.file.list("page")).length).toBe(3)
    await w.store.write([takeOut(item(1))])
    expect(w.written()).toEqual(["page index", "page out"])
    expect([...(await must(w.read())).items].map(([key]) => key)).toEqual([bytesToHex(item(2).itemId)])
    await w.store.close()
  })

  test("[DS18] an item that becomes strict leaves the standard page in the same batch", async () => {
    const w = world()
    await w.store.write([put(item(1, { body: utf8("PLANTED") })), put(item(2))])
    await w.store.write([put(item(1, { strict: true, body: utf8("PLANTED") }))])
    expect(w.written()).toEqual(["page", "page index", "page-strict"])
    // Without the strict key: counted, and nowhere to be read.
    const closed = await must(w.read({ standard: KEYS.standard }))
    expect([closed.items.size, closed.closed]).toEqual([1, 1])
    expect((await must(w.read())).items.size).toBe(2)
    // Edits of the standard class go on while the strict pages are closed, and lose none of them.
    w.holder.local = { standard: KEYS.standard }
    w.holder.pages = closed.pages
    await w.store.write([put(item(2, { rev: 5 }))])
    expect((await must(w.read())).items.size).toBe(2)
    await w.store.close()
  })

  test("[DS19] a page that is older than the index says, missing, too many or in another's place is store-corrupt", async () => {
    const w = world()
    const big = { body: new Uint8Array(40_000) }
    await w.store.write([put(item(1, big)), put(item(2, big))])
    const before = (await w.file.list("page")).filter(({ key }) => key !== "index")
    const [one, two] = before
    if (one === undefined || two === undefined) throw new Error("two pages")
    const corrupt = { ok: false, error: { code: "store-corrupt" } }
    const spoilt = async (rows: Parameters<DeviceStore["write"]>[0], mend: Parameters<DeviceStore["write"]>[0]) => {
      await w.file.write(rows)
      expect(await w.read()).toMatchObject(corrupt)
      await w.file.write(mend)
      expect((await w.read()).ok).toBe(true)
    }
    await w.store.write([put(item(1, { ...big, rev: 8 })), put(item(2, { ...big, rev: 8 }))])
    const after = await w.file.list("page")
    const now = after.filter(({ key }) => key === one.key).map((row) => ({ table: "page", ...row }))
    await spoilt([{ table: "page", ...one }], now)
    await spoilt([{ table: "page", key: one.key }], now)
    await spoilt([{ table: "page", key: "00".repeat(8), value: one.value }], [{ table: "page", key: "00".repeat(8) }])
    await spoilt([{ table: "page", key: one.key, value: two.value }], now)
    const index = after.filter(({ key }) => key === "index").map((row) => ({ table: "page", ...row }))
    await spoilt([{ table: "page", key: "index" }], index)
    await w.store.close()
  })

  test("[DS17] a batch that fails leaves the pages in memory and on disk as they were", async () => {
    const w = world()
    await w.store.write([put(item(1))])
    const before = w.holder.pages
    const broken = { table: "vault", key: "a", value: { not: "storable" } as unknown as Uint8Array }
    await expect(w.store.write([put(item(1, { rev: 7 })), broken])).rejects.toThrow()
    expect(w.holder.pages).toBe(before)
    expect([...(await must(w.read())).items.values()].map(({ rev }) => rev)).toEqual([1])
    await w.store.close()
  })
})

describe("a store of format 1", () => {
  const copy = (): void => cpSync(FIXTURE, folder, { recursive: true })
  const open = async () => {
    const kf = await openNodeKeyferry({ folder })
    if (!kf.ok) throw new Error(kf.error.code)
    return kf.value
  }
  const secretsOf = async (kf: Awaited<ReturnType<typeof open>>) => {
    const listed = await kf.list()
    if (!listed.ok) throw new Error(listed.error.code)
    const views = await Promise.all(listed.value.map(({ id }) => kf.get(id)))
    return views
      .map((view) => (view.ok ? `${view.value.title}: ${view.value.fields.at(-1)?.value}` : view.error.code))
      .toSorted()
  }
  const KEPT = ["Bybit main: fixture-secret", "Note: fixture-note-2", "Shop: fixture-login-2"]

  test("[DS20] opens, becomes pages at the first unlock, and loses nothing: items, bin, earlier bodies", async () => {
    copy()
    const untouched = readFileSync(join(folder, "device.db"))
    const kf = await open()
    expect(await kf.unlock(`${PASSWORD}.`)).toMatchObject({ error: { code: "wrong-password" } })
    // Nobody opened it: it is the same file.
    expect(readFileSync(join(folder, "device.db")).equals(untouched)).toBe(true)
    expect((await kf.unlock(PASSWORD)).ok).toBe(true)
    expect(await secretsOf(kf)).toEqual(KEPT)
    await kf.close()

    const store = createFileStore(join(folder, "device.db"))
    expect(await store.format()).toBe(2)
    expect([(await store.list("item")).length, (await store.list("strict")).length]).toEqual([0, 0])
    expect([(await store.list("page")).length, (await store.list("page-strict")).length]).toEqual([2, 1])
    await store.close()
    const again = await open()
    expect((await again.unlock(PASSWORD)).ok).toBe(true)
    expect(await secretsOf(again)).toEqual(KEPT)
    const bin = await again.bin()
    expect(bin.ok && bin.value.map(({ title }) => title)).toEqual(["In the bin"])
    const note = await again.list()
    const id = (note.ok ? note.value.find(({ title }) => title === "Note")?.id : undefined) ?? ""
    const history = await again.history(id)
    expect(history.ok && history.value[0]?.fields[0]?.value).toBe("fixture-note-1")
    await again.close()
  })

  test("[DS20] where the new file cannot be written, the old one is read and written as before, and moved the next time", async () => {
    copy()
    const file = createFileStore(join(folder, "device.db"))
    const full = () => Promise.reject(Object.assign(new Error("no space left"), { code: "ENOSPC" }))
    const ports = {
      store: { ...file, replace: full },
      secrets: { load: async () => readFileSync(join(folder, "device.secret")) },
      clock: { nowMs: () => 1_800_000_000_000, monotonicMs: () => 0 },
      random,
      primitives: p,
      failureOf: storeFailure,
    } as unknown as SdkPorts
    const made = await createDevice(ports, () => undefined)
    if (!made.ok) throw new Error(made.error.code)
    const device = made.value
    expect(await unlock(device, PASSWORD)).toMatchObject({ ok: true })
    expect([device.items.size, device.pages]).toEqual([4, "rows"])
    const { local } = device
    const fresh = newLocalItem(device, {
      kind: "note",
      title: "Later",
      fields: [{ name: "text", value: "x", secret: true }],
    })
    if (local === undefined || !fresh.ok) throw new Error("not made")
    await device.ports.store.write([itemRow(local, fresh.value)])
    expect(await file.format()).toBe(1)
    await file.close()

    const again = await open()
    expect((await again.unlock(PASSWORD)).ok).toBe(true)
    expect(await secretsOf(again)).toEqual([...KEPT, "Later: x"].toSorted())
    await again.close()
    const db = new DatabaseSync(join(folder, "device.db"))
    expect(db.prepare("PRAGMA user_version").get()).toEqual({ user_version: 2 })
    db.close()
  })
})
