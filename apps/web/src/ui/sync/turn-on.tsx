import { type ReactNode, useEffect, useMemo, useState } from "react"
import { Link } from "wouter"

import type { Progress } from "@keyferry/sdk"

import { t } from "../../i18n/translate.ts"
import { useDevices, useItems, useKeyferry, useRefresh, useStatus } from "../data/app-context.tsx"
import { useAct } from "../data/use-act.tsx"
import { Button, ButtonLink, LinkButton } from "../kit/button.tsx"
import { Checkbox, Switch } from "../kit/choice.tsx"
import { Icon } from "../kit/icon.tsx"
import { FailureNotice, Notice } from "../kit/notice.tsx"
import { PageHead, ProgressBar } from "../kit/pieces.tsx"
import { joinedLater } from "../model/device-state.ts"
import { summaryWithdraws } from "../model/kinds.ts"
import { ItemChoices } from "./item-choices.tsx"
import { ServerSees } from "../pages/server-sees.tsx"
import { ConfirmByMail, usePoll } from "./confirm-device.tsx"
import { RetrieveProgress } from "./retrieve-progress.tsx"
import { progressLabel } from "./progress-label.ts"
import { SecondFactorSetup } from "./second-factor.tsx"

const isWaiting = (state: string): boolean => state === "pending-first" || state === "pending" || state === "confirmed"

/** What is missing is a step, never an error: second factor, this device, what syncs. */
export const TurnSyncOn = () => {
  const status = useStatus()
  const refresh = useRefresh()
  const [factorDone, setFactorDone] = useState(false)
  const [factorOpen, setFactorOpen] = useState(false)
  // What only the server knows is unknown for a moment after every change; a step that was begun stays on screen meanwhile.
  const [known, setKnown] = useState(false)
  const { account, sync } = status
  const isLater = joinedLater(useDevices())
  useEffect(() => void refresh(true), [refresh])
  const isKnown = account !== undefined && account.deviceState !== "unknown"
  if (isKnown && !known) setKnown(true)

  if (sync.on && sync.retrieve !== undefined) {
    return (
      <div className="page">
        <PageHead title={t("turn-on.retrieve")} lead={t("retrieve.lead")} />
        <RetrieveProgress />
        <div className="line">
          <ButtonLink to="/">{t("frame.to-credentials")}</ButtonLink>
        </div>
      </div>
    )
  }
  if (sync.on) {
    return (
      <div className="page">
        <PageHead
          title={t("turn-on.is-on")}
          lead={t("turn-on.is-on-more", { synced: sync.synced, local: sync.localOnly })}
        />
        <div className="line">
          <ButtonLink to="/" tone="primary">
            {t("frame.to-credentials")}
          </ButtonLink>
          <ButtonLink to="/devices">{t("turn-on.add-device")}</ButtonLink>
        </div>
      </div>
    )
  }
  if (account === undefined) {
    return (
      <div className="page">
        <PageHead title={t("turn-on.title")} lead={t("turn-on.needs-account")} />
        <div className="line">
          <ButtonLink to="/sign-up" tone="primary">
            {t("turn-on.sign-up")}
          </ButtonLink>
          <ButtonLink to="/sign-in">{t("welcome.sign-in")}</ButtonLink>
        </div>
        <ServerSees />
      </div>
    )
  }
  if (!known && navigator.onLine) {
    return (
      <div className="page">
        <PageHead title={t("turn-on.title")} />
        <ProgressBar label={t("trouble.asking")} />
      </div>
    )
  }
  const hasFactor = account.factors.length > 0
  // The codes stay on screen until the person has put them away.
  const factor = hasFactor && (factorDone || !factorOpen)
  const device = !isWaiting(account.deviceState)
  const open = !factor ? 1 : !device ? 2 : 3
  const retrieves = sync.localOnly === 0 && isLater
  return (
    <div className="page">
      <PageHead title={t("turn-on.title")} lead={t("turn-on.lead", { done: open - 1 })} />
      <ol className="checklist">
        <CheckStep n={1} open={open} title={t("turn-on.factor")} done={t("turn-on.factor-done")}>
          <div onFocus={() => setFactorOpen(true)}>
            <SecondFactorSetup
              onDone={() => {
                setFactorDone(true)
                void refresh(true)
              }}
            />
          </div>
        </CheckStep>
        <CheckStep n={2} open={open} title={t("turn-on.device")} done={account.deviceName}>
          <FirstDevice address={account.address} />
        </CheckStep>
        <CheckStep n={3} open={open} title={t(retrieves ? "turn-on.retrieve" : "turn-on.what")} done="">
          <ChooseWhat retrieves={retrieves} />
        </CheckStep>
      </ol>
      <ServerSees />
    </div>
  )
}

const CheckStep = ({
  n,
  open,
  title,
  done,
  children,
}: {
  readonly n: number
  readonly open: number
  readonly title: string
  readonly done: string
  readonly children: ReactNode
}) => (
  <li className="check-step" data-state={n < open ? "done" : n === open ? "open" : "later"}>
    <div className="check-head">
      <span className="check-mark">{n < open ? <Icon name="check" size={16} /> : n}</span>
      <h2>{title}</h2>
      {n < open ? (
        <span className="muted">
          <bdi>{done}</bdi>
        </span>
      ) : null}
    </div>
    {n === open ? <div className="check-body">{children}</div> : null}
  </li>
)

/** The device that made the account holds its keys already; it needs the mail only. */
const FirstDevice = ({ address }: { readonly address: string }) => {
  const keyferry = useKeyferry()
  const refresh = useRefresh()
  const [started, setStarted] = useState(false)
  const failure = usePoll(async () => {
    const { account } = await keyferry.status({ fresh: true })
    const done = account === undefined || !isWaiting(account.deviceState)
    if (done) await refresh(true)
    return { done }
  }, started)
  return (
    <div className="stack">
      <ConfirmByMail state={{}} address={address} waiting={started} onMailed={() => setStarted(true)} />
      <FailureNotice failure={failure} />
      <Notice tone="info">{t("turn-on.inbox-note")}</Notice>
    </div>
  )
}

const ChooseWhat = ({ retrieves }: { readonly retrieves: boolean }) => {
  const keyferry = useKeyferry()
  const items = useItems()
  const act = useAct()
  const local = useMemo(() => items.filter((item) => item.policy === "local-only"), [items])
  const [chosen, setChosen] = useState<ReadonlySet<string>>(
    () => new Set(local.filter((item) => !summaryWithdraws(item)).map((item) => item.id)),
  )
  const [autoNew, setAutoNew] = useState(true)
  const [progress, setProgress] = useState<Progress>()
  const withdraws = local.filter(summaryWithdraws).length
  const start = async (): Promise<void> => {
    const all = chosen.size === local.length
    // When it is on, this page says so by itself; whoever went elsewhere meanwhile stays there.
    await act.run(() =>
      keyferry.syncOn({ items: chosen.size === 0 ? "none" : all ? "all" : [...chosen], autoNew }, setProgress),
    )
  }
  return (
    <div className="stack">
      {local.length === 0 ? (
        <p>{t("turn-on.nothing-here")}</p>
      ) : (
        <>
          <p>{t("turn-on.choose", { n: local.length })}</p>
          <div className="line">
            <Checkbox
              checked={chosen.size === local.length}
              partly={chosen.size > 0 && chosen.size < local.length}
              onChange={(on) => setChosen(on ? new Set(local.map((item) => item.id)) : new Set())}
            >
              {t("turn-on.all", { n: local.length })}
            </Checkbox>
          </div>
          <ItemChoices items={local} chosen={chosen} onChange={setChosen} />
          {withdraws > 0 ? <p className="muted">{t("turn-on.unticked", { n: withdraws })}</p> : null}
        </>
      )}
      <Switch on={autoNew} onChange={setAutoNew} hint={t("turn-on.auto-hint")}>
        {t("turn-on.auto")}
      </Switch>
      <FailureNotice failure={act.failure} />
      {act.pending ? (
        <ProgressBar label={progressLabel(progress)} done={progress?.done ?? 0} total={progress?.total} />
      ) : null}
      <div className="line">
        <Button tone="primary" pending={act.pending} onPress={() => void start()}>
          {retrieves ? t("turn-on.retrieve-do") : t("turn-on.do", { n: chosen.size })}
        </Button>
        <LinkButton onPress={() => history.back()}>{t("turn-on.not-now")}</LinkButton>
        <Link to="/about-vaults">{t("turn-on.about-vaults")}</Link>
      </div>
    </div>
  )
}
