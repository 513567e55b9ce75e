/** Times and amounts as a person reads them. `nowMs` is a parameter, so the same input gives the same text. */

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS

/** The time of day for today, else the date and the time: `14:16:09`, `2026-11-20 14:16`. */
export const when = (atMs: number, nowMs: number, timeZone?: string): string => {
  const at = parts(atMs, timeZone)
  const now = parts(nowMs, timeZone)
  return at.day === now.day ? at.time : `${at.day} ${at.time.slice(0, 5)}`
}

/** `7 h 12 m`, `3 days`, `40 s`. */
export const duration = (ms: number): string => {
  if (ms < MINUTE_MS) return `${Math.max(0, Math.round(ms / 1000))} s`
  if (ms < HOUR_MS) return `${Math.floor(ms / MINUTE_MS)} m`
  if (ms < 2 * DAY_MS) {
    const minutes = Math.floor((ms % HOUR_MS) / MINUTE_MS)
    return `${Math.floor(ms / HOUR_MS)} h${minutes === 0 ? "" : ` ${minutes} m`}`
  }
  return `${Math.floor(ms / DAY_MS)} days`
}

/** `8h`, `30m`, `45s`, `2d`, or seconds as a plain number. `undefined` for anything else or nothing. */
export const parseDuration = (text: string): number | undefined => {
  const match = /^(\d{1,6})(s|m|h|d)?$/.exec(text)
  if (match === null || Number(match[1]) === 0) return undefined
  const unit = { s: 1000, m: MINUTE_MS, h: HOUR_MS, d: DAY_MS }[match[2] ?? "s"] ?? 1000
  return Number(match[1]) * unit
}

/** `1 item`, `3 items`. */
export const count = (n: number, one: string, many = `${one}s`): string => `${n} ${n === 1 ? one : many}`

export const iso = (ms: number): string => new Date(ms).toISOString()

const parts = (ms: number, timeZone: string | undefined): { readonly day: string; readonly time: string } => {
  // The Swedish form is the ISO one in local time.
  const text = new Intl.DateTimeFormat("sv-SE", {
    dateStyle: "short",
    timeStyle: "medium",
    ...(timeZone === undefined || timeZone === "" ? {} : { timeZone }),
  }).format(ms)
  return { day: text.slice(0, 10), time: text.slice(11) }
}
