import { Suspense } from "react"
import { Route, Switch } from "wouter"

import { t } from "../../i18n/translate.ts"
import { useSnapshot, useSurroundings } from "../data/app-context.tsx"
import { FirstRun } from "../entry/first-run.tsx"
import { SignIn } from "../entry/sign-in.tsx"
import { Unlock } from "../entry/unlock.tsx"
import { later } from "../kit/later.ts"
import { fullPageState } from "../model/full-page-states.ts"

const StatePage = later(() => import("../entry/state-page.tsx").then((m) => m.StatePage))
const Frame = later(() => import("./frame.tsx").then((m) => m.Frame))
const AddFirst = later(() => import("../entry/add-first.tsx").then((m) => m.AddFirst))
const SignUp = later(() => import("../entry/sign-up.tsx").then((m) => m.SignUp))
const Recover = later(() => import("../entry/recover.tsx").then((m) => m.Recover))
const Enrolment = later(() => import("../entry/enrolment.tsx").then((m) => m.Enrolment))
const Rescue = later(() => import("../entry/rescue.tsx").then((m) => m.Rescue))
const SecurityPage = later(() => import("../pages/security-page.tsx").then((m) => m.SecurityPage))
const VaultsPage = later(() => import("../pages/vaults-page.tsx").then((m) => m.VaultsPage))

/** Which of the app's few worlds a person is in: a full-page state, the first run, an enrolment, locked, or inside. */
export const Gate = () => {
  const status = useSnapshot((snapshot) => snapshot.status)
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
  const status = useSnapshot((snapshot) => snapshot.status)
  if (status === undefined) return <Waiting />
  // A sign-in makes the browser's store before it has keys; with nothing of one's own in it, there is only one thing to do.
  const joining = status.enrolment !== undefined && status.mode !== "account" && status.lock !== "locked"
  if (joining && status.sync.localOnly === 0) return <Joining />
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

/** Where it ended, or the server does not know the sign-in any more, it begins anew from the same two pages. */
const Joining = () => (
  <Switch>
    <Route path="/sign-in">
      <SignIn />
    </Route>
    <Route path="/recover">
      <Recover />
    </Route>
    <Route>
      <Enrolment />
    </Route>
  </Switch>
)

const Waiting = () => (
  <div className="waiting" role="status">
    <span className="unseen">{t("progress.working")}</span>
  </div>
)
