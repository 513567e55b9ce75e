import type { AskedEntry } from "./messages.ts"

const HOUR_MS = 60 * 60 * 1000
const MOST = 500

/** Who asked for what in the last hour. In memory only: names of commands, no references and no values. */
export interface AskedLog {
  readonly note: (entry: AskedEntry) => void
  readonly lastHour: (nowMs: number) => readonly AskedEntry[]
}

export const createAskedLog = (): AskedLog => {
  let entries: AskedEntry[] = []
  return Object.freeze({
    note: (entry: AskedEntry) => {
      entries.push(entry)
      if (entries.length > MOST) entries = entries.slice(-MOST)
    },
    lastHour: (nowMs: number) => {
      entries = entries.filter((entry) => entry.atMs > nowMs - HOUR_MS)
      return entries
    },
  })
}
