import { join } from "node:path"
import { DatabaseSync, type SQLInputValue } from "node:sqlite"

/** Rows of a SQLite store, read beside the process that owns it: what is on the disk, not what somebody says is. */
export const rowsIn = (
  file: string,
  sql: string,
  ...values: readonly SQLInputValue[]
): readonly Readonly<Record<string, unknown>>[] => {
  const db = new DatabaseSync(file, { readOnly: true, timeout: 5_000 })
  try {
    return db.prepare(sql).all(...values)
  } finally {
    db.close()
  }
}

export const countIn = (file: string, table: string, where = ""): number =>
  Number(rowsIn(file, `SELECT count(1) AS n FROM ${table} ${where}`)[0]?.["n"] ?? -1)

export const serverStore = (folder: string): string => join(folder, "server.db")
export const mainStore = (folder: string): string => join(folder, "strongroom", "strongroom.db")
export const leaseStore = (folder: string): string => join(folder, "strongroom", "leases.db")

export const bytesOf = (value: unknown): Uint8Array => {
  if (!(value instanceof Uint8Array)) throw new Error("no bytes are there")
  return value
}

/** Tables of the strongroom that hold vaults, and so what is in them. */
export const VAULT_TABLES = [
  "vault",
  "vault_link",
  "vault_wrap",
  "vault_prev_sealed",
  "leaf",
  "trie_node",
  "record",
] as const

/** How many rows each of them has for one account. */
export const vaultRowsOf = (folder: string, accountUuid: string): Readonly<Record<string, number>> =>
  Object.fromEntries(
    VAULT_TABLES.map((table) => [
      table,
      table === "vault"
        ? countIn(mainStore(folder), table, `WHERE account_uuid = '${accountUuid}'`)
        : countIn(
            mainStore(folder),
            table,
            `WHERE vault_id IN (SELECT id FROM vault WHERE account_uuid = '${accountUuid}')`,
          ),
    ]),
  )
