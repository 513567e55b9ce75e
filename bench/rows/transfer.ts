import { join } from "node:path"

import { bodyBytes } from "../../apps/strongroom/src/fixture.ts"
import { syncBody, vaultOf, type Writer } from "../../apps/strongroom/src/vaults/fixture.ts"
import { bytesToHex, expectOk } from "../../packages/base/src/index.ts"
import { decodeLink, type Leaf, verifyVaultBootstrap } from "../../packages/chain/src/index.ts"
import { ctHash, decodeRecord, paddedLength } from "../../packages/crypto/src/index.ts"
import { nodePrimitives as p } from "../../packages/crypto/src/primitives/node.ts"
import { bootstrapReplyStruct, bootstrapRequestStruct } from "../../packages/protocol/src/index.ts"
import { connectPrototype, type PrototypeClient } from "../anchors/prototype.ts"
import { startAnchor } from "../run/anchor.ts"
import { itemSize, itemText } from "../run/items.ts"
import { pushBody, sendSync } from "../run/load.ts"
import { alternate, type Plan } from "../run/rounds.ts"
import { type Family, plainRow, type Row, rowOf } from "../run/row.ts"
import { seed } from "../run/seed.ts"
import { type RunningProduct, startProduct, untilSignedAreTaken } from "../run/server.ts"
import { type Connection, openConnection, wireRequest } from "../run/wire.ts"
import { openText } from "./propagation.ts"

/* S4, S5, S6: 10,000 items in and out again, through the two processes and the code of a device. */
const ITEMS = 10_000
const IN_PUSH = 1000

const run = async (plan: Plan, folder: string): Promise<readonly Row[]> => {
  const tries = plan.tries * 2
  const { writers } = await seed(join(folder, "server"), tries + 1)
  const product = await startProduct(join(folder, "server"))
  await untilSignedAreTaken()
  const connection = await openConnection(product.port)
  const prototype = await startAnchor("prototype.mjs", [join(folder, "prototype.db")])
  const client = await connectPrototype(prototype.port)
  const fresh = writers.slice()
  let vault = 0
  const full: Writer[] = []
  const beside = "prototype"

  const imported = await alternate(
    plan,
    async () => {
      const writer = fresh.pop()
      if (writer === undefined) throw new Error("no empty vault left")
      full.push(writer)
      return importInto(product, connection, writer)
    },
    () => importPrototype(client, vault++),
  )
  const s4 = rowOf(
    { id: "S4", what: "10,000 items sealed, signed, acknowledged", unit: "ms", beside, goal: "≤ 1,000 ms" },
    imported,
    ({ ours }) => ours <= 1000,
  )

  const [reader] = full
  if (reader === undefined) throw new Error("nothing was imported")
  let wireBytes = 0
  let prototypeBytes = 0
  const pulled = await alternate(
    plan,
    async () => {
      const began = performance.now()
      wireBytes = await firstPull(product, connection, reader)
      return performance.now() - began
    },
    async () => {
      const began = performance.now()
      const { texts, bytes } = await client.pull(0)
      prototypeBytes = bytes
      if (texts.length !== ITEMS) throw new Error(`the prototype gave ${texts.length} items`)
      return performance.now() - began
    },
  )
  const s5 = rowOf(
    { id: "S5", what: "first pull of 10,000, verified and decrypted", unit: "ms", beside, goal: "≤ 400 ms" },
    pulled,
    ({ ours }) => ours <= 400,
  )
  await product.stop()
  await prototype.stop()

  const sizes = Array.from({ length: ITEMS }, (_, i) => itemSize(i % IN_PUSH))
  const plain = sizes.reduce((sum, size) => sum + size, 0)
  const padded = sizes.reduce((sum, size) => sum + paddedLength(size), 0)
  const s6 = plainRow(
    { id: "S6", what: "wire bytes of a first pull per padded byte", unit: "", beside: "prototype", goal: "≤ 1.75" },
    wireBytes / padded,
    // It pads nothing: per plaintext byte.
    prototypeBytes / plain,
    wireBytes / padded <= 1.75,
    `${(wireBytes / ITEMS).toFixed(0)} B an item; padding alone ${(padded / plain).toFixed(2)} bytes per plaintext byte`,
  )
  return [s4, s5, s6]
}

/** Milliseconds until the last push is acknowledged; the next one is sealed while one is under way. */
export const importInto = async (product: RunningProduct, connection: Connection, writer: Writer): Promise<number> => {
  // What a person has before the import.
  const texts = Array.from({ length: IN_PUSH }, (_, i) => itemText(i))
  const began = performance.now()
  let sent: Promise<unknown> = Promise.resolve()
  for (let at = 0; at < ITEMS; at += IN_PUSH) {
    const body = await pushBody(writer, 1, IN_PUSH, (n) => texts[n] ?? "")
    await sent
    sent = sendSync(connection, writer, product.authority, body).then((reply) => {
      if (reply.results[0]?.outcome !== 0) throw new Error(`refused: ${reply.results[0]?.code}`)
    })
  }
  await sent
  return performance.now() - began
}

const importPrototype = async (client: PrototypeClient, vault: number): Promise<number> => {
  const texts = Array.from({ length: IN_PUSH }, (_, i) => itemText(i))
  const began = performance.now()
  for (let at = 0; at < ITEMS; at += IN_PUSH) await client.push(vault, texts)
  return performance.now() - began
}

/**
 * Everything a new device does with a vault: authority links, head, leaves and root, and every record opened. The next page
 * is asked for while one is opened, as the SDK does.
 */
export const firstPull = async (product: RunningProduct, connection: Connection, writer: Writer): Promise<number> => {
  let wireBytes = 0
  const ask = async (after: Uint8Array | undefined) => {
    const body = bootstrapRequestStruct.encode({
      vaultId: vaultOf(writer).id,
      maxBytes: 1024 * 1024,
      ...(after === undefined ? {} : { after }),
    })
    const answer = await connection.send(await wireRequest("bootstrap", writer.device, product.authority, body))
    if (answer.status !== 200) throw new Error(`bootstrap ${answer.status}`)
    wireBytes += answer.wireBytes
    return expectOk(bootstrapReplyStruct.decode(answer.body, 64 * 1024 * 1024, "shared"), "bootstrap")
  }
  let page = await ask(undefined)
  let following = page.next === undefined ? undefined : ask(page.next)
  const leaves = page.leaves.map(([itemId, rev, epoch, hash, gone]): Leaf => ({
    itemId,
    rev,
    epoch,
    ctHash: hash,
    tombstone: gone === 1,
  }))
  const linkOf = (bytes: Uint8Array) => expectOk(decodeLink(bytes), "link")
  const bootstrap = { authorityLinks: page.authorityLinks.map(linkOf), headLink: linkOf(page.headLink), leaves }
  expectOk(await verifyVaultBootstrap(p, bootstrap, () => writer.account), "bootstrap")
  const hashes = new Map(leaves.map((leaf) => [bytesToHex(leaf.ctHash), bytesToHex(leaf.itemId)]))
  for (;;) {
    for (const bytes of page.records) {
      const record = expectOk(decodeRecord(bytes, "shared"), "record")
      // The record must be one that the signed root speaks of.
      if (!hashes.delete(bytesToHex(ctHash(p, record)))) throw new Error("no such leaf")
      await openText(writer, record)
    }
    if (following === undefined) break
    page = await following
    following = page.next === undefined ? undefined : ask(page.next)
  }
  if (hashes.size > 0) throw new Error(`${hashes.size} records are missing`)
  return wireBytes
}

/** A request that brings nothing and asks for what is new. */
export const nothingNew = (writer: Writer): Uint8Array => {
  const { id, head } = vaultOf(writer)
  return bodyBytes("sync", syncBody(writer, { cursors: [[id, head.seq, head.hash]] }))
}

export const transfer: Family = { ids: ["S4", "S5", "S6"], run }
