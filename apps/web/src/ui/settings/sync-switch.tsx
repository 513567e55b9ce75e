import { useLocation } from "wouter"

import { t } from "../../i18n/translate.ts"
import { useKeyferry, useStatus } from "../data/app-context.tsx"
import { useAct } from "../data/use-act.tsx"
import { useOpen } from "../data/use-step.ts"
import { Button } from "../kit/button.tsx"
import { Switch } from "../kit/choice.tsx"
import { Dialog, DialogActions } from "../kit/dialog.tsx"
import { FailureNotice } from "../kit/notice.tsx"

/** The one switch of this device. Settings › General and Settings › Accounts show this same component and state. */
export const SyncSwitch = () => {
  const keyferry = useKeyferry()
  const { sync } = useStatus()
  const [, go] = useLocation()
  const [asking, setAsking] = useOpen("sync-off", sync.on)
  const act = useAct()
  return (
    <>
      <Switch
        on={sync.on}
        onChange={(on) => (on ? go("~/turn-on-sync") : setAsking(true))}
        hint={t(sync.on ? "sync-switch.on" : "sync-switch.off", { synced: sync.synced, local: sync.localOnly })}
      >
        {t("sync-switch.label")}
      </Switch>
      <Dialog title={t("sync-off.title")} open={asking} onClose={() => setAsking(false)} busy={act.pending}>
        <ul className="consequences">
          <li>{t("sync-off.here")}</li>
          <li>{t("sync-off.others")}</li>
          <li>{t("sync-off.server")}</li>
        </ul>
        <FailureNotice failure={act.failure} />
        <DialogActions>
          <Button
            tone="primary"
            pending={act.pending}
            onPress={() =>
              void act.run(() => keyferry.syncOff()).then((done) => (done === undefined ? undefined : setAsking(false)))
            }
          >
            {t("sync-off.do")}
          </Button>
          <Button onPress={() => setAsking(false)} focused>
            {t("button.cancel")}
          </Button>
        </DialogActions>
      </Dialog>
    </>
  )
}
