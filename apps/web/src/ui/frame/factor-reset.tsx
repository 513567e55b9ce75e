import { useState } from "react"
import { useLocation } from "wouter"

import { dayAndTime } from "../../i18n/times.ts"
import { t } from "../../i18n/translate.ts"
import { useKeyferry, useStatus } from "../data/app-context.tsx"
import { useAct } from "../data/use-act.tsx"
import { useNow } from "../data/use-now.ts"
import { Button } from "../kit/button.tsx"
import { FailureNotice, Notice } from "../kit/notice.tsx"

/** Somebody is on the way in without the second factor. It stands on every page, before everything else, until it is stopped or over. */
export const FactorReset = () => {
  const keyferry = useKeyferry()
  const { account } = useStatus()
  const nowMs = useNow()
  const act = useAct()
  const [, go] = useLocation()
  const [stopped, setStopped] = useState(false)
  const atMs = account?.factorResetAtMs
  if (atMs !== undefined)
    return (
      <div className="banner">
        <Notice
          tone="danger"
          icon="alert"
          title={t("banner.factor-reset")}
          live
          actions={
            <Button
              tone="danger"
              pending={act.pending}
              onPress={() =>
                void act
                  .run(() => keyferry.stopFactorReset())
                  .then((done) => setStopped(done?.value.cancelled === true))
              }
            >
              {t("banner.factor-reset-stop")}
            </Button>
          }
        >
          {t("banner.factor-reset-more", { when: dayAndTime(atMs, nowMs) })}
        </Notice>
        <FailureNotice failure={act.failure} />
      </div>
    )
  if (!stopped) return null
  return (
    <div className="banner">
      <Notice
        tone="ok"
        title={t("banner.factor-reset-stopped")}
        live
        actions={
          <>
            <Button
              onPress={() => {
                setStopped(false)
                go("/settings/sign-in")
              }}
            >
              {t("settings.change-password")}
            </Button>
            <Button tone="quiet" onPress={() => setStopped(false)}>
              {t("button.dismiss")}
            </Button>
          </>
        }
      >
        {t("banner.factor-reset-stopped-more")}
      </Notice>
    </div>
  )
}
