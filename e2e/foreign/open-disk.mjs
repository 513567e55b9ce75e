/*
 * What somebody does who has a copy of a device's disk and its password, and a program of their own. Nothing of this
 * repository is imported: Node, and one library for the group ristretto255.
 *
 *   node open-disk.mjs --disk FOLDER [--ask ORIGIN] [--record FILE] [--answer FILE]     the password comes on stdin
 *
 *   --ask ORIGIN    asks that server for a lease answer with the keys of the disk
 *   --record FILE   keeps what --ask got, with its blind
 *   --answer FILE   uses an answer that --record kept
 *
 * Prints one JSON document: which rows opened, which did not, and why.
 */
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import process from "node:process"
import { DatabaseSync } from "node:sqlite"
import { parseArgs } from "node:util"

import { blind, id, kdf, lp, openRow, readCbor, send, stretch, unblind } from "./formats.mjs"

const { values: options } = parseArgs({
  options: {
    disk: { type: "string" },
    ask: { type: "string" },
    record: { type: "string" },
    answer: { type: "string" },
  },
})
if (options.disk === undefined) throw new Error("--disk FOLDER is missing")
const password = readFileSync(0, "utf8").replace(/\r?\n$/, "")

const d = readFileSync(join(options.disk, "device.secret"))
const db = new DatabaseSync(join(options.disk, "device.db"))
const rows = db
  .prepare("SELECT tbl, key, value FROM rows ORDER BY tbl, key")
  .all()
  .map((row) => ({ table: row.tbl, key: row.key, value: Buffer.from(row.value) }))
const rowOf = (table, key) => rows.find((row) => row.table === table && row.key === key)?.value

const record = readCbor(rowOf("clear", "device"))
const [saltOn, saltOff, account] = [record.get(3), record.get(4), record.get(5)]
const keys = { standard: undefined, strict: undefined }
const opened = []
const closed = []
const notes = []
/** Epochs of the vaults whose keys lie in the bundle. */
let epochs = []
let asked

const openBundle = (name, key) => {
  const sealed = rowOf("bundle", name)
  if (sealed === undefined) {
    notes.push(`There is no bundle “${name}”.`)
    return undefined
  }
  const plain = openRow(key, "bundle", name, sealed)
  notes.push(plain === undefined ? `The bundle “${name}” does not open.` : `The bundle “${name}” opened.`)
  return plain === undefined ? undefined : readCbor(plain)
}

if (account === undefined) {
  const local = openBundle("local", kdf(lp(stretch(password, saltOn), d), saltOn, lp("kf1/local", "local"), 32))
  keys.standard = local?.get(1)
  keys.strict = local?.get(2)
} else {
  const [accountId, deviceId, leaseId] = [account.get(3), account.get(5), account.get(7)]

  // Offline: KE17, and the grace bundle of DS8. Our own client would look at the clock first; nobody else has to.
  const kOff = kdf(lp(stretch(password, saltOff), d), saltOff, lp("kf1/offline", accountId, deviceId, leaseId), 32)
  keys.standard = openBundle("off", kOff)?.get(1)

  // Online: x, the answer, y, K_on.
  const uOn = stretch(password, saltOn)
  const x = kdf(lp(uOn, d), saltOn, lp("kf1/lease-in", accountId, deviceId), 32)
  let answer
  if (options.ask !== undefined) {
    const seed = openRow(kdf(d, Buffer.alloc(0), lp("kf1/locked", "auth"), 32), "clear", "auth", rowOf("clear", "auth"))
    if (seed === undefined) throw new Error("the key for requests does not open")
    const made = blind(x)
    const reply = await send({
      origin: options.ask,
      path: "/api/v1/lease/evaluate",
      json: { leaseId: id("lea", leaseId), blinded: made.blinded.toString("base64url") },
      seed,
      deviceId,
      tag: "kf1-lease",
    })
    asked = { status: reply.status, code: reply.answer.code }
    if (reply.status === 200) answer = { blind: made.blind, evaluated: reply.answer.evaluated }
    if (answer !== undefined && options.record !== undefined) writeFileSync(options.record, JSON.stringify(answer))
  }
  if (options.answer !== undefined) answer = JSON.parse(readFileSync(options.answer, "utf8"))
  if (answer === undefined) notes.push("There is no answer of the server, so K_on cannot be computed.")
  else {
    const y = unblind(x, answer.blind, Buffer.from(answer.evaluated, "base64url"))
    const kOn = kdf(lp(y, uOn, d), saltOn, lp("kf1/unlock", accountId, deviceId, leaseId), 32)
    const bundle = openBundle("on", kOn)
    keys.standard = bundle?.get(5) ?? keys.standard
    keys.strict = bundle?.get(6)
    epochs = bundle?.get(4).map(([, epoch]) => epoch) ?? []
  }
}

const RECORD_KINDS = { 1: "item", 2: "vault profile", 5: "device label" }
const PAGE_TABLES = { page: "item", "page-strict": "strict" }
const index = rowOf("page", "index")
const listed =
  index === undefined || keys.standard === undefined ? undefined : openRow(keys.standard, "page", "index", index)
/** How many items a page holds that does not open, where the index says it. */
const countByPage = new Map(
  (listed === undefined ? [] : readCbor(listed).get(1)).map(([table, key, , n]) => [`${table}/${key}`, n]),
)

for (const { table: pageTable, key, value } of rows.filter((row) => row.table in PAGE_TABLES && row.key !== "index")) {
  const table = PAGE_TABLES[pageTable]
  const secret = table === "item" ? keys.standard : keys.strict
  const plain = secret === undefined ? undefined : openRow(secret, pageTable, key, value)
  if (plain === undefined) {
    const why = secret === undefined ? "no key" : "does not open"
    for (let n = countByPage.get(`${pageTable}/${key}`) ?? 1; n > 0; n--) closed.push({ table, key, why })
    continue
  }
  const page = readCbor(plain)
  for (const [n, bytes] of page.get(8).entries()) {
    const record = RECORD_KINDS[page.get(13)[n]] ?? "unknown"
    const body = record === "item" && bytes.length > 0 ? readCbor(bytes) : undefined
    opened.push({
      table,
      key: page
        .get(2)
        .subarray(16 * n, 16 * n + 16)
        .toString("hex"),
      record,
      ...(body === undefined
        ? {}
        : {
            kind: body.get(1),
            title: body.get(5),
            fields: Object.fromEntries(body.get(6).map(([name, text]) => [name, text])),
          }),
    })
  }
}
process.stdout.write(`${JSON.stringify({ opened, closed, notes, epochs, asked }, undefined, 2)}\n`)
