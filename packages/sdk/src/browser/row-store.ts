import { type DBSchema, deleteDB, type IDBPDatabase, openDB } from "idb"

import type { DeviceStore, Row } from "../ports.ts"

/*
 * Sealed rows in IndexedDB. One small database says which generation counts; each generation of rows is a database of its
 * own, so that `replace` leaves the old rows behind as a whole and the browser can unlink their files.
 * Source: spec/device-store.md
 */
const SCHEMA_VERSION = 2
const POINTER_VERSION = 1
/** A row's key is [table, key]; every key of a table lies between [table] and [table, []]. */
type RowKey = [table: string, key: string]

interface Pointer extends DBSchema {
  readonly pointer: { key: "generation"; value: number }
}
interface Rows extends DBSchema {
  readonly rows: { key: RowKey; value: Uint8Array }
}

const STRICT = { durability: "strict" } as const

/** Errors: throws what IndexedDB throws; `browserFailure` says what it means. */
export const createRowStore = (name: string): DeviceStore => {
  let held: Promise<{ readonly generation: number; readonly rows: IDBPDatabase<Rows> }> | undefined

  /** Of the version that it has, so that opening changes nothing; one that is not there is made in the newest. */
  const openRows = async (generation: number): Promise<IDBPDatabase<Rows>> => {
    const database = `${name}-rows-${generation}`
    const there = (await indexedDB.databases()).find((one) => one.name === database)
    const version = there?.version === 1 ? 1 : SCHEMA_VERSION
    return openDB<Rows>(database, version, { upgrade: (db) => void db.createObjectStore("rows") })
  }

  const withPointer = async <T>(work: (db: IDBPDatabase<Pointer>) => Promise<T>): Promise<T> => {
    const db = await openDB<Pointer>(name, POINTER_VERSION, {
      upgrade: (made) => void made.createObjectStore("pointer"),
    })
    try {
      return await work(db)
    } finally {
      db.close()
    }
  }

  const point = (generation: number): Promise<void> =>
    withPointer(async (db) => {
      const tx = db.transaction("pointer", "readwrite", STRICT)
      await Promise.all([tx.store.put(generation, "generation"), tx.done])
    })

  const open = async () => {
    const generation = (await withPointer((db) => db.get("pointer", "generation"))) ?? 1
    await dropOthers(name, generation)
    return { generation, rows: await openRows(generation) }
  }
  const current = () => {
    held ??= open()
    // A store that did not open is tried again by the next call.
    held.catch(() => (held = undefined))
    return held
  }

  const closeHeld = async (): Promise<void> => {
    const was = held
    held = undefined
    if (was !== undefined) (await was).rows.close()
  }

  return Object.freeze<DeviceStore>({
    read: async (table, key) => (await current()).rows.get("rows", [table, key]),
    list: async (table) => {
      const range = IDBKeyRange.bound([table], [table, []])
      const tx = (await current()).rows.transaction("rows")
      const [keys, values] = await Promise.all([tx.store.getAllKeys(range), tx.store.getAll(range)])
      return values.map((value, n) => ({ key: keys[n]?.[1] ?? "", value }))
    },
    write: async (rows) => apply((await current()).rows, rows),
    replace: async (rows) => {
      const { generation } = await current()
      const next = generation + 1
      await deleteDB(`${name}-rows-${next}`)
      const fresh = await openRows(next)
      await apply(fresh, rows)
      fresh.close()
      await point(next)
      await closeHeld()
      await deleteDB(`${name}-rows-${generation}`)
    },
    erase: async () => {
      await closeHeld()
      await dropOthers(name, undefined)
      await deleteDB(name)
    },
    close: closeHeld,
    format: async () => ((await current()).rows.version === 1 ? 1 : 2),
  })
}

const apply = async (db: IDBPDatabase<Rows>, rows: readonly Row[]): Promise<void> => {
  const tx = db.transaction("rows", "readwrite", STRICT)
  // One failed request aborts the whole transaction; `done` then says why.
  const requests = rows.map((row) =>
    row.value === undefined ? tx.store.delete([row.table, row.key]) : tx.store.put(row.value, [row.table, row.key]),
  )
  await Promise.all([...requests, tx.done])
}

/** Generations that a stop in the middle of `replace` left behind. */
const dropOthers = async (name: string, generation: number | undefined): Promise<void> => {
  for (const { name: found } of await indexedDB.databases())
    if (found?.startsWith(`${name}-rows-`) && found !== `${name}-rows-${generation}`) await deleteDB(found)
}
