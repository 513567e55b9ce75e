import { bodyBytes } from "../../apps/strongroom/src/fixture.ts"
import {
  accept,
  itemId,
  itemsPush,
  joined,
  makePut,
  syncBody,
  vaultOf,
  type Writer,
} from "../../apps/strongroom/src/vaults/fixture.ts"
import { expectOk } from "../../packages/base/src/index.ts"
import { decodeLink } from "../../packages/chain/src/index.ts"
import { type SyncReply, syncReplyStruct, type VaultPush } from "../../packages/protocol/src/index.ts"
import { itemText } from "./items.ts"
import { type Answer, type Connection, wireRequest } from "./wire.ts"

/* What devices send, made by the code that devices run: sealed records, signed links, signed requests. */

/** One push of new items: `links` links of `items` items each, on top of what the writer has. */
export const makePush = async (
  writer: Writer,
  links: number,
  items: number,
  textOf: (n: number) => string = itemText,
): Promise<VaultPush> => {
  const pushes: VaultPush[] = []
  for (let i = 0; i < links; i++) {
    const puts = []
    for (let n = 0; n < items; n++) puts.push(await makePut(writer, itemId(), { text: textOf(i * items + n) }))
    pushes.push(await itemsPush(writer, puts))
  }
  return joined(...pushes)
}

/** The body of a request that pushes, with the cursor of before. */
export const pushBody = async (
  writer: Writer,
  links: number,
  items: number,
  textOf: (n: number) => string = itemText,
): Promise<Uint8Array> => {
  const { head } = vaultOf(writer)
  const push = await makePush(writer, links, items, textOf)
  return bodyBytes("sync", syncBody(writer, { pushes: [push], cursors: [[push.vaultId, head.seq, head.hash]] }))
}

export const readSync = (answer: Answer): SyncReply => {
  if (answer.status !== 200)
    throw new Error(`${answer.status} ${Buffer.from(answer.body).toString("utf8").slice(0, 300)}`)
  return expectOk(syncReplyStruct.decode(answer.body, 64 * 1024 * 1024), "sync reply")
}

export const sendSync = async (
  connection: Connection,
  writer: Writer,
  authority: string,
  body: Uint8Array,
): Promise<SyncReply> => readSync(await connection.send(await wireRequest("sync", writer.device, authority, body)))

/** Links that others wrote, verified and taken over. */
export const takeOver = async (writer: Writer, reply: SyncReply): Promise<void> => {
  for (const vault of reply.vaults)
    for (const link of vault.links) await accept(writer, expectOk(decodeLink(link), "a link of another device"))
}

export interface Load {
  readonly perS: number
  /** Milliseconds from request to answer. */
  readonly waits: readonly number[]
}

/** Requests that were made and signed before, each queue one after another on its own connection. */
export const sendPrepared = async (
  queues: readonly (readonly Uint8Array[])[],
  connections: readonly Connection[],
): Promise<Load> => {
  const waits: number[] = []
  const began = performance.now()
  await Promise.all(
    queues.map(async (queue, i) => {
      const connection = connections[i]
      if (connection === undefined) throw new Error("more queues than connections")
      for (const request of queue) {
        const asked = performance.now()
        const reply = readSync(await connection.send(request))
        waits.push(performance.now() - asked)
        if (reply.results.some((result) => result.outcome !== 0)) throw new Error(`refused: ${reply.results[0]?.code}`)
      }
    }),
  )
  return { perS: waits.length / ((performance.now() - began) / 1000), waits }
}

/** Made one after another, so that each link stands on the one before it. */
export const prepareQueue = async (
  writer: Writer,
  authority: string,
  requests: number,
  links: number,
  items: number,
): Promise<readonly Uint8Array[]> => {
  const out: Uint8Array[] = []
  for (let i = 0; i < requests; i++)
    out.push(await wireRequest("sync", writer.device, authority, await pushBody(writer, links, items)))
  return out
}
