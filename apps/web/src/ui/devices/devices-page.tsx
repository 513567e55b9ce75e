import { type ReactNode, useState } from "react"
import { useLocation } from "wouter"

import type { DeviceInfo } from "@keyferry/sdk"

import { ago, day } from "../../i18n/times.ts"
import { type MessageId, t } from "../../i18n/translate.ts"
import { useItems, useKeyferry, useSnapshot, useStatus } from "../data/app-context.tsx"
import { useAct } from "../data/use-act.tsx"
import { useNow } from "../data/use-now.ts"
import { useOpen, useStep } from "../data/use-step.ts"
import { Button, ButtonLink } from "../kit/button.tsx"
import { Dialog, DialogActions } from "../kit/dialog.tsx"
import { Field } from "../kit/field.tsx"
import { Icon } from "../kit/icon.tsx"
import { MoreMenu } from "../kit/menu.tsx"
import { FailureNotice, Notice } from "../kit/notice.tsx"
import { Badge, Empty, PageHead, Pairs } from "../kit/pieces.tsx"
import { betterNameFor, DEVICE_LOOKS, deviceStateOf, isGone, isWaitingForApproval } from "../model/device-state.ts"
import { FreezeCard, Frozen } from "./frozen.tsx"
import { RemoveDeviceDialog } from "./remove-device.tsx"

const HOW: Readonly<Record<DeviceInfo["how"], MessageId>> = {
  first: "device.how-first",
  device: "device.how-device",
  kit: "device.how-kit",
  passkey: "device.how-passkey",
  recovery: "device.how-recovery",
  none: "device.how-none",
}

export const DevicesPage = () => {
  const status = useStatus()
  const devices = useSnapshot((snapshot) => snapshot.devices)
  const [adding, setAdding] = useOpen("device-add")
  if (status.account === undefined) {
    return (
      <div className="page">
        <PageHead title={t("place.devices")} />
        <Empty
          actions={
            <ButtonLink to="/turn-on-sync" tone="primary">
              {t("sync.turn-on")}
            </ButtonLink>
          }
        >
          {t("devices.no-account")}
        </Empty>
      </div>
    )
  }
  return (
    <div className="page">
      <PageHead
        title={t("place.devices")}
        lead={t("devices.lead")}
        actions={
          <Button tone="primary" icon="add" onPress={() => setAdding(true)}>
            {t("devices.add")}
          </Button>
        }
      />
      {status.account.frozen ? <Frozen thawAtMs={status.account.thawAtMs} /> : null}
      {devices === undefined ? <div className="waiting" role="status" /> : <DeviceLists devices={devices} />}
      {status.account.frozen ? null : <FreezeCard />}
      {adding ? (
        <Dialog title={t("devices.add")} open onClose={() => setAdding(false)}>
          <ol className="numbered">
            <li>{t("devices.add-1", { server: status.account.server })}</li>
            <li>{t("devices.add-2", { address: status.account.address })}</li>
            <li>{t("devices.add-3")}</li>
          </ol>
          <p className="muted">
            {t("devices.add-cli")} <code>kf login {status.account.server}</code>
          </p>
          <DialogActions>
            <Button onPress={() => setAdding(false)} focused>
              {t("button.close")}
            </Button>
          </DialogActions>
        </Dialog>
      ) : null}
    </div>
  )
}

const DeviceLists = ({ devices }: { readonly devices: readonly DeviceInfo[] }) => {
  const [, go] = useLocation()
  const keyferry = useKeyferry()
  const nowMs = useNow()
  const act = useAct()
  const [blocked, setBlocked] = useState(false)
  const waiting = devices.filter(isWaitingForApproval)
  const gone = devices.filter(isGone)
  const kept = devices
    .filter((device) => !isWaitingForApproval(device) && !isGone(device))
    .sort((a, b) => Number(b.isThis) - Number(a.isThis) || b.lastSeenMs - a.lastSeenMs)
  return (
    <>
      <FailureNotice failure={act.failure} />
      {blocked ? (
        <Notice
          tone="warn"
          title={t("devices.blocked")}
          actions={<ButtonLink to="/settings/sign-in">{t("settings.change-password")}</ButtonLink>}
          live
        >
          {t("devices.blocked-more")}
        </Notice>
      ) : null}
      {waiting.map((device) => (
        <Notice
          key={device.id}
          tone="warn"
          icon="devices"
          title={<bdi>{t("devices.waits", { device: device.name.slice(0, 80) })}</bdi>}
          actions={
            <>
              <Button tone="primary" onPress={() => go(`/devices/approve/${device.id}`)}>
                {t("devices.review")}
              </Button>
              <Button
                pending={act.pending}
                onPress={() =>
                  void act.run(() => keyferry.denyDevice(device.id)).then((done) => setBlocked(done !== undefined))
                }
              >
                {t("devices.block")}
              </Button>
            </>
          }
        >
          <bdi>
            {t(device.name === device.platform ? "devices.waits-when" : "devices.waits-more", {
              platform: device.platform.slice(0, 80),
              when: ago(device.addedAtMs, nowMs),
            })}
          </bdi>
        </Notice>
      ))}
      {kept.length === 1 ? (
        <Notice tone="info" actions={<ButtonLink to="/settings/sign-in">{t("devices.check-kit")}</ButtonLink>}>
          {t("devices.only-this")}
        </Notice>
      ) : null}
      <ul className="device-rows">
        {kept.map((device) => (
          <DeviceRow key={device.id} device={device} nowMs={nowMs} betterName={betterNameFor(device, kept)} />
        ))}
      </ul>
      {gone.length === 0 ? null : (
        <details className="device-gone">
          <summary>{t("devices.gone", { n: gone.length })}</summary>
          <ul className="device-rows">
            {gone.map((device) => (
              <DeviceRow key={device.id} device={device} nowMs={nowMs} />
            ))}
          </ul>
        </details>
      )}
    </>
  )
}

const DeviceRow = ({
  device,
  nowMs,
  betterName,
}: {
  readonly device: DeviceInfo
  readonly nowMs: number
  /** Another device has the name of this one: what it could be called. */
  readonly betterName?: string | undefined
}) => {
  const items = useItems()
  const [open, setOpen] = useOpen(`details ${device.id}`)
  const [asking, setAsking] = useStep(`device ${device.id}`)
  const [, go] = useLocation()
  const name = device.name.slice(0, 80)
  const state = deviceStateOf(device, nowMs)
  const look = DEVICE_LOOKS[state]
  const gone = isGone(device)
  const synced = items.filter((item) => item.policy === "synced")
  const has = device.isThis ? items.length : synced.filter((item) => item.updatedAtMs <= device.lastSeenMs).length
  return (
    <li className="device-row" data-this={device.isThis ? "" : undefined}>
      <span className="device-icon">
        <Icon name={deviceIcon(device)} />
      </span>
      <div className="device-name">
        <span className="strong">
          <bdi>{name}</bdi>
        </span>
        {device.isThis ? <span className="tag">{t("device.this")}</span> : null}
        <span className="muted">
          <bdi>{device.platform.slice(0, 60)}</bdi>
        </span>
      </div>
      <div className="device-state">
        <Badge icon={look.icon} {...(look.tone === undefined ? {} : { tone: look.tone })}>
          {t(look.label, { when: device.isThis ? t("time.now") : ago(device.lastSeenMs, nowMs) })}
        </Badge>
        {device.oldKit ? (
          <Badge icon="kit" tone="warn">
            {t("device.old-kit")}
          </Badge>
        ) : null}
      </div>
      <span className="device-has muted numbers">
        {gone ? "" : device.isThis ? t("device.has", { n: has }) : t("device.has-of", { n: has, total: synced.length })}
      </span>
      <span className="device-more">
        {gone ? null : (
          <MoreMenu
            name={t("list.actions", { name })}
            entries={[
              {
                id: "details",
                icon: "info",
                label: t("device.details"),
                text: t("device.details"),
                onAction: () => setOpen(!open),
              },
              {
                id: "rename",
                icon: "edit",
                label: t("device.rename"),
                text: t("device.rename"),
                onAction: () => setAsking("rename"),
              },
              device.isThis
                ? {
                    id: "out",
                    icon: "out",
                    separated: true,
                    label: t("command.sign-out"),
                    text: t("command.sign-out"),
                    onAction: () => go("/sign-out"),
                  }
                : {
                    id: "remove",
                    icon: "slash",
                    tone: "danger",
                    separated: true,
                    label: t("device.remove", { device: name }),
                    text: t("device.remove", { device: name }),
                    onAction: () => setAsking("remove"),
                  },
            ]}
          />
        )}
      </span>
      {open ? (
        <Details>
          <Pairs
            rows={[
              [t("device.added"), `${day(device.addedAtMs, nowMs)} · ${t(HOW[device.how])}`],
              [t("device.seen"), device.isThis ? t("time.now") : ago(device.lastSeenMs, nowMs)],
              [t("device.platform"), <bdi key="p">{device.platform.slice(0, 120)}</bdi>],
              [t("device.id"), <code key="i">{device.id}</code>],
            ]}
          />
        </Details>
      ) : null}
      {betterName === undefined ? null : <SameName device={device} betterName={betterName} />}
      {asking === "rename" ? <RenameDialog device={device} onClose={() => setAsking(undefined)} /> : null}
      {asking === "remove" ? (
        <RemoveDeviceDialog device={device} has={has} onClose={() => setAsking(undefined)} />
      ) : null}
    </li>
  )
}

const Details = ({ children }: { readonly children: ReactNode }) => <div className="device-details">{children}</div>

const SameName = ({ device, betterName }: { readonly device: DeviceInfo; readonly betterName: string }) => {
  const keyferry = useKeyferry()
  const act = useAct()
  return (
    <Details>
      <p className="line">
        <span className="muted">{t("device.same-name")}</span>
        <Button
          icon="edit"
          pending={act.pending}
          onPress={() => void act.run(() => keyferry.renameDevice(device.id, betterName))}
        >
          {t("device.rename-to", { device: betterName.slice(0, 80) })}
        </Button>
      </p>
      <FailureNotice failure={act.failure} />
    </Details>
  )
}

const deviceIcon = (device: DeviceInfo): "phone" | "terminal" | "browser" =>
  /android|iphone|ios/i.test(device.platform) ? "phone" : /kf|cli|node/i.test(device.platform) ? "terminal" : "browser"

const RenameDialog = ({ device, onClose }: { readonly device: DeviceInfo; readonly onClose: () => void }) => {
  const keyferry = useKeyferry()
  const act = useAct()
  const [name, setName] = useState(device.name)
  return (
    <Dialog
      title={t("device.rename-title", { device: device.name.slice(0, 80) })}
      open
      onClose={onClose}
      busy={act.pending}
    >
      <form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault()
          void act
            .run(() => keyferry.renameDevice(device.id, name.trim()))
            .then((done) => (done === undefined ? undefined : onClose()))
        }}
      >
        <Field label={t("field.device-name")} value={name} onChange={setName} maxLength={64} focused />
        <FailureNotice failure={act.failure} />
        <DialogActions>
          <Button tone="primary" submit pending={act.pending} disabled={name.trim() === ""}>
            {t("device.rename")}
          </Button>
          <Button onPress={onClose}>{t("button.cancel")}</Button>
        </DialogActions>
      </form>
    </Dialog>
  )
}
