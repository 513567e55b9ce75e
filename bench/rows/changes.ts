import { join } from "node:path"

import { type Writer } from "../../apps/strongroom/src/vaults/fixture.ts"
import { echoOnce, startEcho } from "../anchors/ws.ts"
import { pushBody, readSync } from "../run/load.ts"
import { havePeers } from "../run/peers.ts"
import { alternate, median, type Plan } from "../run/rounds.ts"
import { type Family, missingRow, plainRow, type Row, rowOf } from "../run/row.ts"
import { seed } from "../run/seed.ts"
import { type RunningProduct, startProduct, untilSignedAreTaken } from "../run/server.ts"
import { type Connection, openConnection, wireRequest } from "../run/wire.ts"
import { nothingNew } from "./transfer.ts"

/* S7, S8: nothing new, and one change, in a small vault and in a large one. */
const SMALL = 100
const LARGE = 10_000

const run = async (plan: Plan, folder: string): Promise<readonly Row[]> => {
  const small = await seed(join(folder, "small"), 1, SMALL)
  const large = await seed(join(folder, "large"), 1, LARGE)
  const [a] = small.writers
  const [b] = large.writers
  if (a === undefined || b === undefined) throw new Error("no writer")
  const products = [await startProduct(small.folder), await startProduct(large.folder)] as const
  await untilSignedAreTaken()
  const connections = [await openConnection(products[0].port), await openConnection(products[1].port)] as const
  const shots = plan.quick ? 40 : 200

  const asked = (product: RunningProduct, connection: Connection, writer: Writer, body: () => Promise<Uint8Array>) => {
    const seen = { bytes: 0, sent: 0 }
    const shoot = async (): Promise<number> => {
      const waits: number[] = []
      for (let i = 0; i < shots; i++) {
        const request = await wireRequest("sync", writer.device, product.authority, await body())
        const began = performance.now()
        const answer = await connection.send(request)
        waits.push(performance.now() - began)
        readSync(answer)
        seen.bytes = answer.wireBytes
        seen.sent = request.length
      }
      return median(waits)
    }
    return { seen, shoot }
  }
  const quietSmall = asked(products[0], connections[0], a, async () => nothingNew(a))
  const quietLarge = asked(products[1], connections[1], b, async () => nothingNew(b))
  const pushSmall = asked(products[0], connections[0], a, () => pushBody(a, 1, 1))
  const pushLarge = asked(products[1], connections[1], b, () => pushBody(b, 1, 1))
  await quietLarge.shoot()
  await pushSmall.shoot()
  await pushLarge.shoot()

  const rows: Row[] = []
  const words = { id: "S7", what: "nothing new, over HTTP", unit: "ms", beside: "ws echo", goal: "≤ 1.0 ms" }
  if (havePeers("ws")) {
    const echo = await startEcho()
    const socket = await echo.open()
    const message = new Uint8Array(700)
    const bounce = async (): Promise<number> => {
      const waits: number[] = []
      for (let i = 0; i < shots; i++) {
        const began = performance.now()
        await echoOnce(socket, message)
        waits.push(performance.now() - began)
      }
      return median(waits)
    }
    rows.push(rowOf(words, await alternate(plan, quietLarge.shoot, bounce), ({ ours }) => ours <= 1))
    await echo.server.stop()
  } else rows.push(missingRow(words, "ws could not be installed here"))
  const flat = await alternate(plan, quietLarge.shoot, quietSmall.shoot)
  const change = await alternate(plan, pushLarge.shoot, pushSmall.shoot)
  const bytes = quietLarge.seen.bytes + quietLarge.seen.sent
  rows.push(
    rowOf(
      { id: "S7", what: "nothing new in 10,000 against in 100", unit: "ms", beside: "in 100", goal: "ratio ≤ 1.1" },
      flat,
      ({ ratio }) => ratio <= 1.1,
    ),
    plainRow(
      { id: "S7", what: "nothing new, bytes of the answer with its head", unit: "B", beside: "", goal: "≤ 1,024 B" },
      quietLarge.seen.bytes,
      undefined,
      quietLarge.seen.bytes <= 1024,
      `${quietLarge.seen.sent} B asked, ${bytes} B both ways`,
    ),
    rowOf(
      { id: "S8", what: "one change in 10,000 against in 100", unit: "ms", beside: "in 100", goal: "ratio ≤ 1.1" },
      change,
      ({ ratio }) => ratio <= 1.1,
    ),
    plainRow(
      { id: "S8", what: "one change, bytes sent", unit: "B", beside: "answer", goal: "≤ 2,560 B each way" },
      pushLarge.seen.sent,
      pushLarge.seen.bytes,
      Math.max(pushLarge.seen.sent, pushLarge.seen.bytes) <= 2560,
    ),
  )
  for (const product of products) await product.stop()
  return rows
}

export const changes: Family = { ids: ["S7", "S8"], run }
