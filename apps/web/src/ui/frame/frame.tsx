import { memo, Suspense, useState } from "react"
import { Link, Route, Switch, useLocation } from "wouter"

import { t } from "../../i18n/translate.ts"
import { useKeyferry, useSnapshot, useStatusPart } from "../data/app-context.tsx"
import { SignIn } from "../entry/sign-in.tsx"
import { AriaLocale } from "../kit/aria-locale.tsx"
import { Button } from "../kit/button.tsx"
import { IconButton } from "../kit/icon-button.tsx"
import { Icon } from "../kit/icon.tsx"
import { later } from "../kit/later.ts"
import { ListPage } from "../list/list-page.tsx"
import { useShortcuts } from "../palette/shortcuts.tsx"
import { Banner } from "./banner.tsx"
import { FactorReset } from "./factor-reset.tsx"
import { ClipboardChip } from "./clipboard-chip.tsx"
import { Mark } from "./mark.tsx"
import { BottomBar, Rail } from "./rail.tsx"
import { SyncIndicator } from "./sync-popover.tsx"
import { useTabTitle } from "./tab-title.ts"

const Palette = later(() => import("../palette/palette.tsx").then((m) => m.Palette))
const ShortcutsDialog = later(() => import("../palette/shortcuts-dialog.tsx").then((m) => m.ShortcutsDialog))
const ItemPage = later(() => import("../item/item-page.tsx").then((m) => m.ItemPage))
const EditPage = later(() => import("../item/edit-page.tsx").then((m) => m.EditPage))
const AddPage = later(() => import("../item/add-page.tsx").then((m) => m.AddPage))
const HistoryPage = later(() => import("../item/history-page.tsx").then((m) => m.HistoryPage))
const BinPage = later(() => import("../list/bin-page.tsx").then((m) => m.BinPage))
const ConflictsPage = later(() => import("../item/conflicts-page.tsx").then((m) => m.ConflictsPage))
const DevicesPage = later(() => import("../devices/devices-page.tsx").then((m) => m.DevicesPage))
const ApprovePage = later(() => import("../devices/approve-page.tsx").then((m) => m.ApprovePage))
const RotationPage = later(() => import("../devices/rotation-page.tsx").then((m) => m.RotationPage))
const ActivityPage = later(() => import("../pages/activity-page.tsx").then((m) => m.ActivityPage))
const Settings = later(() => import("../settings/settings.tsx").then((m) => m.Settings))
const TurnSyncOn = later(() => import("../sync/turn-on.tsx").then((m) => m.TurnSyncOn))
const SignUpInside = later(() => import("../entry/sign-up.tsx").then((m) => m.SignUp))
const Enrolment = later(() => import("../entry/enrolment.tsx").then((m) => m.Enrolment))
const SignOut = later(() => import("../sync/sign-out.tsx").then((m) => m.SignOut))

const WholeFrame = () => {
  const keyferry = useKeyferry()
  // A sign-in that ended begins anew from its page.
  const isJoining = useStatusPart(({ enrolment, mode }) => enrolment !== undefined && mode === "local")
  const isListed = useSnapshot(({ items }) => items !== undefined)
  const [palette, setPalette] = useState(false)
  const [help, setHelp] = useState(false)
  useShortcuts({ openPalette: () => setPalette(true), openHelp: () => setHelp(true) })
  const [location] = useLocation()
  useTabTitle(location)
  const joining = isJoining && location !== "/sign-in"
  const lock = (): void => void keyferry.lockEverywhere()
  return (
    <AriaLocale>
      <div className="frame">
        <a className="skip" href="#main">
          {t("frame.skip")}
        </a>
        <header className="head">
          <Link to="/" className="brand" aria-label="Keyferry">
            <Mark />
            <span>Keyferry</span>
          </Link>
          <span className="vault-name">
            <Icon name="lock" size={16} />
            {t("vault.personal")}
          </span>
          <button type="button" className="search-button" onClick={() => setPalette(true)}>
            <Icon name="search" size={16} />
            <span>{t("frame.search")}</span>
            <kbd>{isApple() ? "⌘K" : "Ctrl K"}</kbd>
          </button>
          <SyncIndicator />
          <span className="only-narrow">
            <IconButton icon="search" name={t("frame.search")} onPress={() => setPalette(true)} />
          </span>
          <span className="only-wide">
            <Button icon="lock" onPress={lock}>
              {t("frame.lock")}
            </Button>
          </span>
        </header>
        <Rail onHelp={() => setHelp(true)} />
        <main className="main" id="main" tabIndex={-1}>
          <FactorReset />
          <Banner />
          <Suspense fallback={<div className="waiting" role="status" />}>
            {joining ? (
              <Enrolment inside />
            ) : isListed || isList(location) ? (
              <Pages />
            ) : (
              <div className="waiting" role="status" />
            )}
          </Suspense>
        </main>
        <BottomBar onLock={lock} onHelp={() => setHelp(true)} />
        <ClipboardChip />
        <Suspense fallback={null}>
          {palette ? <Palette onClose={() => setPalette(false)} onHelp={() => setHelp(true)} /> : null}
          {help ? <ShortcutsDialog onClose={() => setHelp(false)} /> : null}
        </Suspense>
      </div>
    </AriaLocale>
  )
}

/** Its parts are drawn again for what each of them shows. */
export const Frame = memo(WholeFrame)

/** The list is drawn around what is still on its way; every other page needs to know what there is. */
const isList = (location: string): boolean => location === "/" || location.startsWith("/kind/")

/** Not drawn again with what stands around it. */
const Pages = memo(() => (
  <Switch>
    <Route path="/kind/:kind">{({ kind }) => <ListPage key={kind} kind={kind} />}</Route>
    <Route path="/item/:id/edit">{({ id }) => <EditPage key={id} id={id} />}</Route>
    <Route path="/item/:id/history">{({ id }) => <HistoryPage key={id} id={id} />}</Route>
    <Route path="/item/:id">{({ id }) => <ItemPage key={id} id={id} />}</Route>
    <Route path="/add/:kind?">{({ kind }) => <AddPage key={kind} kind={kind} />}</Route>
    <Route path="/bin">
      <BinPage />
    </Route>
    <Route path="/conflicts">
      <ConflictsPage />
    </Route>
    <Route path="/devices/approve/:id">{({ id }) => <ApprovePage key={id} id={id} />}</Route>
    <Route path="/devices">
      <DevicesPage />
    </Route>
    <Route path="/replace">
      <RotationPage />
    </Route>
    <Route path="/activity">
      <ActivityPage />
    </Route>
    <Route path="/turn-on-sync">
      <TurnSyncOn />
    </Route>
    <Route path="/sign-up">
      <SignUpInside inside />
    </Route>
    <Route path="/sign-in">
      <SignIn inside />
    </Route>
    <Route path="/sign-out">
      <SignOut />
    </Route>
    <Route path="/settings" nest>
      <Settings />
    </Route>
    <Route path="/">
      <ListPage />
    </Route>
    <Route>
      <NoSuchPage />
    </Route>
  </Switch>
))
Pages.displayName = "Pages"

const NoSuchPage = () => {
  const [location] = useLocation()
  return (
    <div className="page">
      <h1>{t("frame.no-page")}</h1>
      <p>
        <code>
          <bdi>{location.slice(0, 80)}</bdi>
        </code>
      </p>
      <p>
        <Link to="/">{t("frame.to-credentials")}</Link>
      </p>
    </div>
  )
}

export const isApple = (): boolean => /Mac|iPhone|iPad/.test(navigator.userAgent)
