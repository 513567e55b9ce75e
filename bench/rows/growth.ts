import { join } from "node:path"

import type { Writer } from "../../apps/strongroom/src/vaults/fixture.ts"
import { pushBody, readSync } from "../run/load.ts"
import { addAccounts, columnsOf, openToFill } from "../run/many-accounts.ts"
import { exponent, median, type Plan } from "../run/rounds.ts"
import { type Family, plainRow, type Row } from "../run/row.ts"
import { seed } from "../run/seed.ts"
import { type RunningProduct, startProduct, untilSignedAreTaken } from "../run/server.ts"
import { type Connection, openConnection, wireRequest } from "../run/wire.ts"
import { firstPull } from "./transfer.ts"

/*
 * G1, G2, G3, G5: the exponent of cost against size; the machine's speed cancels. All sizes are up at once and take turns,
 * so that a busy moment meets them all alike. Families of their own, since each takes minutes.
 */
const ROUNDS = 5
const shotsOf = (plan: Plan): number => (plan.quick ? 30 : 100)

interface Size {
  readonly size: number
  readonly product: RunningProduct
  readonly connection: Connection
  readonly writer: Writer
}

/** `fill` puts what the row is about into the store of a new vault, before any process has it open. */
const startSizes = async (
  folder: string,
  sizes: readonly number[],
  itemsOf: (size: number) => number,
  fill: (data: string, size: number) => void = () => undefined,
): Promise<readonly Size[]> => {
  const started: Omit<Size, "connection">[] = []
  for (const size of sizes) {
    const { writers, folder: data } = await seed(join(folder, String(size)), 1, itemsOf(size))
    const [writer] = writers
    if (writer === undefined) throw new Error("no writer")
    fill(data, size)
    started.push({ size, product: await startProduct(data), writer })
  }
  await untilSignedAreTaken()
  // Last: a connection that waited for the largest store to be filled would have been closed as idle.
  const out: Size[] = []
  for (const one of started) out.push({ ...one, connection: await openConnection(one.product.port) })
  return out
}

const stopSizes = async (sizes: readonly Size[]): Promise<void> => {
  for (const { connection, product } of sizes) {
    connection.close()
    await product.stop()
  }
}

type Points = readonly (readonly [size: number, ms: number])[]

/** Every size in turn, several times; the middle of each. */
const inTurns = async (
  sizes: readonly Size[],
  rounds: number,
  shoot: (one: Size) => Promise<number>,
): Promise<Points> => {
  const costs = sizes.map((): number[] => [])
  for (let round = 0; round < rounds; round++) for (const [i, one] of sizes.entries()) costs[i]?.push(await shoot(one))
  return sizes.map(({ size }, i) => [size, median(costs[i] ?? [])] as const)
}

/** Milliseconds of one push with one item, the middle of many. */
const pushTime =
  (shots: number) =>
  async ({ product, connection, writer }: Size): Promise<number> => {
    const waits: number[] = []
    for (let i = 0; i < shots; i++) {
      const request = await wireRequest("sync", writer.device, product.authority, await pushBody(writer, 1, 1))
      const began = performance.now()
      const answer = await connection.send(request)
      waits.push(performance.now() - began)
      readSync(answer)
    }
    return median(waits)
  }

const pushesOf = async (sizes: readonly Size[], shots: number): Promise<Points> => {
  // The first ones load what the later ones find in memory.
  await inTurns(sizes, 1, pushTime(10))
  return inTurns(sizes, ROUNDS, pushTime(shots))
}

const items = async (plan: Plan, folder: string): Promise<readonly Row[]> => {
  const counts = plan.quick ? [100, 1_000, 5_000] : [100, 1_000, 10_000, 100_000]
  const sizes = await startSizes(join(folder, "items"), counts, (size) => size)
  const pulls = await inTurns(sizes, 3, async ({ product, connection, writer }) => {
    const began = performance.now()
    await firstPull(product, connection, writer)
    return performance.now() - began
  })
  const pushes = await pushesOf(sizes, shotsOf(plan))
  await stopSizes(sizes)
  return [
    slopeRow("G1", "one push against items in the vault", pushes, 0.05),
    slopeRow("G2", "first pull against items in the vault", pulls, 1.05),
  ]
}

/** The anchor is the smallest size. */
const slopeRow = (id: string, what: string, points: Points, most: number): Row => {
  const slope = exponent(points)
  const note = points.map(([size, ms]) => `${size.toLocaleString("en")}: ${ms.toFixed(2)} ms`).join(", ")
  const first = points[0]?.[1] ?? Number.NaN
  const last = points.at(-1)?.[1] ?? Number.NaN
  const words = { id, what, unit: "", beside: "smallest, ms", goal: `exponent ≤ ${most}` }
  const row = plainRow(words, slope, first, slope <= most, note)
  return { ...row, ratio: last / first }
}

/** Rows of devices that are in no chain any more cost as much as any others that never come: nothing. */
const deadDevices = async (plan: Plan, folder: string): Promise<Row> => {
  const counts = plan.quick ? [1, 100, 1_000] : [1, 10, 100, 1_000]
  const sizes = await startSizes(
    join(folder, "devices"),
    counts,
    () => 10,
    (folderOfData, size) => addDevices(folderOfData, size - 1),
  )
  const points = await pushesOf(sizes, shotsOf(plan))
  await stopSizes(sizes)
  return slopeRow("G3", "one push against devices that are offline", points, 0.05)
}

const accounts = async (plan: Plan, folder: string): Promise<Row> => {
  const counts = plan.quick ? [100, 10_000] : [100, 10_000, 1_000_000]
  const sizes = await startSizes(
    join(folder, "accounts"),
    counts,
    () => 10,
    (folderOfData, size) => addAccounts(folderOfData, size - 1),
  )
  const points = await pushesOf(sizes, shotsOf(plan))
  await stopSizes(sizes)
  return slopeRow("G5", "one push against accounts", points, 0.05)
}

/** Many devices like the first one, of the same account, with keys of their own. */
const addDevices = (folder: string, count: number): void => {
  if (count <= 0) return
  const db = openToFill(join(folder, "strongroom", "strongroom.db"))
  const columns = columnsOf(db, "device")
  const random = ["id", "sig_pk", "auth_pk", "lease_id"]
  const values = columns.map((column) => (random.includes(column) ? `randomblob(length(${column}))` : column))
  db.exec(
    `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${count})
     INSERT INTO device (${columns.join(", ")}) SELECT ${values.join(", ")} FROM n, (SELECT ${columns.join(", ")} FROM device LIMIT 1)`,
  )
  db.close()
}

export const growth: readonly Family[] = [
  { ids: ["G1", "G2"], run: items },
  { ids: ["G3"], run: async (plan, folder) => [await deadDevices(plan, folder)] },
  { ids: ["G5"], run: async (plan, folder) => [await accounts(plan, folder)] },
]
