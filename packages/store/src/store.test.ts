import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

import { afterAll, describe, expect, test } from "vitest"

import { cases } from "./conformance.ts"
import { lockFolder, type Migration, openStore, sql, storeFailureOf, type Store } from "./index.ts"

const root = mkdtempSync(join(tmpdir(), "kf-store-"))
afterAll(() => rmSync(root, { recursive: true, force: true }))
let next = 0
const place = (): string => `sqlite:${join(root, `${++next}.db`)}`
const clock = { nowMs: () => 1 }
interface None {
  schema_version: { version: number; name: string }
}
const open = async (url: string): Promise<Store<None>> => {
  const opened = await openStore<None>({ url, migrations: [], name: "test", clock })
  if (!opened.ok) throw new Error(opened.error.code)
  return opened.value
}

describe("conformance on SQLite", () => {
  for (const { name, run } of cases) test(name, () => run({ url: place(), dialect: "sqlite" }))
})

describe("a SQLite store is closed towards everything else", () => {
  test.each([
    ["ATTACH", "attach database '/tmp/kf-other.db' as other"],
    ["VACUUM INTO", "vacuum into '/tmp/kf-other.db'"],
    ["load_extension", "select load_extension('/tmp/x.so')"],
    ["writable_schema", "pragma writable_schema = on"],
    ["authority over the log mode", "pragma journal_mode = off"],
  ])("%s is denied", async (_, statement) => {
    const store = await open(place())
    await expect(store.read((db) => sql.raw(statement).execute(db))).rejects.toThrow(/not authorized|authoriz/)
    await store.close()
  })

  test("nobody else may read its files", async () => {
    const url = place()
    const store = await open(url)
    for (const suffix of ["", "-wal", "-shm"]) expect(statSync(url.slice(7) + suffix).mode & 0o777).toBe(0o600)
    await store.close()
  })

  test("notices that another file lies in its place, and takes its log away with it", async () => {
    const [url, other] = [place(), place()]
    const [path, otherPath] = [url.slice(7), other.slice(7)]
    await (await open(other)).close()
    const before = readFileSync(otherPath)
    const store = await open(url)
    expect(store.isInPlace()).toBe(true)
    renameSync(otherPath, path)
    expect(store.isInPlace()).toBe(false)
    await store.transaction((tx) => sql`insert into schema_version values (9, 'lost', 0)`.execute(tx))
    await store.close()
    expect(readFileSync(path).equals(before)).toBe(true)
    for (const suffix of ["-wal", "-shm"]) expect(existsSync(path + suffix)).toBe(false)
  })

  test("a checkpoint waits for the transaction that is open", async () => {
    const store = await open(place())
    let release = (): void => undefined
    const gate = new Promise<void>((resolve) => (release = resolve))
    const open_ = store.transaction(async (tx) => {
      await sql`create table t (n integer) strict`.execute(tx)
      await gate
    })
    const checkpoint = store.checkpoint()
    release()
    await Promise.all([open_, checkpoint])
    await store.close()
  })

  test("a checkpoint empties the log", async () => {
    const url = place()
    const store = await open(url)
    expect(statSync(`${url.slice(7)}-wal`).size).toBeGreaterThan(0)
    await store.checkpoint()
    expect(statSync(`${url.slice(7)}-wal`).size).toBe(0)
    expect(await store.sizeBytes()).toBeGreaterThan(0)
    expect(store.schemaText()).toContain("schema_version")
    await store.close()
  })
})

describe("a broken store is named", () => {
  test("store-corrupt: the file is no database", async () => {
    const url = place()
    writeFileSync(url.slice(7), "no database at all, and long enough to have a header of one hundred bytes".repeat(4))
    const opened = await openStore<None>({ url, migrations: [], name: "test", clock })
    expect(opened.ok ? "" : opened.error.code).toBe("store-corrupt")
    expect(readFileSync(url.slice(7), "utf8")).toContain("no database")
  })

  test("store-unavailable: the folder is missing", async () => {
    const opened = await openStore<None>({ url: `sqlite:${root}/none/x.db`, migrations: [], name: "test", clock })
    expect(opened.ok ? "" : opened.error.code).toBe("store-unavailable")
  })

  test("store-unavailable: no database server", async () => {
    const opened = await openStore<None>({ url: "postgres://127.0.0.1:1/none", migrations: [], name: "test", clock })
    expect(opened.ok ? "" : opened.error.code).toBe("store-unavailable")
  })

  test("store-full: the disk ends inside a transaction, which is then wholly undone", async () => {
    interface Full {
      paper: { n: number; text: Uint8Array }
    }
    const small: Migration = {
      version: 1,
      name: "small",
      up: async ({ createTable, types, db }) => {
        await createTable("paper")
          .addColumn("n", types.integer, (c) => c.primaryKey())
          .addColumn("text", types.blob)
          .execute()
        // SQLite's own limit has the same result code as a full disk.
        await sql`pragma max_page_count = 40`.execute(db)
      },
    }
    const opened = await openStore<Full>({ url: place(), migrations: [small], name: "test", clock })
    if (!opened.ok) throw new Error(opened.error.code)
    const store = opened.value
    const write = (n: number, size: number) =>
      store.transaction(async (tx) => {
        await tx
          .insertInto("paper")
          .values({ n, text: new Uint8Array(10) })
          .execute()
        await tx
          .insertInto("paper")
          .values({ n: n + 1, text: new Uint8Array(size) })
          .execute()
      })
    await expect(write(1, 1_000_000)).rejects.toMatchObject({ name: "StoreError", code: "store-full" })
    await write(7, 10)
    const rows = await store.read((db) => db.selectFrom("paper").select("n").orderBy("n").execute())
    expect(rows.map((r) => r.n)).toEqual([7, 8])
    await store.close()
  })

  test.each([
    [{ code: "ERR_SQLITE_ERROR", errcode: 5 }, "store-locked"],
    [{ code: "ERR_SQLITE_ERROR", errcode: 266 }, "store-unavailable"],
    [{ code: "ERR_SQLITE_ERROR", errcode: 11 }, "store-corrupt"],
    [{ code: "ENOSPC" }, "store-full"],
    [{ code: "53100" }, "store-full"],
    [{ code: "57P01" }, "store-unavailable"],
    [{ code: "XX001" }, "store-corrupt"],
    [{ code: "55P03" }, "store-locked"],
    [{ code: "ERR_SQLITE_ERROR", errcode: 19 }, undefined],
    [{ code: "42601" }, undefined],
  ])("%o is %s", (error, code) => {
    expect(storeFailureOf(Object.assign(new Error("x"), error))?.code).toBe(code)
  })
})

describe("one process per folder", () => {
  test("a second start learns who holds it, and a released folder can be taken", () => {
    const folder = join(root, "folder")
    const first = lockFolder(folder, "server, process 12")
    expect(lockFolder(folder, "another")).toEqual({
      ok: false,
      error: { code: "store-locked", holder: "server, process 12" },
    })
    expect(statSync(folder).mode & 0o777).toBe(0o700)
    if (first.ok) first.value.release()
    const second = lockFolder(folder, "next")
    expect(second.ok).toBe(true)
    if (second.ok) second.value.release()
  })
})
