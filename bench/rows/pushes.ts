import { join } from "node:path"

import { sameVault, syncBody, vaultOf, type Writer } from "../../apps/strongroom/src/vaults/fixture.ts"
import { bodyBytes } from "../../apps/strongroom/src/fixture.ts"
import { equalBytes } from "../../packages/base/src/index.ts"
import { waitAfterRace } from "../../packages/engine/src/index.ts"
import { type Jazz, type JazzDevice, JazzGaveUp, orGivesUp, startJazz } from "../anchors/jazz.ts"
import { connectPrototype } from "../anchors/prototype.ts"
import { startAnchor } from "../run/anchor.ts"
import { itemText } from "../run/items.ts"
import { makePush, prepareQueue, sendPrepared, sendSync, takeOver } from "../run/load.ts"
import { havePeers } from "../run/peers.ts"
import { alternate, median, type Plan, quantile } from "../run/rounds.ts"
import { type Family, missingRow, plainRow, type Row, rowOf } from "../run/row.ts"
import { seed } from "../run/seed.ts"
import { type RunningProduct, startProduct, untilSignedAreTaken } from "../run/server.ts"
import { type Connection, openConnection } from "../run/wire.ts"

/*
 * S2: pushes acknowledged after a durable commit, every check on. Clients' work is done before the clock runs, since the
 * devices of a crowd have processors of their own; the anchors' clients do theirs meanwhile, which favours the anchor's server
 * in nothing. A figure counts only if every acknowledged link is there after both processes were killed.
 */
const VAULTS = 8

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

const run = async (plan: Plan, folder: string): Promise<readonly Row[]> => {
  const { writers } = await seed(join(folder, "server"), VAULTS + 2)
  let product = await startProduct(join(folder, "server"))
  await untilSignedAreTaken()
  const connections = await Promise.all(writers.map(() => openConnection(product.port)))
  const many = writers.slice(0, VAULTS)
  const [alone, shared] = writers.slice(VAULTS)
  if (alone === undefined || shared === undefined) throw new Error("too few writers")
  const each = plan.quick ? 60 : 250
  const rows: Row[] = []

  const single = async (): Promise<number> => {
    const queues = await Promise.all(many.map((writer) => prepareQueue(writer, product.authority, each, 1, 1)))
    return (await sendPrepared(queues, connections)).perS
  }
  const pipelined = async (): Promise<number> => {
    const links = 16
    const queue = await prepareQueue(alone, product.authority, Math.ceil((each * 2) / links), links, 1)
    return (await sendPrepared([queue], connections.slice(VAULTS))).perS * links
  }
  const batches = async (): Promise<number> => {
    const queue = await prepareQueue(alone, product.authority, plan.quick ? 4 : 10, 1, 1000)
    return (await sendPrepared([queue], connections.slice(VAULTS))).perS * 1000
  }

  const prototype = await startAnchor("prototype.mjs", [join(folder, "prototype.db")])
  const clients = await Promise.all(many.map(() => connectPrototype(prototype.port)))
  const ceiling = async (): Promise<number> => {
    const began = performance.now()
    await Promise.all(
      clients.map(async (client, vault) => {
        for (let i = 0; i < each; i++) await client.push(vault, [itemText(i)])
      }),
    )
    return (each * clients.length) / ((performance.now() - began) / 1000)
  }
  /** Nothing is compared there, so nobody is ever late. */
  const oneVault = async (): Promise<number> => {
    const began = performance.now()
    await Promise.all(
      clients.map(async (client) => {
        for (let i = 0; i < each; i++) await client.push(98, [itemText(i)])
      }),
    )
    return (each * clients.length) / ((performance.now() - began) / 1000)
  }
  const ceilingBatch = async (): Promise<number> => {
    const texts = Array.from({ length: 1000 }, (_, i) => itemText(i))
    const began = performance.now()
    for (let i = 0; i < 4; i++) await clients[0]?.push(99, texts)
    return 4000 / ((performance.now() - began) / 1000)
  }

  const words = { id: "S2", unit: "/s", what: "single-item pushes, 8 vaults × 1 writer" }
  const goal = "≥ 3,000 and ≥ 1.0× Jazz"
  let peer: Jazz | undefined
  if (havePeers("cojson", "cojson-transport-ws", "ws")) {
    try {
      const jazz = (peer = await startJazz(folder))
      const devices = await orGivesUp(Promise.all(many.map(() => jazz.device())))
      rows.push(
        rowOf(
          { ...words, beside: "Jazz", goal },
          await alternate(plan, single, () => orGivesUp(jazzPushes(devices, Math.ceil(each / 4)))),
          ({ ours, ratio }) => ours >= 3000 && ratio >= 1,
        ),
      )
    } catch (error) {
      if (!(error instanceof JazzGaveUp)) throw error
      rows.push(missingRow({ ...words, beside: "Jazz", goal }, error.message))
    }
  } else rows.push(missingRow({ ...words, beside: "Jazz", goal }, "Jazz could not be installed here"))
  rows.push(
    rowOf(
      { ...words, id: "S2", beside: "prototype", goal: "≥ 0.4×" },
      await alternate(plan, single, ceiling),
      ({ ratio }) => ratio >= 0.4,
      "the ceiling has no signatures, roots, second encryption or isolation",
    ),
    rowOf(
      { ...words, what: "single-item pushes, 1 vault × 1 pipelining writer", beside: "prototype", goal: "≥ 3,000" },
      await alternate(plan, pipelined, ceiling),
      ({ ours }) => ours >= 3000,
    ),
    rowOf(
      { ...words, what: "items in pushes of 1,000", beside: "prototype", goal: "≥ 20,000" },
      await alternate(plan, batches, ceilingBatch),
      ({ ours }) => ours >= 20_000,
    ),
    await contended(plan, product, shared, connections, await oneVault()),
  )
  await peer?.server.stop()
  await prototype.stop()

  // The acknowledged heads must be what a killed and restarted strongroom has.
  const heads = new Map(writers.map((writer) => [writer, vaultOf(writer).head]))
  await product.kill()
  product = await startProduct(join(folder, "server"))
  const kept = await keptHeads(product, heads)
  await product.stop()
  return kept
    ? rows
    : rows.map((row) => ({ ...row, met: false, note: "void: acknowledged items were gone after kill -9" }))
}

const jazzPushes = async (devices: readonly JazzDevice[], each: number): Promise<number> => {
  const began = performance.now()
  await Promise.all(
    devices.map(async (device) => {
      for (let i = 0; i < each; i++) await device.push(itemText(i))
    }),
  )
  return (devices.length * each) / ((performance.now() - began) / 1000)
}

/** Edits a second that each of the writers of one vault makes, whether the last one is acknowledged or not. */
const EDITS_PER_S = 50

/**
 * Eight devices edit the same vault by the rules of a device: what waits goes into one link, and whoever lost a race takes over what
 * won, waits (spec/sync.md, SY17) and signs anew. Each edit is timed from the moment it is made until it is acknowledged.
 */
const contended = async (
  plan: Plan,
  product: RunningProduct,
  writer: Writer,
  connections: readonly Connection[],
  anchor: number,
): Promise<Row> => {
  const waits: number[] = []
  const edits = EDITS_PER_S * (plan.quick ? 4 : 15)
  const began = performance.now()
  const copies = Array.from({ length: VAULTS }, () => sameVault(writer, writer.device))
  await Promise.all(
    copies.map(async (own, i) => {
      const connection = connections[i]
      const madeAt = (n: number): number => began + ((n + i / VAULTS) * 1000) / EDITS_PER_S
      let done = 0
      let tries = 0
      while (connection !== undefined && done < edits) {
        await pause(Math.max(0, madeAt(done) - performance.now()))
        // A device hears of what others commit through its feed; asking stands in for that, at the price of a request.
        const known = vaultOf(own).head
        await takeOver(
          own,
          await sendSync(
            connection,
            own,
            product.authority,
            bodyBytes("sync", syncBody(own, { cursors: [[vaultOf(own).id, known.seq, known.hash]] })),
          ),
        )
        let made = done
        while (made < edits && madeAt(made) <= performance.now()) made++
        if (made === done) continue
        const before = { vault: own.vault, tree: own.tree }
        const { head } = vaultOf(own)
        const push = await makePush(own, 1, made - done)
        const cursors = [[push.vaultId, head.seq, head.hash]] as const
        const body = bodyBytes("sync", syncBody(own, { pushes: [push], cursors }))
        const reply = await sendSync(connection, own, product.authority, body)
        if (reply.results[0]?.outcome === 0) {
          tries = 0
          for (; done < made; done++) waits.push(performance.now() - madeAt(done))
          continue
        }
        Object.assign(own, before)
        await takeOver(own, reply)
        // Spread by the golden ratio: no two of them wait alike, and every run does the same.
        const wait = waitAfterRace(tries++, ((i + 1) * 0.618 + tries * 0.382) % 1)
        await pause(wait)
      }
    }),
  )
  const perS = waits.length / ((performance.now() - began) / 1000)
  const spread = quantile(waits, 0.99) / median(waits)
  // The vault goes on from whoever was last.
  const last = copies.toSorted((a, b) => vaultOf(b).head.seq - vaultOf(a).head.seq)[0]
  Object.assign(writer, { vault: last?.vault, tree: last?.tree })
  return plainRow(
    {
      id: "S2",
      unit: "/s",
      what: `1 vault × 8 writers of ${EDITS_PER_S} edits/s, all together`,
      beside: "prototype",
      goal: "≥ 300, p99 wait ≤ 20× median",
    },
    perS,
    anchor,
    perS >= 300 && spread <= 20,
    `median wait ${median(waits).toFixed(1)} ms, p99 ${spread.toFixed(1)}×`,
  )
}

const keptHeads = async (
  product: RunningProduct,
  heads: ReadonlyMap<Writer, { readonly seq: number; readonly hash: Uint8Array }>,
): Promise<boolean> => {
  await untilSignedAreTaken()
  for (const [writer, head] of heads) {
    const connection = await openConnection(product.port)
    const body = bodyBytes("sync", syncBody(writer, { cursors: [] }))
    const reply = await sendSync(connection, writer, product.authority, body)
    connection.close()
    const [stored] = reply.heads
    if (stored === undefined || stored[1] < head.seq) return false
    if (stored[1] === head.seq && !equalBytes(stored[2], head.hash)) return false
  }
  return true
}

export const pushes: Family = { ids: ["S2"], run }
