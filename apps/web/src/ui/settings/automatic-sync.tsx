import { useMemo, useState } from "react"

import { t } from "../../i18n/translate.ts"
import { useDevices, useItems, useKeyferry, useStatus } from "../data/app-context.tsx"
import { useAct } from "../data/use-act.tsx"
import { useOpen } from "../data/use-step.ts"
import { Button } from "../kit/button.tsx"
import { Switch } from "../kit/choice.tsx"
import { Dialog, DialogActions } from "../kit/dialog.tsx"
import { FailureNotice } from "../kit/notice.tsx"
import { Card } from "../kit/pieces.tsx"
import { holdsKeys } from "../model/device-state.ts"
import { isCredential, summaryWithdraws } from "../model/kinds.ts"
import { ItemChoices } from "../sync/item-choices.tsx"

/** Two controls, for two questions: what is added from now on, and what is here already. */
export const AutomaticSync = () => {
  const keyferry = useKeyferry()
  const { sync } = useStatus()
  const others = useDevices().filter((device) => holdsKeys(device) && !device.isThis).length
  const act = useAct()
  const [asking, setAsking] = useOpen("sync-existing")
  return (
    <Card title={t("automatic.title")}>
      <Switch
        on={sync.autoNew}
        onChange={(on) => void act.run(() => keyferry.setAutomaticSync(on))}
        hint={t(sync.autoNew ? "automatic.new-on" : "automatic.new-off", { devices: others, existing: sync.localOnly })}
      >
        {t("automatic.new")}
      </Switch>
      <div className="line apart">
        <span>{t("automatic.existing", { synced: sync.synced, local: sync.localOnly })}</span>
        {sync.localOnly > 0 ? (
          <Button onPress={() => setAsking(true)}>{t("automatic.sync-others", { n: sync.localOnly })}</Button>
        ) : null}
      </div>
      <FailureNotice failure={act.failure} />
      {asking ? <SyncExisting others={others} onClose={() => setAsking(false)} /> : null}
    </Card>
  )
}

const SyncExisting = ({ others, onClose }: { readonly others: number; readonly onClose: () => void }) => {
  const keyferry = useKeyferry()
  const items = useItems()
  const { sync } = useStatus()
  const act = useAct()
  const local = useMemo(
    () => items.filter((item) => item.policy === "local-only" && (sync.credentials || !isCredential(item.kind))),
    [items, sync.credentials],
  )
  const [chosen, setChosen] = useState<ReadonlySet<string>>(
    () => new Set(local.filter((item) => !summaryWithdraws(item)).map((item) => item.id)),
  )
  const unticked = local.length - chosen.size
  return (
    <Dialog title={t("automatic.title-existing", { n: chosen.size })} open onClose={onClose} busy={act.pending} wide>
      <p>{t("automatic.body", { devices: others, unticked })}</p>
      <ItemChoices items={local} chosen={chosen} onChange={setChosen} />
      <FailureNotice failure={act.failure} />
      <DialogActions>
        <Button
          tone="primary"
          pending={act.pending}
          disabled={chosen.size === 0}
          onPress={() =>
            void act
              .run(() => keyferry.setPolicy([...chosen], "synced"))
              .then((done) => (done === undefined ? undefined : onClose()))
          }
        >
          {t("automatic.do", { n: chosen.size })}
        </Button>
        <Button onPress={onClose}>{t("button.cancel")}</Button>
      </DialogActions>
    </Dialog>
  )
}
