import { dayAndTime } from "../../i18n/times.ts"
import { t } from "../../i18n/translate.ts"
import { useKeyferry } from "../data/app-context.tsx"
import { useAct } from "../data/use-act.tsx"
import { useNow } from "../data/use-now.ts"
import { useOpen } from "../data/use-step.ts"
import { Button } from "../kit/button.tsx"
import { Dialog, DialogActions } from "../kit/dialog.tsx"
import { FailureNotice, Notice } from "../kit/notice.tsx"
import { Card } from "../kit/pieces.tsx"

/** The way out of a freeze: a device with its factor, or 72 hours in which anybody of the account can stop it. */
export const Frozen = ({ thawAtMs }: { readonly thawAtMs: number | undefined }) => {
  const keyferry = useKeyferry()
  const nowMs = useNow()
  const act = useAct()
  return (
    <>
      <Notice
        tone="danger"
        icon="pause"
        title={t("banner.account-frozen")}
        actions={
          <>
            <Button tone="primary" pending={act.pending} onPress={() => void act.run(() => keyferry.thawAccount())}>
              {t("frozen.thaw")}
            </Button>
            {thawAtMs === undefined ? (
              <Button tone="quiet" disabled={act.pending} onPress={() => void act.run(() => keyferry.waitForThaw())}>
                {t("frozen.wait")}
              </Button>
            ) : (
              <Button disabled={act.pending} onPress={() => void act.run(() => keyferry.freezeAccount())}>
                {t("frozen.stop-wait")}
              </Button>
            )}
          </>
        }
      >
        {t("frozen.what")}
        {thawAtMs === undefined ? "" : ` ${t("frozen.waits", { when: dayAndTime(thawAtMs, nowMs) })}`}
      </Notice>
      {/* That the hours run is said above, with the time at which they end. */}
      <FailureNotice failure={act.failure?.code === "recovery-waiting" ? undefined : act.failure} />
    </>
  )
}

/** Said where the freeze stood a moment ago. */
export const Thawed = () => (
  <Notice tone="ok" live>
    {t("frozen.thawed")}
  </Notice>
)

/** Everything stops at once, for the minutes in which it is not clear what was taken. */
export const FreezeCard = () => {
  const keyferry = useKeyferry()
  const act = useAct()
  const [asking, setAsking] = useOpen("freeze")
  return (
    <Card title={t("frozen.card")}>
      <p>{t("frozen.card-what")}</p>
      <div className="line">
        <Button tone="quiet-danger" icon="pause" onPress={() => setAsking(true)}>
          {t("frozen.do")}
        </Button>
      </div>
      <Dialog title={t("frozen.title")} open={asking} onClose={() => setAsking(false)} busy={act.pending}>
        <ul className="consequences">
          <li>{t("frozen.1")}</li>
          <li>{t("frozen.2")}</li>
          <li>{t("frozen.3")}</li>
        </ul>
        <FailureNotice failure={act.failure} />
        <DialogActions>
          <Button
            tone="danger"
            pending={act.pending}
            onPress={() =>
              void act
                .run(() => keyferry.freezeAccount())
                .then((done) => (done === undefined ? undefined : setAsking(false)))
            }
          >
            {t("frozen.do")}
          </Button>
          <Button onPress={() => setAsking(false)} focused>
            {t("button.cancel")}
          </Button>
        </DialogActions>
      </Dialog>
    </Card>
  )
}
