import { useState } from "react"

import { dayAndTime } from "../../i18n/times.ts"
import { t } from "../../i18n/translate.ts"
import { useKeyferry } from "../data/app-context.tsx"
import { type Act, useAct } from "../data/use-act.tsx"
import { useNow } from "../data/use-now.ts"
import { Button, LinkButton } from "../kit/button.tsx"
import { Dialog, DialogActions } from "../kit/dialog.tsx"
import { Notice } from "../kit/notice.tsx"
import { JoinFailure } from "./join-failure.tsx"

/**
 * The way on without the second factor. Every device hears of it, so that it is asked for and not begun by one press; while the hours
 * run that is a state and no failure. `others`: what was tried before and does not count any more.
 */
export const FactorLost = ({ others }: { readonly others: readonly Act[] }) => {
  const keyferry = useKeyferry()
  const nowMs = useNow()
  const act = useAct()
  const [asking, setAsking] = useState(false)
  const [readyAtMs, setReadyAtMs] = useState<number>()
  const ask = async (): Promise<void> => {
    for (const other of others) other.clear()
    await act.run(async () => {
      const answer = await keyferry.loginFactorLost()
      const waitS = answer.ok || answer.error.code !== "recovery-waiting" ? undefined : answer.error.retryAfterS
      setReadyAtMs(waitS === undefined ? undefined : Date.now() + waitS * 1000)
      return answer
    })
    setAsking(false)
  }
  return (
    <>
      {readyAtMs === undefined ? (
        <JoinFailure failure={act.failure} />
      ) : (
        <Notice tone="info" icon="clock" title={t("factor.waits")} live>
          {t("factor.waits-more", { when: dayAndTime(readyAtMs, nowMs), button: t("factor.lost-do") })}
        </Notice>
      )}
      <p className="muted">
        {t("factor.lost")} <LinkButton onPress={() => setAsking(true)}>{t("factor.lost-do")}</LinkButton>
      </p>
      <Dialog title={t("factor.lost-title")} open={asking} onClose={() => setAsking(false)} busy={act.pending}>
        <ul className="consequences">
          <li>{t("factor.lost-1")}</li>
          <li>{t("factor.lost-2")}</li>
          <li>{t("factor.lost-3")}</li>
        </ul>
        <DialogActions>
          <Button tone="primary" pending={act.pending} onPress={() => void ask()}>
            {t("factor.lost-go")}
          </Button>
          <Button onPress={() => setAsking(false)} focused>
            {t("button.cancel")}
          </Button>
        </DialogActions>
      </Dialog>
    </>
  )
}
