/*
 * What this device has yet to send: one entry for each item, durable before anything is said to be saved. A reducer: every function
 * gives a new outbox. `B` is a body that this file never looks into.
 * Source: spec/sync.md, SY7–SY12
 */

/** A body, or the wish that the item be gone. */
export type Side<B> = B | "deleted"

/** What the vault's chain says of an item. Revision 0: it was never there. */
export interface Committed<B> {
  readonly rev: number
  readonly body: Side<B>
}

/** The same, as it comes from verified links. */
export interface News<B> extends Committed<B> {
  /** The newest revision among them that this device signed. */
  readonly ownRev?: number
  /** A deletion that the vault's profile names as a departure: the item is no longer one of this vault, nor is an edit of it (SY31). */
  readonly isDeparture?: boolean
}

export interface OutboxEntry<B> {
  readonly itemId: string
  /** Waiting edits are sent in this order: that of the first edit since the item was last in step. */
  readonly order: number
  /** The newest revision that `mine` grew out of; absent for an item that this device made. */
  readonly base?: Committed<B>
  readonly mine: Side<B>
  /** How many edits went into `mine`. */
  readonly edits: number
  /** About how many bytes `mine` takes in a request. */
  readonly sizeBytes: number
  /** Present while a request carries it: what was sent. `mine` may be newer by then. */
  readonly sent?: { readonly pushId: number; readonly body: Side<B>; readonly edits: number }
  /** The first body ever sent on this base. Its answer may have been lost on the way, so it may stand in the chain. */
  readonly tried?: { readonly body: Side<B> }
}

/** By item id. */
export type Outbox<B> = ReadonlyMap<string, OutboxEntry<B>>

/** One edit as a person made it. `base` counts only where nothing of the item waits yet. */
export interface Edit<B> {
  readonly itemId: string
  readonly base?: Committed<B>
  readonly mine: Side<B>
  readonly sizeBytes: number
}

/** Adds an edit. A second one of the same item replaces the first and keeps its base and its place in line (SY8). */
export const addEdit = <B>(outbox: Outbox<B>, edit: Edit<B>): Outbox<B> => {
  const waiting = outbox.get(edit.itemId)
  if (waiting !== undefined) {
    const { mine, sizeBytes } = edit
    return settle(outbox, { ...waiting, mine, sizeBytes, edits: waiting.edits + 1 })
  }
  const order = Math.max(0, ...[...outbox.values()].map((entry) => entry.order)) + 1
  return settle(outbox, { ...edit, order, edits: 1 })
}

export interface BatchLimits {
  readonly maxOps: number
  readonly maxBytes: number
}

/** The entries of one link: the oldest that wait, up to the limits (SY9). One that alone is larger than `maxBytes` is still taken. */
export const nextBatch = <B>(outbox: Outbox<B>, limits: BatchLimits): readonly OutboxEntry<B>[] => {
  const batch: OutboxEntry<B>[] = []
  let size = 0
  const waiting = [...outbox.values()].filter((entry) => entry.sent === undefined && !isHanging(entry))
  for (const entry of waiting.sort((a, b) => a.order - b.order)) {
    if (batch.length >= limits.maxOps || (batch.length > 0 && size + entry.sizeBytes > limits.maxBytes)) break
    batch.push(entry)
    size += entry.sizeBytes
  }
  return batch
}

/** These entries travel now. */
export const markSent = <B>(outbox: Outbox<B>, itemIds: ReadonlySet<string>, pushId: number): Outbox<B> =>
  mapEntries(outbox, (entry) => {
    if (!itemIds.has(entry.itemId)) return entry
    const { mine: body, edits } = entry
    return { ...entry, sent: { pushId, body, edits }, tried: entry.tried ?? { body } }
  })

/** The request failed or lost a race: its entries wait again. Whether it arrived is not known, `tried` remembers that. */
export const unsend = <B>(outbox: Outbox<B>, pushId: number): Outbox<B> =>
  mapEntries(outbox, (entry) => (entry.sent?.pushId === pushId ? withoutSent(entry) : entry))

/** The same for all requests: after a restart nobody waits for their answers any more. */
export const unsendAll = <B>(outbox: Outbox<B>): Outbox<B> => mapEntries(outbox, withoutSent)

/** The request was accepted. What was edited meanwhile waits on, based on what was just accepted; the rest is done (SY10). */
export const acknowledge = <B>(outbox: Outbox<B>, pushId: number): Outbox<B> =>
  mapEntries(outbox, (entry) => {
    const { sent } = entry
    if (sent?.pushId !== pushId) return entry
    if (sent.edits === entry.edits) return undefined
    return settled(withBase(entry, { rev: revAfter(entry), body: sent.body }))
  })

/** The revision that an entry's op has. */
export const revAfter = <B>(entry: OutboxEntry<B>): number => (entry.base?.rev ?? 0) + 1

/**
 * The body that `mine` is to be compared with when `news` arrive. Usually the base; where this device's own revision is among the
 * news, what it had sent: an answer that was lost must not make a device conflict with itself (SY11).
 */
export const mergeBase = <B>(entry: OutboxEntry<B>, news: News<B>): B | undefined => {
  const isOwn = news.ownRev !== undefined && news.ownRev === revAfter(entry) && entry.tried !== undefined
  const side = !isOwn ? entry.base?.body : news.ownRev === news.rev ? news.body : entry.tried.body
  return side === "deleted" ? undefined : side
}

/** What merging an entry with news gives. */
export type Rebased<B> =
  | { readonly outcome: "committed" }
  | { readonly outcome: "deleted" }
  | { readonly outcome: "merged"; readonly body: B; readonly sizeBytes: number }

/** An entry after it was merged with what is committed now; gone where nothing of mine remains. */
export const rebase = <B>(outbox: Outbox<B>, itemId: string, committed: Committed<B>, result: Rebased<B>): Outbox<B> =>
  mapEntries(outbox, (entry) => {
    if (entry.itemId !== itemId) return entry
    if (result.outcome === "committed") return undefined
    const next = withBase(entry, { rev: committed.rev, body: committed.body })
    return settled(
      result.outcome === "deleted"
        ? { ...next, mine: "deleted" as const }
        : { ...next, mine: result.body, sizeBytes: result.sizeBytes },
    )
  })

/** This device is in step with the vault's head: deletions of items that never arrived there have nothing left to say. */
export const dropHanging = <B>(outbox: Outbox<B>): Outbox<B> =>
  mapEntries(outbox, (entry) => (isHanging(entry) && entry.sent === undefined ? undefined : entry))

/** Nothing of this item is to be sent any more. */
export const dropEntry = <B>(outbox: Outbox<B>, itemId: string): Outbox<B> =>
  mapEntries(outbox, (entry) => (entry.itemId === itemId ? undefined : entry))

// ── inside ───────────────────────────────────────────────────────────────────────────────────────────────────────

/** A deletion of what is not known to be there. It waits for news where a request may have put it there, else it is nothing. */
const isHanging = <B>(entry: OutboxEntry<B>): boolean =>
  entry.mine === "deleted" && (entry.base === undefined || entry.base.body === "deleted")

const settled = <B>(entry: OutboxEntry<B>): OutboxEntry<B> | undefined =>
  isHanging(entry) && entry.tried === undefined ? undefined : entry

const settle = <B>(outbox: Outbox<B>, entry: OutboxEntry<B>): Outbox<B> => {
  const kept = settled(entry)
  if (kept !== undefined) return new Map([...outbox, [kept.itemId, kept]])
  return new Map([...outbox].filter(([itemId]) => itemId !== entry.itemId))
}

const withoutSent = <B>(entry: OutboxEntry<B>): OutboxEntry<B> => {
  if (entry.sent === undefined) return entry
  const { sent: _sent, ...rest } = entry
  return rest
}

const withBase = <B>(entry: OutboxEntry<B>, base: Committed<B>): OutboxEntry<B> => {
  const { sent: _sent, tried: _tried, ...rest } = entry
  return { ...rest, base }
}

const mapEntries = <B>(outbox: Outbox<B>, change: (entry: OutboxEntry<B>) => OutboxEntry<B> | undefined): Outbox<B> => {
  const next = new Map<string, OutboxEntry<B>>()
  for (const entry of outbox.values()) {
    const changed = change(entry)
    if (changed !== undefined) next.set(changed.itemId, changed)
  }
  return next
}
