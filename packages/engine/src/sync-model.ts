import { mergeItem, type MergeFields } from "./merge.ts"
import type { News, Outbox, Side } from "./outbox.ts"
import {
  createVaultSync,
  type MergeBodies,
  type PushOp,
  startVaultSync,
  type SyncInput,
  type SyncState,
} from "./sync.ts"

/*
 * A model for tests: one vault at a server that compares and sets, and devices that run the state machine over a network which
 * loses answers and over processes which die at any instant. Development only.
 */

/** Fields of an item; a value that lost a merge stands as a field of its own under `~value`. */
export type Body = MergeFields

export const mergeBodies: MergeBodies<Body> = ({ base, committed, mine }) => {
  const result = mergeItem({ base, committed, mine })
  if (result.outcome !== "merged") return result
  const body = new Map(result.fields)
  for (const { mine: lost } of result.conflicts) body.set(`~${lost.value}`, lost)
  return { outcome: "merged", body, sizeBytes: body.size }
}

interface CommittedOp extends PushOp<Body> {
  readonly device: number
}
interface Request {
  readonly pushId: number
  readonly at: number
  readonly ops: readonly PushOp<Body>[]
}
export interface ModelDevice {
  state: SyncState<Body>
  /** What survives the death of the process. */
  stored: Outbox<Body>
  /** The newest links it has verified, and what they say of each item. */
  seen: number
  committed: Map<string, { rev: number; body: Side<Body> }>
  request: Request | undefined
  waits: number[]
}

export interface Model {
  readonly chain: CommittedOp[][]
  readonly devices: ModelDevice[]
  readonly edit: (device: number, itemId: string, change: (now: Body | undefined) => Side<Body>) => void
  /** The server takes the request up; the answer arrives, or is lost. */
  readonly deliver: (device: number, isAnswered: boolean) => void
  readonly pull: (device: number) => void
  readonly send: (device: number, input: SyncInput<Body>) => void
  readonly crash: (device: number) => void
  readonly visible: (device: number, itemId: string) => Body | undefined
  /** Until nothing is left to say. Throws where that does not happen. */
  readonly drain: () => void
}

export const createModel = (count: number, limits = { maxOps: 3, maxBytes: 1000 }): Model => {
  const machine = createVaultSync<Body>({ merge: mergeBodies, limits })
  const chain: CommittedOp[][] = []
  const devices = Array.from({ length: count }, (): ModelDevice => {
    const stored: Outbox<Body> = new Map()
    const { state } = machine.step(startVaultSync(stored), { type: "start" })
    return { state, stored, seen: 0, committed: new Map(), request: undefined, waits: [] }
  })
  const at = (n: number): ModelDevice => devices[n] ?? fail("no such device")

  const send = (n: number, input: SyncInput<Body>): void => {
    const device = at(n)
    const { state, commands } = machine.step(device.state, input)
    device.state = state
    for (const command of commands) {
      if (command.type === "persist") {
        const stored = new Map(device.stored)
        for (const itemId of command.drop) stored.delete(itemId)
        for (const entry of command.put) stored.set(entry.itemId, entry)
        device.stored = stored
      } else if (command.type === "push") {
        if (device.request !== undefined) fail("two requests at once")
        device.request = { pushId: command.pushId, at: device.seen, ops: command.ops }
      } else if (command.type === "wait") {
        device.waits.push(command.ms)
      }
    }
  }

  /** What a verified walk from the device's last link to the head says. */
  const catchUp = (n: number): ReadonlyMap<string, News<Body>> => {
    const device = at(n)
    const news = new Map<string, News<Body>>()
    for (const op of chain.slice(device.seen).flat()) {
      const ownRev = op.device === n ? op.rev : news.get(op.itemId)?.ownRev
      news.set(op.itemId, { rev: op.rev, body: op.body, ...(ownRev === undefined ? {} : { ownRev }) })
      device.committed.set(op.itemId, { rev: op.rev, body: op.body })
    }
    device.seen = chain.length
    return news
  }

  const append = (n: number, request: Request): void => {
    const link = request.ops.map((op) => ({ ...op, device: n }))
    for (const op of link) {
      const newest = chain.flat().findLast((other) => other.itemId === op.itemId)
      if (op.rev !== (newest?.rev ?? 0) + 1) fail(`rev ${op.rev} of ${op.itemId} after ${newest?.rev ?? 0}`)
      if (op.body === "deleted" && (newest === undefined || newest.body === "deleted")) fail("deletes nothing")
    }
    chain.push(link)
  }

  const deliver = (n: number, isAnswered: boolean): void => {
    const device = at(n)
    const { request } = device
    if (request === undefined) return
    device.request = undefined
    const isAccepted = request.at === chain.length
    if (isAccepted) append(n, request)
    if (!isAnswered) {
      send(n, { type: "failed", pushId: request.pushId, random: 0.5 })
    } else if (isAccepted) {
      for (const { itemId, rev, body } of request.ops) device.committed.set(itemId, { rev, body })
      device.seen = chain.length
      send(n, { type: "accepted", pushId: request.pushId })
    } else {
      send(n, { type: "conflict", pushId: request.pushId, news: catchUp(n), inStep: true, random: 0.5 })
    }
  }

  const visible = (n: number, itemId: string): Body | undefined => {
    const device = at(n)
    const entry = device.state.outbox.get(itemId)
    const side = entry === undefined ? device.committed.get(itemId)?.body : entry.mine
    return side === "deleted" ? undefined : side
  }

  return {
    chain,
    devices,
    send,
    deliver,
    visible,
    pull: (n) => send(n, { type: "pulled", news: catchUp(n), inStep: true }),
    edit: (n, itemId, change) => {
      const mine = change(visible(n, itemId))
      const base = at(n).committed.get(itemId)
      send(n, { type: "edits", edits: [{ itemId, mine, sizeBytes: 1, ...(base === undefined ? {} : { base }) }] })
    },
    crash: (n) => {
      const device = at(n)
      device.state = startVaultSync(device.stored)
      device.request = undefined
      send(n, { type: "start" })
    },
    drain: () => {
      for (let round = 0; round < 200; round++) {
        for (const [n] of devices.entries()) {
          send(n, { type: "timer" })
          deliver(n, true)
          if (at(n).request === undefined) send(n, { type: "pulled", news: catchUp(n), inStep: true })
        }
        if (devices.every((d) => d.state.outbox.size === 0 && d.request === undefined && d.seen === chain.length))
          return
      }
      fail("did not come to rest")
    },
  }
}

const fail = (why: string): never => {
  throw new Error(`model: ${why}`)
}
