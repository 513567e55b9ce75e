import { useMemo, useState } from "react"
import { Link } from "wouter"

import type { AccountLogLine } from "@keyferry/sdk"

import { dayAndTime } from "../../i18n/times.ts"
import { t } from "../../i18n/translate.ts"
import { useDevices, useItems, useKeyferry, useStatus } from "../data/app-context.tsx"
import { useAsk } from "../data/use-ask.ts"
import { useNow } from "../data/use-now.ts"
import { Icon, type IconName } from "../kit/icon.tsx"
import { FailureNotice, Notice } from "../kit/notice.tsx"
import { Badge, Empty, PageHead, ProgressBar } from "../kit/pieces.tsx"
import { SelectBox } from "../kit/select-box.tsx"
import { iconOf, isWorthALook, sentenceOf } from "../model/account-log.ts"
import { shortened } from "../model/shortened.ts"

const THIRTY_DAYS_MS = 30 * 24 * 60 * 60 * 1000
const MOST = 300

interface Line {
  readonly key: string
  readonly atMs: number
  readonly icon: IconName
  readonly text: string
  readonly to?: string
  /** A line of the server's log, as it came. */
  readonly logged?: AccountLogLine
}

type Shown = "everything" | "account" | "credentials"

/** Tells a person nothing; it stands in what the server has. */
const IDENTIFIER = /^[0-9a-f]{16,}$/

/** What the server logged about the account and what this browser knows of its credentials, by time, in words. */
export const ActivityPage = () => {
  const keyferry = useKeyferry()
  const items = useItems()
  const devices = useDevices()
  const hasAccount = useStatus().mode === "account"
  const nowMs = useNow()
  const [shown, setShown] = useState<Shown>("everything")
  const log = useAsk(
    async () => (hasAccount ? keyferry.accountLog() : { ok: true as const, value: [] }),
    `account-log ${hasAccount}`,
  )
  const logged = useMemo(() => linesOfLog(log.value ?? [], devices), [log.value, devices])
  const edits = useMemo(
    () =>
      items
        .filter((item) => item.updatedAtMs >= nowMs - THIRTY_DAYS_MS)
        .map((item) => ({
          key: item.id,
          atMs: item.updatedAtMs,
          icon: "edit" as const,
          text: t(item.rev <= 1 ? "activity.added" : "activity.changed", { name: shortened(item.title, 120) }),
          to: `/item/${item.id}/history`,
        })),
    [items, nowMs],
  )
  const lines: readonly Line[] = [...(shown === "credentials" ? [] : logged), ...(shown === "account" ? [] : edits)]
    .sort((a, b) => b.atMs - a.atMs)
    .slice(0, MOST)
  return (
    <div className="page">
      <PageHead title={t("place.activity")} lead={t("activity.lead")} />
      {hasAccount ? (
        <div className="filters">
          <SelectBox
            label={t("activity.show")}
            value={shown}
            onChange={setShown}
            options={[
              ["everything", t("activity.everything")],
              ["account", t("activity.account")],
              ["credentials", t("activity.credentials")],
            ]}
          />
        </div>
      ) : (
        <Notice tone="info">{t("activity.without")}</Notice>
      )}
      <FailureNotice failure={log.failure} />
      {log.loading ? <ProgressBar label={t("activity.asking")} /> : null}
      {lines.length === 0 && !log.loading ? <Empty>{t("activity.empty")}</Empty> : null}
      <ol className="plain-rows">
        {lines.map((line) => (
          <li
            key={line.key}
            className="plain-row activity-row"
            {...(line.logged !== undefined && isWorthALook(line.logged.kind) ? { "data-tone": "warn" } : {})}
          >
            <Icon name={line.icon} />
            <span className="plain-row-name">
              {line.to === undefined ? (
                <bdi>{line.text}</bdi>
              ) : (
                <Link to={line.to}>
                  <bdi>{line.text}</bdi>
                </Link>
              )}
              {line.logged?.detail === undefined || IDENTIFIER.test(line.logged.detail) ? null : (
                <bdi className="muted">{line.logged.detail.slice(0, 120)}</bdi>
              )}
            </span>
            {line.logged === undefined ? (
              <Badge>{t("activity.here")}</Badge>
            ) : (
              <details className="log-line">
                <summary>{t("activity.at-server")}</summary>
                <code>
                  <bdi>{t("activity.exactly", { what: JSON.stringify(line.logged) })}</bdi>
                </code>
              </details>
            )}
            <span className="muted numbers">{dayAndTime(line.atMs, nowMs)}</span>
          </li>
        ))}
      </ol>
    </div>
  )
}

const linesOfLog = (
  log: readonly AccountLogLine[],
  devices: readonly { readonly id: string; readonly name: string }[],
): readonly Line[] => {
  const names = new Map(devices.map((device) => [device.id, device.name]))
  return log.map((line, at) => ({
    // The server answers the newest first; what is new comes before and shifts nothing.
    key: `log ${log.length - at}`,
    atMs: line.atMs,
    icon: iconOf(line.kind),
    text: sentenceOf(line, (id) => names.get(id)),
    logged: line,
    ...(isWorthALook(line.kind) || line.kind === "device-pending" ? { to: "/devices" } : {}),
  }))
}
