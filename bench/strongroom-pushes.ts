import { allHandlers } from "../apps/strongroom/src/all-handlers.ts"
import {
  bodyBytes,
  createWorld,
  makeActive,
  must,
  NO_LIMITS,
  ORIGIN,
  reachOf,
  signRequest,
  signUp,
} from "../apps/strongroom/src/fixture.ts"
import {
  genesisPush,
  itemId,
  itemsPush,
  makePut,
  syncBody,
  vaultOf,
  type Writer,
  writerOf,
} from "../apps/strongroom/src/vaults/fixture.ts"
import { openBytes } from "../apps/strongroom/src/vaults/prepared.ts"
import { nodePrimitives } from "../packages/crypto/src/primitives/node.ts"
import type { SignedRequest } from "../packages/strongroom-api/src/index.ts"

/*
 * What the strongroom does with pushes, with every check on: request signature, link signature, rules, root, outer layer,
 * durable commit, notice, answer. Clients' work is done beforehand.
 *
 *   node bench/strongroom-pushes.ts            one line of JSON for each case
 */
const vaults = Number(process.argv[2] ?? 8)
const pushesEach = Number(process.argv[3] ?? 500)

const world = await createWorld(allHandlers)
const reach = reachOf(world)

const newWriter = async (): Promise<Writer> => {
  const person = await signUp(reach)
  await makeActive(reach, person)
  const writer = writerOf(person)
  await execute(await request(writer, await genesisPush(writer)))
  return writer
}
const request = async (writer: Writer, push: Awaited<ReturnType<typeof genesisPush>>): Promise<SignedRequest> => {
  const [head] = [writer.vault?.head]
  const cursor = head === undefined ? [] : ([[push.vaultId, head.seq - push.links.length, prevOf(push)]] as const)
  const body = syncBody(writer, { pushes: [push], cursors: cursor })
  return signRequest(
    "sync",
    writer.device.authSeed,
    writer.device.deviceId,
    bodyBytes("sync", body),
    world.clock.nowMs(),
  )
}
/** The head that the push stands on, which is the writer's cursor. */
const prevOf = (push: Awaited<ReturnType<typeof genesisPush>>): Uint8Array => {
  const open = openBytes(nodePrimitives, push.links[0] ?? new Uint8Array())
  if (!open.ok) throw new Error(open.error.code)
  return open.value.payload.prev
}
const execute = async (signed: SignedRequest): Promise<void> => {
  const answer = await must(reach.call("execute", { request: signed, limits: NO_LIMITS, origins: [ORIGIN] }))
  if (answer.status !== 200 || answer.commit === 0)
    throw new Error(`${answer.status} ${answer.code ?? ""} ${answer.detail ?? ""}`)
}

const prepare = async (writer: Writer, pushes: number, items: number): Promise<SignedRequest[]> => {
  const out: SignedRequest[] = []
  for (let i = 0; i < pushes; i++) {
    const puts = await Promise.all(Array.from({ length: items }, () => makePut(writer, itemId())))
    out.push(await request(writer, await itemsPush(writer, puts)))
  }
  return out
}

/** Each queue in order, one request of it at a time. */
const run = async (name: string, queues: readonly SignedRequest[][], items: number): Promise<void> => {
  const cpuBefore = process.cpuUsage()
  const began = performance.now()
  const waits: number[] = []
  await Promise.all(
    queues.map(async (queue) => {
      for (const signed of queue) {
        const asked = performance.now()
        await execute(signed)
        waits.push(performance.now() - asked)
      }
    }),
  )
  const s = (performance.now() - began) / 1000
  const { user, system } = process.cpuUsage(cpuBefore)
  const pushes = waits.length
  waits.sort((a, b) => a - b)
  const at = (q: number): number => Math.round((waits[Math.floor(q * (waits.length - 1))] ?? 0) * 100) / 100
  console.log(
    JSON.stringify({
      name,
      pushes,
      items: pushes * items,
      s: Math.round(s * 1000) / 1000,
      pushesPerS: Math.round(pushes / s),
      itemsPerS: Math.round((pushes * items) / s),
      cpuUsPerPush: Math.round((user + system) / pushes),
      p50: at(0.5),
      p99: at(0.99),
    }),
  )
}

const writers = await Promise.all(Array.from({ length: vaults }, newWriter))
const single = await Promise.all(writers.map((writer) => prepare(writer, pushesEach, 1)))
await run(`${vaults} vaults, 1 item a push`, single, 1)
const [one] = writers
if (one === undefined) throw new Error("no writer")
await run("1 vault, 1 item a push, one after another", [await prepare(one, pushesEach, 1)], 1)
await run("1 vault, 100 items a push", [await prepare(one, 50, 100)], 100)
await run("1 vault, 1000 items a push", [await prepare(one, 20, 1000)], 1000)
console.log(JSON.stringify({ leaves: vaultOf(one).count }))
await world.close()
