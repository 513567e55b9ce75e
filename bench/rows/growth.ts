import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"

import type { Writer } from "../../apps/strongroom/src/vaults/fixture.ts"
import { pushBody, readSync } from "../run/load.ts"
import { exponent, median, type Plan } from "../run/rounds.ts"
import { type Family, plainRow, type Row } from "../run/row.ts"
import { seed } from "../run/seed.ts"
import { type RunningProduct, startProduct } from "../run/server.ts"
import { openConnection, wireRequest } from "../run/wire.ts"
import { firstPull } from "./transfer.ts"

/* G1, G2, G3, G5: the exponent of cost against size; the machine's speed cancels. */
const run = async (plan: Plan, folder: string): Promise<readonly Row[]> => {
  const shots = plan.quick ? 30 : 150
  const sizes = plan.quick ? [100, 1_000, 5_000] : [100, 1_000, 10_000, 100_000]
  const pushCosts: [number, number][] = []
  const pullCosts: [number, number][] = []
  for (const size of sizes) {
    const { writers, folder: data } = await seed(join(folder, `vault-${size}`), 1, size)
    const [writer] = writers
    if (writer === undefined) throw new Error("no writer")
    const product = await started(data)
    const pulls: number[] = []
    const connection = await openConnection(product.port)
    for (let i = 0; i < 3; i++) {
      const began = performance.now()
      await firstPull(product, connection, writer)
      pulls.push(performance.now() - began)
    }
    pullCosts.push([size, median(pulls)])
    pushCosts.push([size, await pushTime(product, writer, shots)])
    connection.close()
    await product.stop()
  }
  return [
    slopeRow("G1", "one push against items in the vault", pushCosts, 0.05),
    slopeRow("G2", "first pull against items in the vault", pullCosts, 1.05),
    await deadDevices(plan, folder, shots),
    await accounts(plan, folder, shots),
  ]
}

const started = async (folder: string): Promise<RunningProduct> => {
  const product = await startProduct(folder)
  await new Promise((resolve) => setTimeout(resolve, 1100))
  return product
}

/** Milliseconds of one push with one item, the middle of many. */
const pushTime = async (product: RunningProduct, writer: Writer, shots: number): Promise<number> => {
  const connection = await openConnection(product.port)
  const waits: number[] = []
  for (let i = 0; i < shots; i++) {
    const request = await wireRequest("sync", writer.device, product.authority, await pushBody(writer, 1, 1))
    const began = performance.now()
    const answer = await connection.send(request)
    waits.push(performance.now() - began)
    readSync(answer)
  }
  connection.close()
  // The first ones load what the later ones find in memory.
  return median(waits.slice(Math.min(5, shots - 1)))
}

const slopeRow = (id: string, what: string, points: readonly (readonly [number, number])[], most: number): Row => {
  const slope = exponent(points)
  const note = points.map(([size, ms]) => `${size}: ${ms.toFixed(1)} ms`).join(", ")
  return plainRow({ id, what, unit: "exponent", beside: "", goal: `≤ ${most}` }, slope, undefined, slope <= most, note)
}

/** Rows of devices that are in no chain any more cost as much as any others that never come: nothing. */
const deadDevices = async (plan: Plan, folder: string, shots: number): Promise<Row> => {
  const points: [number, number][] = []
  for (const size of plan.quick ? [1, 100, 1000] : [1, 10, 100, 1000]) {
    const { writers, folder: data } = await seed(join(folder, `devices-${size}`), 1, 10)
    const [writer] = writers
    if (writer === undefined) throw new Error("no writer")
    copyRows(data, "device", ["id", "sig_pk", "auth_pk", "lease_id"], size - 1, 0)
    const product = await started(data)
    points.push([size, await pushTime(product, writer, shots)])
    await product.stop()
  }
  return slopeRow("G3", "one push against devices that are offline", points, 0.05)
}

const accounts = async (plan: Plan, folder: string, shots: number): Promise<Row> => {
  const points: [number, number][] = []
  for (const size of plan.quick ? [100, 10_000] : [100, 10_000, 1_000_000]) {
    const { writers, folder: data } = await seed(join(folder, `accounts-${size}`), 1, 10)
    const [writer] = writers
    if (writer === undefined) throw new Error("no writer")
    copyRows(data, "account", ["uuid", "id", "rec_pk"], size - 1, 1)
    copyRows(data, "device", ["id", "sig_pk", "auth_pk", "lease_id"], size - 1, 0)
    const product = await started(data)
    points.push([size, await pushTime(product, writer, shots)])
    await product.stop()
  }
  return slopeRow("G5", "one push against accounts", points, 0.05)
}

/** Many rows like the first one, with other random values in these columns, written while no process has the store open. */
const copyRows = (folder: string, table: string, random: readonly string[], count: number, text: number): void => {
  if (count <= 0) return
  const db = new DatabaseSync(join(folder, "strongroom", "strongroom.db"))
  const columns = (db.prepare(`SELECT name FROM pragma_table_info('${table}')`).all() as { name: string }[]).map(
    ({ name }) => name,
  )
  const values = columns.map((column) => {
    const at = random.indexOf(column)
    if (at < 0) return column
    if (at < text) return "lower(hex(randomblob(16)))"
    return `randomblob(length(${column}))`
  })
  db.exec(
    `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${count})
     INSERT INTO ${table} (${columns.join(", ")}) SELECT ${values.join(", ")} FROM n, (SELECT ${columns.join(", ")} FROM ${table} LIMIT 1)`,
  )
  db.close()
}

export const growth: Family = { ids: ["G1", "G2", "G3", "G5"], run }
