import { useState } from "react"
import { useLocation } from "wouter"

import type { DeviceInfo, Progress } from "@keyferry/sdk"

import { ago } from "../../i18n/times.ts"
import { t } from "../../i18n/translate.ts"
import { useKeyferry } from "../data/app-context.tsx"
import { useAct } from "../data/use-act.tsx"
import { useNow } from "../data/use-now.ts"
import { KitCodeField } from "../shared/kit-code-field.tsx"
import { Button } from "../kit/button.tsx"
import { RadioChoice } from "../kit/choice.tsx"
import { Dialog, DialogActions } from "../kit/dialog.tsx"
import { FailureNotice, Notice } from "../kit/notice.tsx"
import { ProgressBar } from "../kit/pieces.tsx"
import { progressLabel } from "../sync/progress-label.ts"

type Reason = "retired" | "lost" | "unknown"

/** Why, what it does, what it cannot do. Afterwards: the list of what to replace at the source. */
export const RemoveDeviceDialog = ({
  device,
  has,
  onClose,
}: {
  readonly device: DeviceInfo
  readonly has: number
  readonly onClose: () => void
}) => {
  const keyferry = useKeyferry()
  const [, go] = useLocation()
  const nowMs = useNow()
  const act = useAct()
  const [reason, setReason] = useState<Reason>("retired")
  const [kitCode, setKitCode] = useState("")
  const [progress, setProgress] = useState<Progress>()
  const name = device.name.slice(0, 80)
  const last = act.failure?.code === "device-is-last"

  const remove = async (): Promise<void> => {
    const done = await act.run(() =>
      keyferry.removeDevice({ id: device.id, reason, ...(kitCode.trim() === "" ? {} : { kitCode }) }, setProgress),
    )
    if (done === undefined) return
    onClose()
    const search = new URLSearchParams({ device: name, ...(done.value.replaceKit ? { kit: "1" } : {}) })
    go(done.value.rotation.length > 0 || done.value.replaceKit ? `/replace?${search.toString()}` : "/devices")
  }

  return (
    <Dialog title={t("device.remove-title", { device: name })} open onClose={onClose} busy={act.pending}>
      <RadioChoice
        label={t("device.remove-why")}
        value={reason}
        onChange={setReason}
        options={[
          { value: "retired", label: t("device.remove-retired") },
          { value: "lost", label: t("device.remove-lost") },
          { value: "unknown", label: t("device.remove-unknown") },
        ]}
      />
      <ul className="consequences">
        <li>{t("device.remove-1", { n: has })}</li>
        <li>{t("device.remove-2")}</li>
        <li>{t("device.remove-3", { when: ago(device.lastSeenMs, nowMs) })}</li>
      </ul>
      {reason === "retired" ? null : (
        <Notice tone="warn" title={t("device.remove-compromised")}>
          {t("device.remove-compromised-more")}
        </Notice>
      )}
      {last ? <KitCodeField value={kitCode} onChange={setKitCode} /> : null}
      <FailureNotice failure={act.failure} />
      {act.pending ? (
        <ProgressBar label={progressLabel(progress)} done={progress?.done ?? 0} total={progress?.total} />
      ) : null}
      <DialogActions>
        <Button tone="danger" pending={act.pending} onPress={() => void remove()}>
          {t("device.remove", { device: name })}
        </Button>
        <Button onPress={onClose} focused>
          {t("button.cancel")}
        </Button>
      </DialogActions>
    </Dialog>
  )
}
