import { useState } from "react"
import { Button as AriaButton, Dialog, DialogTrigger, Popover } from "react-aria-components"
import { Link, useLocation } from "wouter"

import { ago, dayAndTime } from "../../i18n/times.ts"
import { t } from "../../i18n/translate.ts"
import { useDevices, useItems, useKeyferry, useStatus, useStatusPart, useSurroundings } from "../data/app-context.tsx"
import { useAct } from "../data/use-act.tsx"
import { useNow } from "../data/use-now.ts"
import { Button } from "../kit/button.tsx"
import { Icon } from "../kit/icon.tsx"
import { FailureNotice } from "../kit/notice.tsx"
import { holdsKeys } from "../model/device-state.ts"
import { SYNC_LOOKS } from "../model/sync-looks.ts"
import { syncStateOf } from "../model/sync-state.ts"
import { RetrieveProgress } from "../sync/retrieve-progress.tsx"
import { TroubleDialog } from "../sync/trouble.tsx"

/** Top right on every page: shape and words for how sync stands, and all about it behind one press. */
export const SyncIndicator = () => {
  const surroundings = useSurroundings()
  const state = useStatusPart((status) => syncStateOf(status, surroundings))
  const n = useStatusPart(({ sync }) => (state === "conflicts" ? sync.conflicts : sync.waiting))
  const [open, setOpen] = useState(false)
  const [trouble, setTrouble] = useState(false)
  const look = SYNC_LOOKS[state]
  const label = t(look.label, { n })
  return (
    <>
      <DialogTrigger isOpen={open} onOpenChange={setOpen}>
        <AriaButton className="sync-indicator" data-tone={look.tone} aria-label={t("sync.indicator", { state: label })}>
          <Icon name={look.icon} size={16} />
          <span>{label}</span>
          <Icon name="down" size={16} />
        </AriaButton>
        <Popover className="popover" placement="bottom end">
          <Dialog className="sync-box" aria-label={t("sync.title")}>
            <SyncDetails
              label={label}
              onTrouble={() => {
                setOpen(false)
                setTrouble(true)
              }}
              onLeave={() => setOpen(false)}
            />
          </Dialog>
        </Popover>
      </DialogTrigger>
      <span className="unseen" role="status">
        {t("sync.indicator", { state: label })}
      </span>
      {trouble ? <TroubleDialog onClose={() => setTrouble(false)} /> : null}
    </>
  )
}

const SyncDetails = ({
  label,
  onTrouble,
  onLeave,
}: {
  readonly label: string
  readonly onTrouble: () => void
  readonly onLeave: () => void
}) => {
  const keyferry = useKeyferry()
  const status = useStatus()
  const devices = useDevices().filter((device) => holdsKeys(device) && !device.isThis)
  const items = useItems()
  const nowMs = useNow(10_000)
  const sync = useAct()
  const [, go] = useLocation()
  const newest = Math.max(0, ...items.filter((item) => item.policy === "synced").map((item) => item.updatedAtMs))
  if (status.account === undefined) {
    return (
      <div className="stack">
        <p className="strong">{t("sync.only-here", { n: items.length })}</p>
        <p className="muted">{t("sync.only-here-more")}</p>
        <div className="line">
          <Link to="/turn-on-sync" className="button" data-tone="primary" onClick={onLeave}>
            {t("sync.turn-on")}
          </Link>
          <Button tone="quiet" onPress={onTrouble}>
            {t("sync.trouble")}
          </Button>
        </div>
      </div>
    )
  }
  return (
    <div className="stack">
      <div className="stack-tight">
        <p className="line apart">
          <span className="strong">{label}</span>
          <span className="muted">
            <bdi>{status.account.deviceName}</bdi> {t("device.this-short")}
          </span>
        </p>
        <p>
          {t("sync.counts", { waiting: status.sync.waiting, synced: status.sync.synced, local: status.sync.localOnly })}
        </p>
        {status.sync.lastSyncMs === undefined ? null : (
          <p className="muted">{t("sync.last", { when: dayAndTime(status.sync.lastSyncMs, nowMs) })}</p>
        )}
      </div>
      <RetrieveProgress />
      {devices.length === 0 ? null : (
        <ul className="sync-devices">
          {devices.slice(0, 6).map((device) => (
            <li key={device.id} className="line apart">
              <bdi>{device.name}</bdi>
              <span className="muted">
                {device.lastSeenMs >= newest
                  ? t("sync.device-ok")
                  : t("sync.device-waiting", { when: ago(device.lastSeenMs, nowMs) })}
              </span>
            </li>
          ))}
        </ul>
      )}
      <FailureNotice failure={sync.failure} />
      <div className="line">
        {status.sync.on && status.sync.retrieve !== undefined ? null : status.sync.on ? (
          <Button
            tone="primary"
            icon="sync"
            pending={sync.pending}
            onPress={() => void sync.run(() => keyferry.syncNow())}
          >
            {t("sync.now")}
          </Button>
        ) : (
          <Link to="/turn-on-sync" className="button" data-tone="primary" onClick={onLeave}>
            {t("sync.turn-on")}
          </Link>
        )}
        {status.sync.conflicts > 0 ? (
          <Button
            icon="two"
            onPress={() => {
              onLeave()
              go("/conflicts")
            }}
          >
            {t("sync.conflicts", { n: status.sync.conflicts })}
          </Button>
        ) : null}
      </div>
      <div className="line sync-foot">
        <Link to="/settings/account/synchronization" onClick={onLeave}>
          {t("sync.settings")}
        </Link>
        <Link to="/activity" onClick={onLeave}>
          {t("place.activity")}
        </Link>
        <Button tone="quiet" onPress={onTrouble}>
          {t("sync.trouble")}
        </Button>
      </div>
    </div>
  )
}
