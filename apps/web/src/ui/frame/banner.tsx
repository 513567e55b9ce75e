import { type ReactNode, useState } from "react"
import { useLocation } from "wouter"

import type { ItemSummary } from "@keyferry/sdk"

import { dayAndTime } from "../../i18n/times.ts"
import { type MessageId, t } from "../../i18n/translate.ts"
import { useKeyferry, useSnapshot, useStatus, useSurroundings } from "../data/app-context.tsx"
import { useAct } from "../data/use-act.tsx"
import { useNow } from "../data/use-now.ts"
import { Button, LinkButton } from "../kit/button.tsx"
import { FailureNotice, Notice, type NoticeTone } from "../kit/notice.tsx"
import { takeKit } from "../kit-sheet/unsaved-kit.ts"
import { isWaitingForApproval } from "../model/device-state.ts"
import { SYNC_LOOKS } from "../model/sync-looks.ts"
import { type SyncState, syncStateOf } from "../model/sync-state.ts"

interface Line {
  readonly key: string
  readonly tone: NoticeTone
  readonly title: string
  readonly body: string
  readonly actions?: ReactNode
}

const BANNERED: Partial<Readonly<Record<SyncState, { readonly title: MessageId; readonly body: MessageId }>>> = {
  "account-frozen": { title: "banner.account-frozen", body: "banner.account-frozen-more" },
  "device-unknown": { title: "banner.device-unknown", body: "banner.device-unknown-more" },
  "clock-wrong": { title: "banner.clock-wrong", body: "banner.clock-wrong-more" },
  "device-limit": { title: "banner.device-limit", body: "banner.device-limit-more" },
  "server-rolled-back": { title: "banner.server-rolled-back", body: "banner.server-rolled-back-more" },
  "vault-frozen": { title: "banner.vault-frozen", body: "banner.vault-frozen-more" },
  "sync-suspended": { title: "banner.sync-suspended", body: "banner.sync-suspended-more" },
  "setup-incomplete": { title: "banner.setup-incomplete", body: "banner.setup-incomplete-more" },
  offline: { title: "banner.offline", body: "banner.offline-more" },
  rejected: { title: "banner.rejected", body: "banner.rejected-more" },
  conflicts: { title: "banner.conflicts", body: "banner.conflicts-more" },
}

const ABOUT_IT: Partial<Readonly<Record<SyncState, readonly string[]>>> = {
  conflicts: ["/conflicts"],
  "setup-incomplete": ["/turn-on-sync", "/sign-up"],
  "sync-suspended": ["/turn-on-sync"],
  "account-frozen": ["/devices"],
}

/** At most one line above the page, the most pressing one; the others are behind "2 more". */
export const Banner = () => {
  const keyferry = useKeyferry()
  const status = useStatus()
  const surroundings = useSurroundings()
  const devices = useSnapshot((snapshot) => snapshot.devices)
  const items = useSnapshot((snapshot) => snapshot.items)
  const [location, go] = useLocation()
  const [all, setAll] = useState(false)
  const act = useAct()
  const nowMs = useNow()
  const state = syncStateOf(status, surroundings)
  const lines: Line[] = []

  const waiting = (devices ?? []).find(isWaitingForApproval)
  if (waiting !== undefined && !location.startsWith("/devices")) {
    lines.push({
      key: "device",
      tone: "warn",
      title: t("banner.device-waits", { device: waiting.name }),
      body: t("banner.device-waits-more"),
      actions: <Button onPress={() => go(`/devices/approve/${waiting.id}`)}>{t("banner.device-review")}</Button>,
    })
  }
  if (status.lock === "standard-only") {
    lines.push({
      key: "standard",
      tone: "warn",
      title: t("banner.standard-only"),
      body: t("banner.standard-only-more", {
        until: status.graceUntilMs === undefined ? "" : dayAndTime(status.graceUntilMs, nowMs),
      }),
      // The server answers to the password only.
      actions: <Button onPress={() => void keyferry.lockEverywhere()}>{t("banner.standard-only-do")}</Button>,
    })
  }
  // Before what can wait as long as it likes, behind what stops sync now.
  const isFirst = state === "setup-incomplete"
  const kit: Line | undefined =
    status.account?.kitUnchecked !== true || takeKit() !== undefined || location.startsWith("/settings/sign-in")
      ? undefined
      : {
          key: "kit",
          tone: "warn",
          title: t("banner.kit"),
          body: t("banner.kit-more"),
          actions: (
            <>
              <Button onPress={() => go("/settings/sign-in?kit=new")}>{t("kit.replace-do")}</Button>
              <Button tone="quiet" onPress={() => go("/settings/sign-in?kit=check")}>
                {t("banner.kit-check")}
              </Button>
            </>
          ),
        }
  if (kit !== undefined && isFirst) lines.push(kit)
  // A page that is itself about the matter needs no line above it.
  const isSaid =
    (state === "conflicts" && saysConflict(location, status.sync.conflicts, items)) ||
    ABOUT_IT[state]?.some((page) => location.startsWith(page)) === true ||
    // The line of what is closed says it, and that not everything works.
    (state === "offline" && status.lock === "standard-only")
  const words = isSaid ? undefined : BANNERED[state]
  if (words !== undefined) {
    const tone = SYNC_LOOKS[state].tone
    lines.push({
      key: state,
      tone,
      title: t(words.title, { n: status.sync.conflicts }),
      body: t(words.body, { n: status.sync.waiting, detail: status.sync.detail ?? "" }),
      actions: stateAction(state, go, () => void act.run(() => keyferry.syncNow()), act.pending),
    })
  }
  if (kit !== undefined && !isFirst) lines.push(kit)
  // Not in the middle of something that must be finished first.
  const quiet =
    location.startsWith("/turn-on-sync") || location.startsWith("/sign-up") || status.enrolment !== undefined
  if (!quiet && surroundings.storage === "may-be-cleared" && status.sync.localOnly > 0) {
    lines.push({
      key: "storage",
      tone: "warn",
      title: t("banner.storage"),
      body: t("banner.storage-more", { safari: surroundings.safari ? "safari" : "other" }),
      actions: (
        <>
          <Button onPress={() => void keyferry.keepStorage()}>{t("banner.storage-ask")}</Button>
          <Button tone="quiet" onPress={() => go("/settings/copies")}>
            {t("banner.storage-file")}
          </Button>
        </>
      ),
    })
  }
  if ((status.sync.rotationOverdue ?? 0) > 0) {
    lines.push({ key: "overdue", tone: "warn", title: t("banner.overdue"), body: t("banner.overdue-more") })
  }
  const [first, ...rest] = lines
  if (first === undefined) return null
  return (
    <div className="banner">
      {(all ? lines : [first]).map((line) => (
        <Notice key={line.key} tone={line.tone} title={line.title} actions={line.actions}>
          {line.body}
        </Notice>
      ))}
      <FailureNotice failure={act.failure} />
      {rest.length > 0 ? (
        <LinkButton onPress={() => setAll(!all)}>
          {all ? t("banner.less") : t("banner.more", { n: rest.length })}
        </LinkButton>
      ) : null}
    </div>
  )
}

/** The page of the only credential with two versions says so itself, with the way to both. */
const saysConflict = (location: string, conflicts: number, items: readonly ItemSummary[] | undefined): boolean =>
  conflicts === 1 && items?.some((item) => item.conflicts > 0 && location === `/item/${item.id}`) === true

const stateAction = (state: SyncState, go: (to: string) => void, syncNow: () => void, pending: boolean): ReactNode => {
  switch (state) {
    case "setup-incomplete":
    case "sync-suspended":
      return <Button onPress={() => go("/turn-on-sync")}>{t("button.continue")}</Button>
    case "offline":
    case "clock-wrong":
      return (
        <Button onPress={syncNow} pending={pending}>
          {t("banner.try-now")}
        </Button>
      )
    case "conflicts":
      return <Button onPress={() => go("/conflicts")}>{t("banner.look")}</Button>
    case "server-rolled-back":
    case "vault-frozen":
      return <Button onPress={() => go("/settings/copies")}>{t("banner.export")}</Button>
    case "device-limit":
      return <Button onPress={() => go("/devices")}>{t("banner.replace-device")}</Button>
    case "account-frozen":
      return <Button onPress={() => go("/devices")}>{t("place.devices")}</Button>
    default:
      return undefined
  }
}
