/*
 * Merging two edits of one item, field by field, on (base, committed, mine). `committed` is what stands in the chain; `mine` comes
 * after it whatever the clocks say, because this device has yet to sign it.
 * Source: spec/sync.md, SY1–SY6
 */

export interface MergeField {
  readonly value: string
  readonly secret: boolean
}

/** Ordered: the order of insertion is the order on screen. */
export type MergeFields<F extends MergeField = MergeField> = ReadonlyMap<string, F>

export interface MergeInput<F extends MergeField> {
  /** The newest revision that both sides come from; `undefined` where they have none in common. */
  readonly base?: MergeFields<F> | undefined
  readonly committed: MergeFields<F>
  readonly mine: MergeFields<F>
}

/** Both sides changed one field to different values. `committed` stays in the item; `mine` is to be kept as an alternative. */
export interface MergeConflict<F extends MergeField = MergeField> {
  readonly name: string
  readonly committed: F
  readonly mine: F
}

export interface MergeResult<F extends MergeField> {
  readonly fields: MergeFields<F>
  readonly conflicts: readonly MergeConflict<F>[]
}

/**
 * Merges two sets of fields. One side changed a field: its value is taken. Both changed it: the committed value stays and mine is a
 * conflict. One side took a field out and the other changed it: the change stays. A field is secret if a side made it so.
 * Source   spec/sync.md, SY1–SY4
 */
export const mergeFields = <F extends MergeField>(input: MergeInput<F>): MergeResult<F> => {
  const conflicts: MergeConflict<F>[] = []
  const merged = new Map<string, F>()
  for (const name of mergedOrder(input)) {
    const committed = input.committed.get(name)
    const mine = input.mine.get(name)
    const field = mergeOne(input.base?.get(name), committed, mine)
    if (field === undefined) continue
    merged.set(name, field.value)
    if (field.isConflict && committed !== undefined && mine !== undefined) conflicts.push({ name, committed, mine })
  }
  return { fields: merged, conflicts }
}

/** One side of a whole item: its fields, or the wish that it be gone. */
export type MergeSide<F extends MergeField = MergeField> = MergeFields<F> | "deleted"

export type ItemMerge<F extends MergeField> =
  | { readonly outcome: "deleted" }
  /** Mine adds nothing: what is committed stands, nothing is to be sent. */
  | { readonly outcome: "committed" }
  | ({ readonly outcome: "merged" } & MergeResult<F>)

/**
 * The same for items that one side deleted: a deletion counts only against a side that changed nothing.
 * Source   spec/sync.md, SY5
 */
export const mergeItem = <F extends MergeField>(input: {
  readonly base?: MergeFields<F> | undefined
  readonly committed: MergeSide<F>
  readonly mine: MergeSide<F>
}): ItemMerge<F> => {
  const { base, committed, mine } = input
  if (mine === "deleted") {
    if (committed === "deleted") return { outcome: "committed" }
    return base !== undefined && areSameFields(base, committed) ? { outcome: "deleted" } : { outcome: "committed" }
  }
  if (committed === "deleted") {
    if (base !== undefined && areSameFields(base, mine)) return { outcome: "committed" }
    return { outcome: "merged", fields: mine, conflicts: [] }
  }
  const result = mergeFields({ base, committed, mine })
  const addsNothing = result.conflicts.length === 0 && areSameFields(result.fields, committed)
  return addsNothing ? { outcome: "committed" } : { outcome: "merged", ...result }
}

/** Same names, values and order. */
export const areSameFields = (a: MergeFields, b: MergeFields): boolean =>
  areSameNames([...a.keys()], [...b.keys()]) && [...a].every(([name, field]) => isSame(field, b.get(name)))

// ── inside ───────────────────────────────────────────────────────────────────────────────────────────────────────

const isSame = (a: MergeField | undefined, b: MergeField | undefined): boolean =>
  a === undefined || b === undefined ? a === b : a.value === b.value && a.secret === b.secret

const mergeOne = <F extends MergeField>(
  base: F | undefined,
  committed: F | undefined,
  mine: F | undefined,
): { readonly value: F; readonly isConflict: boolean } | undefined => {
  const kept = (value: F | undefined) => (value === undefined ? undefined : { value, isConflict: false })
  if (committed === undefined || mine === undefined) {
    // Taken out by one side (or never there): what the other side changed or added stays, what it left alone goes.
    const other = committed ?? mine
    return isSame(base, other) ? undefined : kept(other)
  }
  // Value and mark are two things: one side may have changed the text while the other only marked it as secret.
  const isMarkChanged = base === undefined ? mine.secret : mine.secret !== base.secret
  const secret = isMarkChanged ? mine.secret : committed.secret
  if (mine.value === committed.value || mine.value === base?.value) return kept({ ...committed, secret })
  if (committed.value === base?.value) return kept({ ...mine, secret })
  // Of two values the hidden one decides: a conflict must not show what somebody just marked as secret.
  return { value: { ...committed, secret: secret || mine.secret }, isConflict: true }
}

/** Committed order, with what only I have after the field it follows on my side. Where only I moved fields, my order. */
const mergedOrder = (input: MergeInput<MergeField>): readonly string[] => {
  const committed = [...input.committed.keys()]
  const mine = [...input.mine.keys()]
  const isCommittedUnmoved = input.base !== undefined && areSameNames([...input.base.keys()], committed)
  return isCommittedUnmoved ? interleave(mine, committed) : interleave(committed, mine)
}

const areSameNames = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && a.every((name, i) => name === b[i])

const interleave = (first: readonly string[], second: readonly string[]): readonly string[] => {
  const out = [...first]
  for (const [i, name] of second.entries()) {
    if (out.includes(name)) continue
    const before = second[i - 1]
    out.splice(before === undefined ? 0 : out.indexOf(before) + 1, 0, name)
  }
  return out
}
