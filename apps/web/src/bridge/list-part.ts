import type { ItemSummary } from "@keyferry/sdk"

/*
 * Summaries as one text, field by field: the names of the fields would be longer than what most of them hold, and of what repeats
 * (vault, kind, policy) each is said once. A third of the text and of the time that objects take.
 */
interface Part {
  readonly id: readonly string[]
  readonly vault: Words<string>
  readonly kind: Words<string>
  readonly title: readonly string[]
  readonly summary: readonly string[]
  readonly policy: Words<ItemSummary["policy"]>
  readonly class: Words<ItemSummary["class"]>
  readonly rev: readonly number[]
  readonly updatedAtMs: readonly number[]
  readonly custody: Words<ItemSummary["custody"]>
  readonly conflicts: readonly number[]
  // What few have: [which, value].
  readonly tags: readonly (readonly [number, readonly string[]])[]
  readonly deletedAtMs: readonly (readonly [number, number])[]
}
/** The different words, and which of them each item has. */
type Words<T> = readonly [words: readonly T[], which: readonly number[]]

const wordsOf = <T>(values: readonly T[]): Words<T> => {
  const places = new Map<T, number>()
  const which = values.map((value) => {
    const known = places.get(value)
    if (known !== undefined) return known
    places.set(value, places.size)
    return places.size - 1
  })
  return [[...places.keys()], which]
}

export const encodePart = (items: readonly ItemSummary[]): string =>
  JSON.stringify({
    id: items.map((item) => item.id),
    vault: wordsOf(items.map((item) => item.vault)),
    kind: wordsOf(items.map((item) => item.kind)),
    title: items.map((item) => item.title),
    summary: items.map((item) => item.summary),
    policy: wordsOf(items.map((item) => item.policy)),
    class: wordsOf(items.map((item) => item.class)),
    rev: items.map((item) => item.rev),
    updatedAtMs: items.map((item) => item.updatedAtMs),
    custody: wordsOf(items.map((item) => item.custody)),
    conflicts: items.map((item) => item.conflicts),
    tags: items.flatMap((item, n) => (item.tags.length === 0 ? [] : [[n, item.tags] as const])),
    deletedAtMs: items.flatMap((item, n) => (item.deletedAtMs === undefined ? [] : [[n, item.deletedAtMs] as const])),
  } satisfies Part)

const wordAt = <T>([words, which]: Words<T>, n: number): T => {
  const word = words[which[n] ?? 0]
  if (word === undefined) throw new Error("a part without its words")
  return word
}

const NO_TAGS: readonly string[] = []

/** What `encodePart` made: both ends are of one program. */
export const decodePart = (text: string): readonly ItemSummary[] => {
  const part = JSON.parse(text) as Part
  const tags = new Map(part.tags)
  const deleted = new Map(part.deletedAtMs)
  return part.id.map((id, n): ItemSummary => {
    const deletedAtMs = deleted.get(n)
    const item: ItemSummary = {
      id,
      vault: wordAt(part.vault, n),
      kind: wordAt(part.kind, n),
      title: part.title[n] ?? "",
      summary: part.summary[n] ?? "",
      tags: tags.get(n) ?? NO_TAGS,
      policy: wordAt(part.policy, n),
      class: wordAt(part.class, n),
      rev: part.rev[n] ?? 0,
      updatedAtMs: part.updatedAtMs[n] ?? 0,
      custody: wordAt(part.custody, n),
      conflicts: part.conflicts[n] ?? 0,
    }
    return deletedAtMs === undefined ? item : { ...item, deletedAtMs }
  })
}
