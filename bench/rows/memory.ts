import { connect, type Socket } from "node:net"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"

import { bodyBytes } from "../../apps/strongroom/src/fixture.ts"
import { vaultOf } from "../../apps/strongroom/src/vaults/fixture.ts"
import { startEcho } from "../anchors/ws.ts"
import { startAnchor } from "../run/anchor.ts"
import { prepareQueue, sendPrepared } from "../run/load.ts"
import { havePeers } from "../run/peers.ts"
import type { Plan } from "../run/rounds.ts"
import { type Family, missingRow, plainRow, type Row } from "../run/row.ts"
import { seed } from "../run/seed.ts"
import { rssMiB, startProduct, untilSignedAreTaken } from "../run/server.ts"
import { openConnection, wireRequest } from "../run/wire.ts"

/* M1, M2, M3: resident memory, of both processes together. Families of their own, since each takes minutes. */
const STREAMS_OF_A_DEVICE = 4
const PREPARED = 400

const settled = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 2500))

const idle = async (plan: Plan, folder: string): Promise<readonly Row[]> => {
  const { folder: data } = await seed(join(folder, "idle"), 1, 10)
  const rssOf = async (): Promise<number> => {
    const product = await startProduct(data)
    await settled()
    const rss = rssMiB(product.pids())
    await product.stop()
    return rss
  }
  const empty = await rssOf()
  const bare = await startAnchor("prototype.mjs", [join(folder, "prototype.db")])
  await settled()
  const prototype = rssMiB([bare.pid])
  await bare.stop()
  const items = plan.quick ? 50_000 : 1_000_000
  const db = new DatabaseSync(join(data, "strongroom", "strongroom.db"))
  db.exec("PRAGMA synchronous = OFF")
  db.exec(
    `WITH RECURSIVE i(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM i WHERE n < ${items})
     INSERT INTO record (n, vault_id, item_id, rev, seq, size, sealed_record)
     SELECT n + 1000000000, randomblob(32), randomblob(16), 1, 1, 700, randomblob(820) FROM i`,
  )
  db.close()
  const full = await rssOf()
  return [
    plainRow(
      { id: "M2", what: "idle, empty, both processes", unit: "MiB", beside: "prototype", goal: "≤ 130 MiB" },
      empty,
      prototype,
      empty <= 130,
      "the prototype is one process; pages of the runtime that processes share are counted for each",
    ),
    plainRow(
      {
        id: "M2",
        what: `idle, ${items.toLocaleString("en")} items`,
        unit: "MiB",
        beside: "empty",
        goal: "≤ empty + 10 MiB",
      },
      full,
      empty,
      full <= empty + 10,
    ),
  ]
}

const streams = async (plan: Plan, folder: string): Promise<Row> => {
  const count = plan.quick ? 1600 : 5000
  // Heaps grow in steps: the first streams fill what was there already.
  const warm = count / 4
  const words = {
    id: "M1",
    what: `for each of ${count.toLocaleString("en")} idle streams`,
    unit: "KiB",
    beside: "ws",
    goal: "≤ 12 KiB and ≤ 1.5× ws",
  }
  if (!havePeers("ws")) return missingRow(words, "ws could not be installed here")
  const { writers } = await seed(join(folder, "streams"), Math.ceil(count / STREAMS_OF_A_DEVICE))
  const product = await startProduct(join(folder, "streams"))
  await untilSignedAreTaken()
  const sockets: Socket[] = []
  const open = async (request: Uint8Array): Promise<void> => {
    const socket = connect({ host: "127.0.0.1", port: product.port })
    sockets.push(socket)
    await new Promise<void>((resolve, reject) => {
      socket.once("error", reject)
      socket.once("close", () => reject(new Error("a stream was closed")))
      let said = ""
      const look = (chunk: Buffer): void => {
        said += chunk.toString("latin1")
        if (!said.startsWith("HTTP/1.1 200")) reject(new Error(`a stream was refused: ${said.slice(0, 300)}`))
        if (!said.includes("event: sync")) return
        // Whoever stays open keeps nothing of this.
        socket.off("data", look).resume()
        resolve()
      }
      socket.on("data", look)
      socket.write(request)
    })
  }
  const requests = async (n: number): Promise<Uint8Array> => {
    const writer = writers[n % writers.length]
    if (writer === undefined) throw new Error("no writer")
    const { id, head } = vaultOf(writer)
    const account = [writer.account.head.seq, writer.account.head.hash] as const
    const body = bodyBytes("feed", { account, cursors: [[id, head.seq, head.hash]] })
    return wireRequest("feed", writer.device, product.authority, body)
  }
  for (let n = 0; n < warm; n++) await open(await requests(n))
  await settled()
  const before = rssMiB(product.pids())
  for (let n = warm; n < count; n++) await open(await requests(n))
  await settled()
  const ours = ((rssMiB(product.pids()) - before) * 1024) / (count - warm)
  for (const socket of sockets) socket.destroy()
  await product.stop()

  const echo = await startEcho()
  for (let n = 0; n < warm; n++) await echo.open()
  await settled()
  const bare = rssMiB([echo.server.pid])
  const open2 = []
  for (let n = warm; n < count; n++) open2.push(await echo.open())
  await settled()
  const anchor = ((rssMiB([echo.server.pid]) - bare) * 1024) / (count - warm)
  for (const socket of open2) socket.close()
  await echo.server.stop()
  return plainRow(words, ours, anchor, ours <= 12 && ours <= 1.5 * anchor)
}

const afterPushes = async (plan: Plan, folder: string): Promise<Row> => {
  const pushes = plan.quick ? 3_000 : 100_000
  const { writers } = await seed(join(folder, "pushes"), 8)
  const product = await startProduct(join(folder, "pushes"))
  await untilSignedAreTaken()
  const connections = await Promise.all(writers.map(() => openConnection(product.port)))
  const part = async (): Promise<void> => {
    const queues = await Promise.all(
      writers.map((writer) => prepareQueue(writer, product.authority, PREPARED / writers.length, 1, 1)),
    )
    await sendPrepared(queues, connections)
  }
  await part()
  await settled()
  const before = rssMiB(product.pids())
  for (let done = 0; done < pushes; done += PREPARED) await part()
  await settled()
  const after = rssMiB(product.pids())
  await product.stop()
  return plainRow(
    { id: "M3", what: `after ${pushes.toLocaleString("en")} pushes`, unit: "MiB", beside: "before", goal: "≤ 2×" },
    after,
    before,
    after <= 2 * before,
  )
}

export const memory: readonly Family[] = [
  { ids: ["M2"], run: idle },
  { ids: ["M1"], run: async (plan, folder) => [await streams(plan, folder)] },
  { ids: ["M3"], run: async (plan, folder) => [await afterPushes(plan, folder)] },
]
