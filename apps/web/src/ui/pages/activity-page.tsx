import { useMemo } from "react"
import { Link } from "wouter"

import { dayAndTime } from "../../i18n/times.ts"
import { t } from "../../i18n/translate.ts"
import { useDevices, useItems } from "../data/app-context.tsx"
import { useNow } from "../data/use-now.ts"
import { Icon, type IconName } from "../kit/icon.tsx"
import { Notice } from "../kit/notice.tsx"
import { Empty, PageHead } from "../kit/pieces.tsx"

const THIRTY_DAYS_MS = 30 * 24 * 60 * 60 * 1000
const MOST = 200

interface Line {
  readonly key: string
  readonly atMs: number
  readonly icon: IconName
  readonly text: string
  readonly to: string
}

/** What this device knows of the last 30 days, made readable here; the server's own log has ids only. */
export const ActivityPage = () => {
  const items = useItems()
  const devices = useDevices()
  const nowMs = useNow()
  const lines = useMemo(() => {
    const since = nowMs - THIRTY_DAYS_MS
    const found: Line[] = [
      ...items.map((item) => ({
        key: item.id,
        atMs: item.updatedAtMs,
        icon: "edit" as const,
        text: t(item.rev <= 1 ? "activity.added" : "activity.changed", { name: item.title.slice(0, 120) }),
        to: `/item/${item.id}/history`,
      })),
      ...devices.map((device) => ({
        key: device.id,
        atMs: device.addedAtMs,
        icon: "devices" as const,
        text: t("activity.device", { device: device.name.slice(0, 80) }),
        to: "/devices",
      })),
    ]
    return found
      .filter((line) => line.atMs >= since)
      .sort((a, b) => b.atMs - a.atMs)
      .slice(0, MOST)
  }, [items, devices, nowMs])
  return (
    <div className="page">
      <PageHead title={t("place.activity")} lead={t("activity.lead")} />
      {lines.length === 0 ? <Empty>{t("activity.empty")}</Empty> : null}
      <ol className="plain-rows">
        {lines.map((line) => (
          <li key={line.key} className="plain-row">
            <Icon name={line.icon} />
            <span className="plain-row-name">
              <Link to={line.to}>
                <bdi>{line.text}</bdi>
              </Link>
            </span>
            <span className="muted numbers">{dayAndTime(line.atMs, nowMs)}</span>
          </li>
        ))}
      </ol>
      <Notice tone="info">{t("activity.server-log")}</Notice>
    </div>
  )
}
