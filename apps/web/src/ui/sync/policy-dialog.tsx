import { useState } from "react"

import type { ItemSummary, SyncPolicy } from "@keyferry/sdk"

import { t } from "../../i18n/translate.ts"
import { useDevices, useKeyferry, useSurroundings } from "../data/app-context.tsx"
import { useAct } from "../data/use-act.tsx"
import { Button } from "../kit/button.tsx"
import { RadioChoice } from "../kit/choice.tsx"
import { Dialog, DialogActions } from "../kit/dialog.tsx"
import { FailureNotice, Notice } from "../kit/notice.tsx"
import { holdsKeys } from "../model/device-state.ts"
import { NameList } from "../shared/name-list.tsx"
import { shortened } from "../model/shortened.ts"

export interface PolicyQuestion {
  readonly to: SyncPolicy
  readonly items: readonly ItemSummary[]
}

/** Before a credential begins or stops to travel: what happens here, at the server, and on each other device. */
export const PolicyDialog = ({
  question,
  onClose,
  onDone,
}: {
  readonly question: PolicyQuestion
  readonly onClose: () => void
  readonly onDone?: () => void
}) => {
  const keyferry = useKeyferry()
  const others = useDevices().filter((device) => holdsKeys(device) && !device.isThis)
  const surroundings = useSurroundings()
  const act = useAct()
  const [elsewhere, setElsewhere] = useState<"keep" | "delete">("keep")
  const { to, items } = question
  // What was asked stays what it was while the answer is carried out, which changes the items themselves.
  const [changing] = useState(() => items.filter((item) => item.policy !== to))
  const name = shortened(changing[0]?.title ?? "")
  const n = changing.length

  const apply = async (): Promise<void> => {
    const ids = changing.map((item) => item.id)
    const done = await act.run(() => keyferry.setPolicy(ids, to, to === "local-only" ? elsewhere : undefined))
    if (done === undefined) return
    onClose()
    onDone?.()
  }

  return (
    <Dialog
      open
      onClose={onClose}
      busy={act.pending}
      title={t(to === "synced" ? "policy.sync-title" : "policy.local-title", { n, name })}
    >
      {n === 0 ? <p>{t("policy.nothing")}</p> : n > 1 ? <NameList items={changing} /> : null}
      {n > 0 && to === "synced" ? <p>{t("policy.sync-body", { n, devices: others.length })}</p> : null}
      {n > 0 && to === "local-only" ? (
        <>
          <p>
            {t("policy.local-body", {
              n,
              names: others.map((device) => device.name).join(", ") || t("policy.no-others"),
            })}
          </p>
          {others.length > 0 ? (
            <RadioChoice
              label={t("policy.elsewhere")}
              value={elsewhere}
              onChange={setElsewhere}
              options={[
                { value: "keep", label: t("policy.elsewhere-keep"), hint: t("policy.elsewhere-keep-hint") },
                { value: "delete", label: t("policy.elsewhere-delete"), hint: t("policy.elsewhere-delete-hint") },
              ]}
            />
          ) : null}
          {surroundings.storage === "may-be-cleared" ? <Notice tone="warn">{t("policy.local-warning")}</Notice> : null}
        </>
      ) : null}
      <FailureNotice failure={act.failure} />
      <DialogActions>
        <Button tone="primary" pending={act.pending} disabled={n === 0} onPress={() => void apply()}>
          {t(to === "synced" ? "policy.sync-do" : "policy.local-do", { n })}
        </Button>
        <Button onPress={onClose}>{t("button.cancel")}</Button>
      </DialogActions>
    </Dialog>
  )
}
