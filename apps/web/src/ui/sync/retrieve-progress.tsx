import { t } from "../../i18n/translate.ts"
import { useKeyferry, useStatus } from "../data/app-context.tsx"
import { useAct } from "../data/use-act.tsx"
import { Button } from "../kit/button.tsx"
import { FailureNotice } from "../kit/notice.tsx"
import { ProgressBar } from "../kit/pieces.tsx"

/** The first read of what other devices sync: how far it is, and the person's to pause. Nothing while all of it is here. */
export const RetrieveProgress = () => {
  const keyferry = useKeyferry()
  const { retrieve } = useStatus().sync
  const act = useAct()
  if (retrieve === undefined) return null
  const { done, total, paused } = retrieve
  const isPaused = paused && !act.pending
  return (
    <section className="retrieve" aria-label={t("progress.retrieving")} data-paused={isPaused ? "" : undefined}>
      <ProgressBar label={t(isPaused ? "retrieve.paused" : "progress.retrieving")} done={done} total={total} />
      <div className="line apart">
        <span className="muted" role="status">
          {t(isPaused ? "retrieve.paused-more" : "retrieve.carries-on")}
        </span>
        {isPaused ? (
          <Button tone="primary" icon="retrieve" onPress={() => void act.run(() => keyferry.syncNow())}>
            {t("retrieve.continue")}
          </Button>
        ) : (
          <Button icon="pause" onPress={() => void keyferry.pauseRetrieve()}>
            {t("retrieve.pause")}
          </Button>
        )}
      </div>
      <FailureNotice failure={act.failure} />
    </section>
  )
}
