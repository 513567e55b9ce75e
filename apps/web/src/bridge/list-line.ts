import type { ItemSummary } from "@keyferry/sdk"

import { decodePart, encodePart } from "./list-part.ts"

/*
 * The list of all items crosses the line as its changes, in parts: copying ten thousand summaries at once would hold the page
 * up for longer than a person waits, and one edit changes one of them. A part is one text: objects would be taken apart and put
 * together at every end of the line, with each of their names, and a tab that does not lead has one end more.
 */
const IN_PART = 500

/** What an answer to `list` says beside its parts. */
export interface ListEnd {
  /** Nothing that was told on this line before counts. */
  readonly fresh: boolean
  readonly gone: readonly string[]
}

/** The sending end: knows what it told. */
export interface ListTeller {
  readonly tell: (items: readonly ItemSummary[], part: (text: string) => void) => ListEnd
  readonly forget: () => void
}

export const createListTeller = (): ListTeller => {
  const told = new Map<string, ItemSummary>()
  let last: readonly ItemSummary[] | undefined
  return {
    tell: (items, part) => {
      const fresh = told.size === 0
      if (last === items && !fresh) return { fresh, gone: [] }
      last = items
      const changed = items.filter((item) => told.get(item.id) !== item)
      for (const item of changed) told.set(item.id, item)
      const gone: string[] = []
      // Every item that is there was told: more than those are some that are there no more.
      if (told.size > items.length) {
        const now = new Set(items.map(({ id }) => id))
        for (const id of told.keys()) if (!now.has(id)) gone.push(id)
        for (const id of gone) told.delete(id)
      }
      for (let at = 0; at < changed.length; at += IN_PART) part(encodePart(changed.slice(at, at + IN_PART)))
      return { fresh, gone }
    },
    forget: () => {
      told.clear()
      last = undefined
    },
  }
}

/** The receiving end. The summary of an item that did not change is the same object as before, and so is a list in which none did. */
export interface ListHearer {
  readonly part: (id: number, text: string) => void
  readonly end: (id: number, end: ListEnd) => readonly ItemSummary[]
  readonly forget: () => void
}

export const createListHearer = (): ListHearer => {
  let known = new Map<string, ItemSummary>()
  let list: readonly ItemSummary[] = []
  const parts = new Map<number, ItemSummary[]>()
  return {
    part: (id, text) => {
      const items = decodePart(text)
      const sofar = parts.get(id)
      if (sofar === undefined) parts.set(id, [...items])
      else sofar.push(...items)
    },
    end: (id, { fresh, gone }) => {
      const changed = parts.get(id) ?? []
      parts.delete(id)
      if (!fresh && gone.length === 0 && changed.length === 0) return list
      if (fresh) known = new Map()
      for (const one of gone) known.delete(one)
      for (const item of changed) known.set(item.id, item)
      list = [...known.values()]
      return list
    },
    forget: () => {
      known = new Map()
      list = []
      parts.clear()
    },
  }
}
