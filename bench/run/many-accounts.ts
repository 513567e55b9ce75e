import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"

/*
 * A store as very many accounts leave it: each with the genesis of its chain, a device, the device's lease and the head
 * that is kept of it, all like those of the first account and with ids, keys and hashes of their own. The few long
 * columns that nobody reads in rows of somebody else stay empty: two gigabytes instead of fifteen for a million.
 */
export const addAccounts = (folder: string, count: number): void => {
  if (count <= 0) return
  const main = openToFill(join(folder, "strongroom", "strongroom.db"))
  main.exec(
    `CREATE TEMP TABLE one_more AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${count})
     SELECT lower(hex(randomblob(16))) AS uuid, randomblob(32) AS id, randomblob(16) AS device, randomblob(32) AS hash FROM n`,
  )
  copyFirst(main, "account", {
    uuid: "one_more.uuid",
    id: "one_more.id",
    rec_pk: "randomblob(32)",
    head_hash: "one_more.hash",
    chain_state: "x''",
    sealed_opaque_record: "NULL",
  })
  copyFirst(main, "account_link", { account_uuid: "one_more.uuid", hash: "one_more.hash", link: "x''" })
  copyFirst(main, "device", {
    id: "one_more.device",
    account_uuid: "one_more.uuid",
    sig_pk: "randomblob(32)",
    kem_pk: "x''",
    auth_pk: "randomblob(32)",
    lease_id: "randomblob(16)",
  })
  const leases = openToFill(join(folder, "strongroom", "leases.db"))
  leases.exec("CREATE TEMP TABLE one_more (id, device, hash, seq); BEGIN")
  const insert = leases.prepare("INSERT INTO one_more VALUES (?, ?, ?, ?)")
  const made = main.prepare(
    "SELECT one_more.id, device, hash, head_seq FROM one_more, (SELECT head_seq FROM account LIMIT 1)",
  )
  made.setReturnArrays(true)
  for (const row of made.iterate()) insert.run(...(row as unknown as [Uint8Array, Uint8Array, Uint8Array, number]))
  leases.exec("COMMIT")
  copyFirst(leases, "lease", { device_id: "one_more.device", lease_id: "randomblob(16)" })
  // CHAIN_ACCOUNT
  leases.exec("INSERT INTO chain_head (kind, id, account_id, seq, hash) SELECT 1, id, id, seq, hash FROM one_more")
  leases.close()
  main.close()
}

/** While no process has the store open. A fill that breaks off leaves a file that nobody uses. */
export const openToFill = (path: string): DatabaseSync => {
  const db = new DatabaseSync(path)
  for (const pragma of ["journal_mode = OFF", "synchronous = OFF", "cache_size = -2000000", "temp_store = MEMORY"])
    db.exec(`PRAGMA ${pragma}`)
  return db
}

/** The first row of a table for each row of `one_more`, other values in these columns. Indexes are made when all are there. */
const copyFirst = (db: DatabaseSync, table: string, other: Readonly<Record<string, string>>): void => {
  const columns = columnsOf(db, table)
  const indexes = db
    .prepare("SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND tbl_name = ? AND sql IS NOT NULL")
    .all(table) as { name: string; sql: string }[]
  for (const { name } of indexes) db.exec(`DROP INDEX "${name}"`)
  const values = columns.map((column) => other[column] ?? `first.${column}`)
  db.exec(
    `INSERT INTO ${table} (${columns.join(", ")}) SELECT ${values.join(", ")} FROM one_more, (SELECT ${columns.join(", ")} FROM ${table} LIMIT 1) AS first`,
  )
  for (const { sql } of indexes) db.exec(sql)
}

export const columnsOf = (db: DatabaseSync, table: string): readonly string[] =>
  (db.prepare(`SELECT name FROM pragma_table_info('${table}')`).all() as { name: string }[]).map(({ name }) => name)
