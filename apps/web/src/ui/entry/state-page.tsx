import type { Status } from "@keyferry/sdk"
import type { Failure } from "@keyferry/sdk/errors"

import { list } from "../../i18n/times.ts"
import { t } from "../../i18n/translate.ts"
import { useSurroundings } from "../data/app-context.tsx"
import { Button } from "../kit/button.tsx"
import { Icon, type IconName } from "../kit/icon.tsx"
import { FailureNotice } from "../kit/notice.tsx"
import type { FullPageState } from "../model/full-page-states.ts"
import { EntryFrame, hostOf } from "./entry-frame.tsx"
import { StartAgain } from "./start-again.tsx"

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
          <StateActions state={state} secureUrl={secureUrl} failure={surroundings.failure} />
        </div>
      </div>
    </EntryFrame>
  )
}

const StateActions = ({
  state,
  secureUrl,
  failure,
}: {
  readonly state: FullPageState
  readonly secureUrl: string
  readonly failure: Failure | undefined
}) => {
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
      return <StartAgain why="removed" />
    case "store-failure":
      return (
        <>
          <Button onPress={() => location.reload()}>{t("state.check-again")}</Button>
          {failure?.code === "store-corrupt" ? <StartAgain why="unreadable" /> : null}
        </>
      )
    case "wrong-server":
    case "browser-lacks":
      return <Button onPress={() => location.reload()}>{t("state.check-again")}</Button>
  }
}
