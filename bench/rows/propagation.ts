import { connect } from "node:net"
import { join } from "node:path"

import { bodyBytes } from "../../apps/strongroom/src/fixture.ts"
import {
  itemsPush,
  itemId,
  makePut,
  sameVault,
  syncBody,
  vaultOf,
  type Writer,
} from "../../apps/strongroom/src/vaults/fixture.ts"
import { base64urlToBytes, bytesToHex, expectOk } from "../../packages/base/src/index.ts"
import { decodeLink, verifyVaultLinks } from "../../packages/chain/src/index.ts"
import { decodeRecord, openRecord, readRecordHeader, type SealedRecord } from "../../packages/crypto/src/index.ts"
import { nodePrimitives as p } from "../../packages/crypto/src/primitives/node.ts"
import { feedEventStruct } from "../../packages/protocol/src/index.ts"
import { JazzGaveUp, jazzPropagation, orGivesUp, startJazz } from "../anchors/jazz.ts"
import { itemText } from "../run/items.ts"
import { readSync } from "../run/load.ts"
import { havePeers } from "../run/peers.ts"
import { alternate, median, type Plan, quantile } from "../run/rounds.ts"
import { type Family, missingRow, type Row, rowOf } from "../run/row.ts"
import { seed } from "../run/seed.ts"
import { startProduct, untilSignedAreTaken } from "../run/server.ts"
import { openConnection, wireRequest } from "../run/wire.ts"

/*
 * S1: from the call that seals an item at one end to its plaintext at the other, over one open stream, the commit durable in
 * between. The reader verifies the link, its root, and opens the record.
 */
const run = async (plan: Plan, folder: string): Promise<readonly Row[]> => {
  const words = {
    id: "S1",
    what: "push at A to plaintext at B, p50",
    unit: "ms",
    beside: "Jazz",
    goal: "≤ 1.2 ms and ≤ 2× Jazz",
  }
  if (!havePeers("cojson", "cojson-transport-ws", "ws")) return [missingRow(words, "Jazz could not be installed here")]
  const { writers } = await seed(join(folder, "server"), 1)
  const [writer] = writers
  if (writer === undefined) throw new Error("no writer")
  const product = await startProduct(join(folder, "server"))
  await untilSignedAreTaken()
  const propagate = await openPair(product.port, product.authority, writer)
  const jazz = await startJazz(folder)
  const shots = plan.quick ? 80 : 400
  const tails: number[] = []
  const many = async (one: () => Promise<number>): Promise<number[]> => {
    const out: number[] = []
    for (let i = 0; i < shots; i++) out.push(await one())
    return out
  }
  try {
    const propagateJazz = await orGivesUp(jazzPropagation(jazz))
    await many(propagate)
    await orGivesUp(many(propagateJazz))
    const measured = await alternate(
      plan,
      async () => {
        const waits = await many(propagate)
        tails.push(quantile(waits, 0.99))
        return median(waits)
      },
      async () => median(await orGivesUp(many(propagateJazz))),
    )
    return [
      rowOf(words, measured, ({ ours, ratio }) => ours <= 1.2 && ratio <= 2, `p99 ${median(tails).toFixed(1)} ms`),
    ]
  } catch (error) {
    if (!(error instanceof JazzGaveUp)) throw error
    return [missingRow(words, error.message)]
  } finally {
    await product.stop()
    await jazz.server.stop()
  }
}

/** One push after another; gives the milliseconds until the reader has the text. */
const openPair = async (port: number, authority: string, writer: Writer): Promise<() => Promise<number>> => {
  const reader = sameVault(writer, writer.device)
  const connection = await openConnection(port)
  let onText: (text: string) => void = () => undefined
  const { head } = vaultOf(reader)
  const cursors = [[vaultOf(reader).id, head.seq, head.hash]] as const
  const body = bodyBytes("feed", { account: [reader.account.head.seq, reader.account.head.hash], cursors })
  await listen(port, await wireRequest("feed", reader.device, authority, body), async (bytes) => {
    const event = expectOk(feedEventStruct.decode(bytes, 1e7), "event")
    for (const vault of event.vaults) {
      const links = vault.links.map((link) => expectOk(decodeLink(link), "link"))
      const context = { account: () => reader.account, tree: reader.tree }
      const step = expectOk(await verifyVaultLinks(p, reader.vault, links, context), "links of the feed")
      reader.vault = step.state
      reader.tree = step.tree
      for (const record of vault.records) onText(await openText(reader, expectOk(decodeRecord(record), "record")))
    }
  })
  let n = 0
  return async () => {
    const text = itemText(n++)
    const seen = new Promise<void>((resolve) => {
      onText = (found) => {
        if (found === text) resolve()
      }
    })
    const began = performance.now()
    const before = vaultOf(writer).head
    const push = await itemsPush(writer, [await makePut(writer, itemId(), { text })])
    const request = bodyBytes(
      "sync",
      syncBody(writer, { pushes: [push], cursors: [[push.vaultId, before.seq, before.hash]] }),
    )
    const answer = connection.send(await wireRequest("sync", writer.device, authority, request))
    await seen
    const took = performance.now() - began
    if (readSync(await answer).results[0]?.outcome !== 0) throw new Error("not accepted")
    return took
  }
}

export const openText = async (writer: Writer, record: SealedRecord): Promise<string> => {
  const header = readRecordHeader(record)
  if (!header.ok) throw new Error(`header ${header.error}`)
  const opened = await openRecord(p, {
    key: writer.key,
    vid: vaultOf(writer).id,
    itemId: header.value.itemId,
    record,
  })
  if (!opened.ok) throw new Error(`${bytesToHex(header.value.itemId)} does not open`)
  return new TextDecoder().decode(opened.value.plaintext)
}

/** Server-sent events of one stream; the first event, which says what was missing, is not handed on. */
const listen = (port: number, request: Uint8Array, onEvent: (bytes: Uint8Array) => Promise<void>): Promise<void> =>
  new Promise((resolve, reject) => {
    const socket = connect({ host: "127.0.0.1", port, noDelay: true })
    let held = ""
    let queue = Promise.resolve()
    socket.once("error", reject)
    socket.once("connect", () => socket.write(request))
    socket.on("data", (chunk: Buffer) => {
      held += chunk.toString("latin1")
      for (let end = held.indexOf("\n\n"); end >= 0; end = held.indexOf("\n\n")) {
        const event = held.slice(0, end)
        held = held.slice(end + 2)
        if (event.startsWith("HTTP/1.1 ") && !event.startsWith("HTTP/1.1 200")) reject(new Error(event.slice(0, 300)))
        if (event.includes("event: sync")) resolve()
        const bytes = /event: change\ndata: ([\w-]+)/.exec(event)?.[1]
        if (bytes !== undefined)
          queue = queue.then(() => onEvent(base64urlToBytes(bytes) ?? new Uint8Array())).catch(reject)
      }
    })
  })

export const propagation: Family = { ids: ["S1"], run }
