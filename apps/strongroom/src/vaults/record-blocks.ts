import type { Store } from "@keyferry/store"

import type { MainTables } from "../store/tables.ts"

/** Records of one push follow each other in one block; a request never has more. */
export const RECORDS_IN_BLOCK = 1024
const BLOCKS_AT_ONCE = 1024

/**
 * Numbers for the records of a push, rising, without a statement for each push: a process takes a thousand blocks at
 * once. Blocks that a stopped process did not use are never used.
 */
export interface RecordBlocks {
  /** Ask outside of a transaction. Never 0. */
  readonly next: () => Promise<number>
}

export const createRecordBlocks = (store: Store<MainTables>): RecordBlocks => {
  let next = 0
  let end = 0
  let filling: Promise<void> | undefined
  const fill = async (): Promise<void> => {
    const hi = await store.transaction((tx) => store.nextNumber(tx, "record-blocks"))
    next = hi * BLOCKS_AT_ONCE
    end = next + BLOCKS_AT_ONCE
  }
  return Object.freeze({
    next: async () => {
      while (next >= end) {
        filling ??= fill().finally(() => (filling = undefined))
        await filling
      }
      return next++
    },
  })
}
