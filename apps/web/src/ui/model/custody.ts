import type { DeviceInfo, ItemSummary } from "@keyferry/sdk"

import { ago, list } from "../../i18n/times.ts"
import { type MessageId, t } from "../../i18n/translate.ts"
import { holdsKeys } from "./device-state.ts"

/*
 * Where a credential is right now, one mark for each device. A device has a synced credential as soon as it was in step
 * after the last change; one that has not shown itself since then is still waiting for it.
 */
export const CUSTODY_MARKS = ["here", "on-the-way", "local-only", "not-here"] as const
export type CustodyMark = (typeof CUSTODY_MARKS)[number]

export interface CustodyEntry {
  readonly deviceId: string
  readonly name: string
  readonly isThis: boolean
  readonly mark: CustodyMark
  readonly lastSeenMs: number
}

const markOf = (item: ItemSummary, device: DeviceInfo): CustodyMark => {
  if (device.isThis) return item.policy === "local-only" ? "local-only" : "here"
  if (item.policy === "local-only") return "not-here"
  if (item.custody === "waiting") return "on-the-way"
  return device.lastSeenMs >= item.updatedAtMs ? "here" : "on-the-way"
}

/** In a fixed order: this device first, then by the day they were added. */
export const devicesInOrder = (devices: readonly DeviceInfo[]): readonly DeviceInfo[] =>
  devices.filter(holdsKeys).sort((a, b) => Number(b.isThis) - Number(a.isThis) || a.addedAtMs - b.addedAtMs)

/** While the server did not say which devices there are: this browser is known of, and nothing else. */
const ONLY_THIS_KNOWN = "this"

export const custodyOf = (item: ItemSummary, inOrder: readonly DeviceInfo[]): readonly CustodyEntry[] => {
  if (inOrder.length === 0) {
    const mark = item.policy === "local-only" ? "local-only" : "here"
    return [{ deviceId: ONLY_THIS_KNOWN, name: t("device.this"), isThis: true, mark, lastSeenMs: 0 }]
  }
  return inOrder.map((device) => ({
    deviceId: device.id,
    name: device.name,
    isThis: device.isThis,
    mark: markOf(item, device),
    lastSeenMs: device.lastSeenMs,
  }))
}

const LINES: Readonly<Record<CustodyMark, MessageId>> = {
  here: "custody.here",
  "on-the-way": "custody.on-the-way",
  "local-only": "custody.local-only",
  "not-here": "custody.not-here",
}

/** "Chrome@desk: on the way, last seen yesterday" */
export const custodyLine = (entry: CustodyEntry, nowMs: number): string =>
  t(LINES[entry.mark], {
    device: entry.isThis ? t("device.this") : entry.name,
    seen: ago(entry.lastSeenMs, nowMs),
  })

/** For readers of the row: "On 2 of 4 devices; on the way to Phone". */
export const custodySentence = (entries: readonly CustodyEntry[]): string => {
  if (entries.some((entry) => entry.mark === "local-only")) return t("custody.only-this")
  if (entries[0]?.deviceId === ONLY_THIS_KNOWN) return t("custody.others-unknown")
  const waiting = entries.filter((entry) => entry.mark === "on-the-way")
  const here = entries.filter((entry) => entry.mark === "here").length
  return waiting.length === 0
    ? t("custody.on-all", { n: here })
    : t("custody.on-some", { n: here, total: entries.length, names: list(waiting.map((entry) => entry.name)) })
}
