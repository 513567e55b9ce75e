import type { FieldValue, LeaseClass } from "./field.ts"
import type { Item } from "./item.ts"

/**
 * The parts of an item that merge one by one, as an ordered map: its fields, and beside them the pseudo-fields
 * `title`, `tags` (one a line), `notes` and `class`. A real field with such a name stands as `field:title`, so that
 * a variable called `title` in an environment set is never taken for the title.
 */
export type MergeFields = ReadonlyMap<string, FieldValue>

const PSEUDO = new Set(["title", "tags", "notes", "class"])
const PREFIX = "field:"

export const fieldToMergeName = (name: string): string =>
  PSEUDO.has(name) || name.startsWith(PREFIX) ? PREFIX + name : name

/** `undefined` for a pseudo-field. */
export const mergeNameToField = (name: string): string | undefined => {
  if (PSEUDO.has(name)) return undefined
  return name.startsWith(PREFIX) ? name.slice(PREFIX.length) : name
}

/** Notes may hold anything a person wrote, so they count as secret. An absent part is left out. */
export const itemToMergeFields = (item: Item): MergeFields => {
  const merge = new Map<string, FieldValue>([["title", { value: item.title, secret: false }]])
  for (const [name, field] of item.fields) merge.set(fieldToMergeName(name), field)
  if (item.tags.length > 0) merge.set("tags", { value: item.tags.join("\n"), secret: false })
  if (item.notes !== "") merge.set("notes", { value: item.notes, secret: true })
  if (item.leaseClass !== undefined) merge.set("class", { value: item.leaseClass, secret: false })
  return merge
}

/** Puts merged parts back into an item; everything that does not merge comes from `item`. */
export const withMergeFields = (item: Item, merge: MergeFields): Item => {
  const fields = new Map<string, FieldValue>()
  for (const [name, field] of merge) {
    const real = mergeNameToField(name)
    if (real !== undefined) fields.set(real, field)
  }
  const { leaseClass: _replaced, ...rest } = item
  const leaseClass = merge.get("class")?.value
  return {
    ...rest,
    title: merge.get("title")?.value ?? "",
    fields,
    tags: (merge.get("tags")?.value ?? "").split("\n").filter((tag) => tag !== ""),
    notes: merge.get("notes")?.value ?? "",
    ...(isLeaseClass(leaseClass) ? { leaseClass } : {}),
  }
}

const isLeaseClass = (value: string | undefined): value is LeaseClass => value === "strict" || value === "standard"
