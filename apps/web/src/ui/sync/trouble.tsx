import { useEffect, useMemo, useState } from "react"
import { useLocation } from "wouter"

import { type MessageId, t } from "../../i18n/translate.ts"
import { useKeyferry, useRefresh, useStatus, useSurroundings } from "../data/app-context.tsx"
import { Button } from "../kit/button.tsx"
import { Dialog, DialogActions } from "../kit/dialog.tsx"
import { Icon } from "../kit/icon.tsx"
import { CopyText } from "../shared/copy-button.tsx"
import { syncStateOf } from "../model/sync-state.ts"
import { hostOf } from "../entry/entry-frame.tsx"

interface Check {
  readonly id: MessageId
  readonly ok: boolean
  readonly note?: string | undefined
  readonly fix?: { readonly label: MessageId; readonly to: string }
}

/** What a support page would make a person try by hand, tried at once; and a text for support without any secret. */
export const TroubleDialog = ({ onClose }: { readonly onClose: () => void }) => {
  const refresh = useRefresh()
  const keyferry = useKeyferry()
  const status = useStatus()
  const surroundings = useSurroundings()
  const [, go] = useLocation()
  const [asking, setAsking] = useState(true)
  const [evidence, setEvidence] = useState(0)
  useEffect(() => {
    void Promise.all([refresh(true), keyferry.evidence()]).then(([, found]) => {
      setEvidence(found.ok ? found.value.length : 0)
      setAsking(false)
    })
  }, [refresh, keyferry])

  const { account, sync } = status
  const checks = useMemo<readonly Check[]>(
    () => [
      { id: "trouble.secure", ok: surroundings.secure },
      { id: "trouble.online", ok: surroundings.online && sync.state !== "offline" },
      {
        id: "trouble.account",
        ok: account !== undefined,
        note: account?.address,
        fix: { label: "trouble.sign-in", to: "/sign-in" },
      },
      {
        id: "trouble.server",
        ok: sync.code !== "server-identity-changed",
        note: account === undefined ? undefined : hostOf(account.server),
      },
      {
        id: "trouble.device",
        ok: account === undefined || account.deviceState === "active" || account.deviceState === "unknown",
        note: account?.deviceName,
        fix: { label: "trouble.turn-on", to: "/turn-on-sync" },
      },
      {
        id: "trouble.factor",
        ok: (account?.factors.length ?? 0) > 0,
        fix: { label: "trouble.turn-on", to: "/turn-on-sync" },
      },
      {
        id: "trouble.on",
        ok: sync.on && account?.syncSuspended !== true,
        fix: { label: "trouble.turn-on", to: "/turn-on-sync" },
      },
      { id: "trouble.limit", ok: sync.code !== "device-limit", fix: { label: "trouble.devices", to: "/devices" } },
      { id: "trouble.clock", ok: sync.code !== "clock-skew" && sync.code !== "clock-moved" },
      {
        id: "trouble.genuine",
        ok: evidence === 0 && sync.state !== "frozen",
        fix: { label: "trouble.export", to: "/settings/copies" },
      },
      { id: "trouble.storage", ok: surroundings.storage !== "may-be-cleared" },
    ],
    [surroundings, sync, account, evidence],
  )
  const support = [
    "keyferry web",
    `state ${syncStateOf(status, surroundings)}`,
    `code ${sync.code ?? "-"}`,
    `lock ${status.lock}`,
    `mode ${status.mode}`,
    `synced ${sync.synced} local ${sync.localOnly} waiting ${sync.waiting} conflicts ${sync.conflicts}`,
    `account ${account?.id ?? "-"} device ${account?.deviceId ?? "-"}`,
    ...checks.filter((check) => !check.ok).map((check) => `failed ${check.id.replace("trouble.", "")}`),
    navigator.userAgent,
  ].join("\n")

  return (
    <Dialog title={t("trouble.title")} open onClose={onClose}>
      <p className="muted" role="status">
        {asking ? t("trouble.asking") : t("trouble.found", { n: checks.filter((check) => !check.ok).length })}
      </p>
      <ul className="checks">
        {checks.map((check) => (
          <li key={check.id} className="check" data-tone={check.ok ? "ok" : "warn"}>
            <Icon name={check.ok ? "check" : "alert"} size={16} />
            <span className="check-words">
              <span>{t(check.id, { ok: check.ok ? "yes" : "no" })}</span>
              {check.note === undefined ? null : <bdi className="muted">{check.note.slice(0, 120)}</bdi>}
            </span>
            {!check.ok && check.fix !== undefined ? (
              <Button
                tone="quiet"
                onPress={() => {
                  onClose()
                  go(check.fix?.to ?? "/")
                }}
              >
                {t(check.fix.label)}
              </Button>
            ) : null}
          </li>
        ))}
      </ul>
      <DialogActions>
        <Button onPress={onClose} focused>
          {t("button.close")}
        </Button>
        <CopyText text={support} label={t("trouble.copy")} name={t("trouble.copy")} />
      </DialogActions>
    </Dialog>
  )
}
