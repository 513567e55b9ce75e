import { assertNever } from "@keyferry/base"

import {
  acknowledge,
  addEdit,
  type BatchLimits,
  dropEntry,
  dropHanging,
  type Edit,
  markSent,
  mergeBase,
  type News,
  nextBatch,
  type Outbox,
  type OutboxEntry,
  rebase,
  revAfter,
  type Side,
  unsend,
  unsendAll,
} from "./outbox.ts"

/*
 * The sync of one vault as a state machine without input or output: (state, input) → { state, commands }. Whoever runs it seals,
 * signs, verifies and stores; it decides what and when. At most one link of this device is under way.
 *
 *   idle ──start──► ready ──edits──► pushing ──accepted──► ready
 *                      │ conflict, no answer          waiting ──timer──► ready
 *                      ├─────────────────────────────►   ▲
 *                      │ epoch-stale ──► rotating ───────┘ rotated ──► ready
 *                      └ refused for good ──► refused ──edit, start──► ready
 *   any ── froze ──► frozen
 *
 * Source: spec/sync.md, SY14–SY24
 */

export const PUSH_LIMITS: BatchLimits = { maxOps: 1000, maxBytes: 4 * 1024 * 1024 }
/** After so many attempts in a row the status says busy; the attempts go on. */
export const BUSY_AFTER = 5

interface Delay {
  readonly firstMs: number
  readonly capMs: number
  readonly isSilent: boolean
  readonly growth: (tries: number) => number
}
const doubling = (tries: number): number => 2 ** tries
/**
 * A race is lost to somebody who got on and does not wait: a wait that doubled would have the loser lose again and again. This one
 * grows slowly enough to come to its turn, and fast enough that a crowd spreads.
 */
const AFTER_RACE: Delay = { firstMs: 50, capMs: 10_000, isSilent: false, growth: (tries) => Math.sqrt(tries + 1) }
const AFTER_ROTATION: Delay = { firstMs: 50, capMs: 10_000, isSilent: false, growth: doubling }
const AFTER_SILENCE: Delay = { firstMs: 1_000, capMs: 300_000, isSilent: true, growth: doubling }

export type SyncPhase = "idle" | "ready" | "pushing" | "rotating" | "waiting" | "refused" | "frozen"

export interface SyncState<B> {
  readonly phase: SyncPhase
  readonly outbox: Outbox<B>
  /** Number of the newest request; answers to older ones change nothing. */
  readonly pushId: number
  /** Attempts in a row without success, and whether the last of them got no answer at all. */
  readonly tries: number
  readonly isSilent: boolean
  /** Why it is refused or frozen: a code of the error table. */
  readonly code?: string
  readonly rotationDue: boolean
}

/** `random` is in [0, 1), made by the caller: the machine has no randomness of its own. */
export type SyncInput<B> =
  /** The device can reach the server and is open; also "try again now". */
  | { readonly type: "start" }
  | { readonly type: "edits"; readonly edits: readonly Edit<B>[] }
  | { readonly type: "accepted"; readonly pushId: number }
  /** Lost the compare-and-set. `news` are the verified winners; `inStep` says that they reach the head. */
  | {
      readonly type: "conflict"
      readonly pushId: number
      readonly news: ReadonlyMap<string, News<B>>
      readonly inStep: boolean
      readonly random: number
    }
  /** The vault's key is older than a member's newest: rotate, then send again. */
  | { readonly type: "epoch-stale"; readonly pushId: number }
  /** An answer that time alone does not change. */
  | { readonly type: "refused"; readonly pushId: number; readonly code: string }
  /** No answer, or one that says later. */
  | { readonly type: "failed"; readonly pushId: number; readonly random: number }
  /** Verified news that came without a push of ours: the feed, a pull. */
  | { readonly type: "pulled"; readonly news: ReadonlyMap<string, News<B>>; readonly inStep: boolean }
  | { readonly type: "rotation-due" }
  | { readonly type: "rotated" }
  | { readonly type: "rotation-failed"; readonly random: number }
  | { readonly type: "timer" }
  | { readonly type: "froze"; readonly code: string }

export interface PushOp<B> {
  readonly itemId: string
  readonly rev: number
  readonly body: Side<B>
}

/** To be carried out in order; a later one only once the earlier is durable or sent. */
export type SyncCommand<B> =
  /** Entries as they are now. An edit is saved, and may be said to be, once this is durable. */
  | { readonly type: "persist"; readonly put: readonly OutboxEntry<B>[]; readonly drop: readonly string[] }
  /** Seal these under the current epoch, sign one link, send it. Answer with accepted, conflict, epoch-stale, refused or failed. */
  | { readonly type: "push"; readonly pushId: number; readonly ops: readonly PushOp<B>[] }
  | { readonly type: "rotate" }
  | { readonly type: "wait"; readonly ms: number }

export interface SyncStep<B> {
  readonly state: SyncState<B>
  readonly commands: readonly SyncCommand<B>[]
}

/** Merges two sides of one item; see `merge.ts`. `rev` is the committed revision. Pure. */
export type MergeBodies<B> = (input: {
  readonly itemId: string
  readonly rev: number
  readonly base: B | undefined
  readonly committed: Side<B>
  readonly mine: Side<B>
}) =>
  | { readonly outcome: "committed" }
  | { readonly outcome: "deleted" }
  | { readonly outcome: "merged"; readonly body: B; readonly sizeBytes: number }

/**
 * What a device starts with: the outbox it had stored. Nobody waits for the answers of requests before the restart. Until `start`
 * news are merged and nothing is sent.
 */
export const startVaultSync = <B>(stored: Outbox<B>): SyncState<B> => ({
  phase: "idle",
  outbox: unsendAll(stored),
  pushId: 0,
  tries: 0,
  isSilent: false,
  rotationDue: false,
})

export const createVaultSync = <B>(deps: {
  readonly merge: MergeBodies<B>
  readonly limits?: BatchLimits
}): { readonly step: (state: SyncState<B>, input: SyncInput<B>) => SyncStep<B> } => {
  const limits = deps.limits ?? PUSH_LIMITS
  return Object.freeze({
    step: (state: SyncState<B>, input: SyncInput<B>): SyncStep<B> => {
      const changed = apply(deps.merge, state, input)
      const advanced = advance(changed.state, limits)
      const persist = persistCommands(state.outbox, advanced.state.outbox)
      return { state: advanced.state, commands: [...persist, ...changed.commands, ...advanced.commands] }
    },
  })
}

/** What a person is told. Source   spec/sync.md, SY23 */
export const syncStatus = <B>(
  state: SyncState<B>,
): "up-to-date" | "working" | "waiting" | "busy" | "refused" | "frozen" => {
  if (state.phase === "frozen" || state.phase === "refused") return state.phase
  if (state.tries >= BUSY_AFTER && !state.isSilent) return "busy"
  if (state.phase === "pushing" || state.phase === "rotating") return "working"
  return state.outbox.size === 0 && !state.rotationDue ? "up-to-date" : "waiting"
}

/** The wait after a lost race, where so many were lost in a row before it. Source   spec/sync.md, SY17 */
export const waitAfterRace = (tries: number, random: number): number => waitMs(AFTER_RACE, tries, random)

/** The wait after so many attempts in a row that got no answer, for whoever asks a server again. Source   spec/sync.md, SY17 */
export const waitAfterSilence = (tries: number, random: number): number => waitMs(AFTER_SILENCE, tries, random)

// ── inside ───────────────────────────────────────────────────────────────────────────────────────────────────────

const apply = <B>(merge: MergeBodies<B>, state: SyncState<B>, input: SyncInput<B>): SyncStep<B> => {
  switch (input.type) {
    case "start":
      return only(isStopped(state) ? state : ready(state))
    case "edits":
      return only(onEdits(state, input.edits))
    case "accepted":
      if (isStale(state, input.pushId)) return only(state)
      // What was accepted now comes after everything that may have arrived before: nothing hangs any more.
      return only({ ...ready(state), outbox: dropHanging(acknowledge(state.outbox, input.pushId)), tries: 0 })
    case "conflict": {
      if (isStale(state, input.pushId)) return only(state)
      const waiting = withNews(merge, { ...state, outbox: unsend(state.outbox, input.pushId) }, input)
      return retryLater(waiting, AFTER_RACE, input.random)
    }
    case "epoch-stale":
      if (isStale(state, input.pushId)) return only(state)
      return only({ ...ready(state), outbox: unsend(state.outbox, input.pushId), rotationDue: true })
    case "refused":
      if (isStale(state, input.pushId)) return only(state)
      return only({ ...state, phase: "refused", code: input.code, outbox: unsend(state.outbox, input.pushId) })
    case "failed":
      if (isStale(state, input.pushId)) return only(state)
      return retryLater({ ...state, outbox: unsend(state.outbox, input.pushId) }, AFTER_SILENCE, input.random)
    case "pulled":
      return only(state.phase === "frozen" ? state : withNews(merge, state, input))
    case "rotation-due":
      return only({ ...state, rotationDue: true })
    case "rotated":
      return only({ ...(state.phase === "rotating" ? ready(state) : state), rotationDue: false, tries: 0 })
    case "rotation-failed":
      return state.phase === "rotating" ? retryLater(state, AFTER_ROTATION, input.random) : only(state)
    case "timer":
      return only(state.phase === "waiting" ? ready(state) : state)
    case "froze":
      // Nothing is written to a chain that contradicts itself; edits go on waiting here.
      return only({ ...state, phase: "frozen", code: input.code, outbox: unsendAll(state.outbox) })
    default:
      return assertNever(input)
  }
}

const only = <B>(state: SyncState<B>): SyncStep<B> => ({ state, commands: [] })

const isStopped = <B>(state: SyncState<B>): boolean =>
  state.phase === "frozen" || state.phase === "pushing" || state.phase === "rotating"

/** An answer to a request that this machine no longer waits for. */
const isStale = <B>(state: SyncState<B>, pushId: number): boolean =>
  state.phase !== "pushing" || state.pushId !== pushId

const ready = <B>(state: SyncState<B>): SyncState<B> => {
  const { code: _code, ...rest } = state
  return { ...rest, phase: "ready" }
}

const onEdits = <B>(state: SyncState<B>, edits: readonly Edit<B>[]): SyncState<B> => {
  const outbox = edits.reduce(addEdit, state.outbox)
  // A new edit may be what makes a refused request acceptable: something was deleted, a limit was raised.
  return state.phase === "refused" ? { ...ready(state), outbox } : { ...state, outbox }
}

/** Merges news with what waits. News that an entry already grew out of change nothing. */
const withNews = <B>(
  merge: MergeBodies<B>,
  state: SyncState<B>,
  input: { readonly news: ReadonlyMap<string, News<B>>; readonly inStep: boolean },
): SyncState<B> => {
  let { outbox } = state
  for (const [itemId, news] of input.news) {
    const entry = outbox.get(itemId)
    if (entry === undefined || news.rev <= (entry.base?.rev ?? 0)) continue
    if (news.isDeparture === true) {
      outbox = dropEntry(outbox, itemId)
      continue
    }
    const base = mergeBase(entry, news)
    outbox = rebase(
      outbox,
      itemId,
      news,
      merge({ itemId, rev: news.rev, base, committed: news.body, mine: entry.mine }),
    )
  }
  return { ...state, outbox: input.inStep ? dropHanging(outbox) : outbox }
}

const retryLater = <B>(state: SyncState<B>, delay: Delay, random: number): SyncStep<B> => ({
  state: { ...state, phase: "waiting", tries: state.tries + 1, isSilent: delay.isSilent },
  commands: [{ type: "wait", ms: waitMs(delay, state.tries, random) }],
})

/** Between half and all of a growing delay, so that two devices that raced do not race again. */
const waitMs = (delay: Delay, tries: number, random: number): number =>
  Math.round(Math.min(delay.capMs, delay.firstMs * delay.growth(tries)) * (0.5 + random / 2))

/** Starts what can start now: a rotation before any push, and a push only if nothing is under way. */
const advance = <B>(state: SyncState<B>, limits: BatchLimits): SyncStep<B> => {
  if (state.phase !== "ready") return only(state)
  if (state.rotationDue) return { state: { ...state, phase: "rotating" }, commands: [{ type: "rotate" }] }
  const batch = nextBatch(state.outbox, limits)
  if (batch.length === 0) return only(state)
  const pushId = state.pushId + 1
  const itemIds = new Set(batch.map((entry) => entry.itemId))
  const ops = batch.map((entry) => ({ itemId: entry.itemId, rev: revAfter(entry), body: entry.mine }))
  return {
    state: { ...state, phase: "pushing", pushId, outbox: markSent(state.outbox, itemIds, pushId) },
    commands: [{ type: "push", pushId, ops }],
  }
}

const persistCommands = <B>(before: Outbox<B>, after: Outbox<B>): readonly SyncCommand<B>[] => {
  const put = [...after.values()].filter((entry) => before.get(entry.itemId) !== entry)
  const drop = [...before.keys()].filter((itemId) => !after.has(itemId))
  return put.length === 0 && drop.length === 0 ? [] : [{ type: "persist", put, drop }]
}
