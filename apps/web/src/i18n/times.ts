import { intlLocale } from "./locale.ts"
import { fromTable, t } from "./translate.ts"

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

const dayFormat = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" })
const dayYearFormat = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric" })
const clockFormat = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" })

/** `just now`, `5 min ago`, `2 h ago`, `yesterday`, `12 Oct`, `12 Oct 2025`. */
export const ago = (atMs: number, nowMs: number): string => {
  const past = Math.max(0, nowMs - atMs)
  if (past < MINUTE) return t("time.now")
  if (past < HOUR) return t("time.minutes", { n: Math.floor(past / MINUTE) })
  if (past < DAY) return t("time.hours", { n: Math.floor(past / HOUR) })
  if (past < 2 * DAY) return t("time.yesterday")
  if (past < 31 * DAY) return t("time.days", { n: Math.floor(past / DAY) })
  return day(atMs, nowMs)
}

export const day = (atMs: number, nowMs: number): string =>
  fromTable((new Date(atMs).getFullYear() === new Date(nowMs).getFullYear() ? dayFormat : dayYearFormat).format(atMs))

/** `today 14:16`, `12 Oct 14:16`. */
export const dayAndTime = (atMs: number, nowMs: number): string => {
  const time = clockFormat.format(atMs)
  return new Date(atMs).toDateString() === new Date(nowMs).toDateString()
    ? t("time.today-at", { time })
    : t("time.day-at", { day: day(atMs, nowMs), time })
}

export const clock = (atMs: number): string => clockFormat.format(atMs)

/** `0:24` */
export const countdown = (seconds: number): string =>
  `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`

export const list = (names: readonly string[]): string =>
  new Intl.ListFormat(intlLocale(), { type: "conjunction" }).format(names)
