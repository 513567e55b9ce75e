import { useState } from "react"
import { useLocation } from "wouter"

import { t } from "../../i18n/translate.ts"
import { useKeyferry, useRefresh } from "../data/app-context.tsx"
import { useAct } from "../data/use-act.tsx"
import { Button } from "../kit/button.tsx"
import { Dialog, DialogActions } from "../kit/dialog.tsx"
import { FailureNotice } from "../kit/notice.tsx"

/**
 * Clears what this browser holds and nobody can open any more, and leads to a new sign-in: after its removal, or where the
 * browser lost its key.
 */
export const StartAgain = ({ why }: { readonly why: "removed" | "lost" | "unreadable" }) => {
  const keyferry = useKeyferry()
  const refresh = useRefresh()
  const [, go] = useLocation()
  const [asking, setAsking] = useState(false)
  const act = useAct()
  const clear = async (): Promise<void> => {
    const done = await act.run(() => keyferry.signOut({ clear: true, confirmed: true }))
    if (done === undefined) return
    await refresh()
    go("/sign-in")
  }
  /** No device answers: the browser's own databases are what is left. */
  const forget = async (): Promise<void> => {
    await keyferry.forgetEverything()
    location.assign("/sign-in")
  }
  return (
    <>
      <Button tone="primary" onPress={() => setAsking(true)}>
        {t(why === "removed" ? "state.add-again" : "lost.again")}
      </Button>
      <Dialog
        title={t(why === "removed" ? "state.add-again-title" : "lost.again-title")}
        open={asking}
        onClose={() => setAsking(false)}
        busy={act.pending}
      >
        <p>{t(why === "removed" ? "state.add-again-body" : "lost.again-body")}</p>
        <FailureNotice failure={act.failure} />
        <DialogActions>
          <Button tone="primary" pending={act.pending} onPress={() => void (why === "unreadable" ? forget() : clear())}>
            {t("state.add-again-do")}
          </Button>
          <Button onPress={() => setAsking(false)}>{t("button.cancel")}</Button>
        </DialogActions>
      </Dialog>
    </>
  )
}
