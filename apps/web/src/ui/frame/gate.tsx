import { lazy, Suspense } from "react"
import { Route, Switch } from "wouter"

import { t } from "../../i18n/translate.ts"
import { useSnapshot, useSurroundings } from "../data/app-context.tsx"
import { FirstRun } from "../entry/first-run.tsx"
import { fullPageState, StatePage } from "../entry/state-page.tsx"
import { Unlock } from "../entry/unlock.tsx"

const Frame = lazy(() => import("./frame.tsx").then((m) => ({ default: m.Frame })))
const AddFirst = lazy(() => import("../entry/add-first.tsx").then((m) => ({ default: m.AddFirst })))
const SignIn = lazy(() => import("../entry/sign-in.tsx").then((m) => ({ default: m.SignIn })))
const SignUp = lazy(() => import("../entry/sign-up.tsx").then((m) => ({ default: m.SignUp })))
const Recover = lazy(() => import("../entry/recover.tsx").then((m) => ({ default: m.Recover })))
const Enrolment = lazy(() => import("../entry/enrolment.tsx").then((m) => ({ default: m.Enrolment })))
const Rescue = lazy(() => import("../entry/rescue.tsx").then((m) => ({ default: m.Rescue })))
const SecurityPage = lazy(() => import("../pages/security-page.tsx").then((m) => ({ default: m.SecurityPage })))
const VaultsPage = lazy(() => import("../pages/vaults-page.tsx").then((m) => ({ default: m.VaultsPage })))

/** Which of the app's few worlds a person is in: a full-page state, the first run, an enrolment, locked, or inside. */
export const Gate = () => {
  const { status } = useSnapshot()
  const surroundings = useSurroundings()
  const wall = fullPageState(status, surroundings)
  return (
    <Suspense fallback={<Waiting />}>
      <Switch>
        <Route path="/security">
          <SecurityPage />
        </Route>
        <Route path="/about-vaults">
          <VaultsPage />
        </Route>
        <Route>{wall !== undefined ? <StatePage state={wall} status={status} /> : <World />}</Route>
      </Switch>
    </Suspense>
  )
}

const World = () => {
  const { status } = useSnapshot()
  if (status === undefined) return <Waiting />
  // A sign-in makes the browser's store before it has keys; with nothing of one's own in it, there is only one thing to do.
  const joining = status.enrolment !== undefined && status.mode !== "account" && status.lock !== "locked"
  if (joining && status.sync.localOnly === 0) return <Enrolment />
  if (status.mode === "none") {
    return (
      <Switch>
        <Route path="/add/:kind?">{({ kind }) => <AddFirst kind={kind ?? "exchange-key"} />}</Route>
        <Route path="/sign-in">
          <SignIn />
        </Route>
        <Route path="/sign-up">
          <SignUp />
        </Route>
        <Route path="/recover">
          <Recover />
        </Route>
        <Route>
          <FirstRun />
        </Route>
      </Switch>
    )
  }
  if (status.lock === "locked") {
    return (
      <Switch>
        <Route path="/rescue">
          <Rescue />
        </Route>
        <Route>
          <Unlock />
        </Route>
      </Switch>
    )
  }
  return <Frame />
}

const Waiting = () => (
  <div className="waiting" role="status">
    <span className="unseen">{t("progress.working")}</span>
  </div>
)
