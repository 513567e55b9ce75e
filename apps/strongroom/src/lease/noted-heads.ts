import { bytesToHex } from "@keyferry/base"

import type { ChainHead } from "./rows.ts"

/** Heads that moved since they were last written down: no start and no minute has to look at all the others. */
export interface NotedHeads {
  readonly note: (head: ChainHead) => void
  /** Those that could not be written down stay noted. */
  readonly raise: () => Promise<void>
}

export const createNotedHeads = (raiseHeads: (heads: readonly ChainHead[]) => Promise<void>): NotedHeads => {
  const noted = new Map<string, ChainHead>()
  const note = (head: ChainHead): void => {
    const place = `${head.kind} ${bytesToHex(head.id)}`
    if ((noted.get(place)?.seq ?? -1) < head.seq) noted.set(place, head)
  }
  return Object.freeze<NotedHeads>({
    note,
    raise: async () => {
      const heads = [...noted.values()]
      noted.clear()
      try {
        await raiseHeads(heads)
      } catch (error) {
        for (const head of heads) note(head)
        throw error
      }
    },
  })
}
