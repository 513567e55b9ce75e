import { useState } from "react"
import { useLocation } from "wouter"

import type { Status } from "@keyferry/sdk"

import { list } from "../../i18n/times.ts"
import { t } from "../../i18n/translate.ts"
import { useKeyferry, useRefresh, useSurroundings } from "../data/app-context.tsx"
import { Button } from "../kit/button.tsx"
import { Dialog, DialogActions } from "../kit/dialog.tsx"
import { Icon, type IconName } from "../kit/icon.tsx"
import { FailureNotice } from "../kit/notice.tsx"
import type { FullPageState } from "../model/full-page-states.ts"
import { EntryFrame, hostOf } from "./entry-frame.tsx"

const ICONS: Readonly<Record<FullPageState, IconName>> = {
  "insecure-context": "slash",
  "browser-lacks": "browser",
  "store-failure": "alert",
  "client-too-old": "restore",
  "wrong-server": "shield",
  "device-removed": "slash",
}

export const StatePage = ({
  state,
  status,
}: {
  readonly state: FullPageState
  readonly status: Status | undefined
}) => {
  const surroundings = useSurroundings()
  const secureUrl = surroundings.origin.replace(/^http:/, "https:")
  const args = {
    url: surroundings.origin,
    secureUrl,
    missing: list(surroundings.missing),
    host: hostOf(status?.account?.server ?? surroundings.origin),
    words: status?.account?.serverWords ?? "",
    detail: status?.sync.detail ?? "",
  }
  return (
    <EntryFrame>
      <div className="state-page" data-tone={state === "client-too-old" ? "warn" : "danger"}>
        <span className="state-icon">
          <Icon name={ICONS[state]} size={24} />
        </span>
        <h1>{t(`state.${state}`, args)}</h1>
        <p className="reading">{t(`state.${state}-more`, args)}</p>
        {state === "store-failure" ? <FailureNotice failure={surroundings.failure} /> : null}
        <div className="line">
          <StateActions state={state} secureUrl={secureUrl} />
        </div>
      </div>
    </EntryFrame>
  )
}

const StateActions = ({ state, secureUrl }: { readonly state: FullPageState; readonly secureUrl: string }) => {
  switch (state) {
    case "insecure-context":
      return (
        <a className="button" data-tone="primary" href={secureUrl}>
          {t("state.open-secure")}
        </a>
      )
    case "client-too-old":
      return (
        <Button tone="primary" onPress={() => location.reload()}>
          {t("state.reload")}
        </Button>
      )
    case "device-removed":
      return <StartAgain />
    case "wrong-server":
    case "browser-lacks":
    case "store-failure":
      return <Button onPress={() => location.reload()}>{t("state.check-again")}</Button>
  }
}

/** The copies of a removed browser are already closed for good; clearing them makes room for new keys. */
const StartAgain = () => {
  const keyferry = useKeyferry()
  const refresh = useRefresh()
  const [, go] = useLocation()
  const [asking, setAsking] = useState(false)
  const [pending, setPending] = useState(false)
  return (
    <>
      <Button tone="primary" onPress={() => setAsking(true)}>
        {t("state.add-again")}
      </Button>
      <Dialog title={t("state.add-again-title")} open={asking} onClose={() => setAsking(false)} busy={pending}>
        <p>{t("state.add-again-body")}</p>
        <DialogActions>
          <Button
            tone="primary"
            pending={pending}
            onPress={() => {
              setPending(true)
              void keyferry.signOut({ clear: true, confirmed: true }).then(async () => {
                setPending(false)
                await refresh()
                go("/sign-in")
              })
            }}
          >
            {t("state.add-again-do")}
          </Button>
          <Button onPress={() => setAsking(false)}>{t("button.cancel")}</Button>
        </DialogActions>
      </Dialog>
    </>
  )
}
