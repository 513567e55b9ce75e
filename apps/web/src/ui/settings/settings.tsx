import { type ReactNode, useEffect, useRef } from "react"
import { Link, Redirect, Route, Switch, useLocation } from "wouter"

import { type MessageId, t } from "../../i18n/translate.ts"
import { PageHead } from "../kit/pieces.tsx"
import { KeyboardSettings } from "../palette/shortcuts-dialog.tsx"
import { AboutSettings } from "./about.tsx"
import { AccountsSettings } from "./accounts.tsx"
import { AppearanceSettings } from "./appearance.tsx"
import { CopiesSettings } from "./copies.tsx"
import { GeneralSettings } from "./general.tsx"
import { SignInSettings } from "./sign-in.tsx"
import { SynchronizationSettings } from "./synchronization.tsx"

const PLACES: readonly { readonly to: string; readonly label: MessageId }[] = [
  { to: "/general", label: "settings.general" },
  { to: "/accounts", label: "settings.accounts" },
  { to: "/account/synchronization", label: "settings.synchronization" },
  { to: "/sign-in", label: "settings.sign-in" },
  { to: "/copies", label: "settings.copies" },
  { to: "/appearance", label: "settings.appearance" },
  { to: "/keyboard", label: "settings.keyboard" },
  { to: "/about", label: "settings.about" },
]

/** The place before it shows that there is one. */
const EDGE_PX = 48

export const Settings = () => {
  const [location] = useLocation()
  const nav = useRef<HTMLElement>(null)
  useEffect(() => {
    // On a phone the places stand side by side, and this one may be out of sight.
    const here = nav.current?.querySelector<HTMLElement>("[aria-current]")
    if (here) nav.current?.scrollTo({ left: here.offsetLeft - nav.current.offsetLeft - EDGE_PX })
  }, [location])
  return (
    <div className="page settings">
      <nav className="settings-nav" aria-label={t("place.settings")} ref={nav}>
        <ul>
          {PLACES.map((place) => (
            <li key={place.to}>
              <Link to={place.to} {...(location.startsWith(place.to) ? { "aria-current": "page" as const } : {})}>
                {t(place.label)}
              </Link>
            </li>
          ))}
        </ul>
      </nav>
      <div className="settings-body">
        <Switch>
          <Route path="/general">
            <Section title={t("settings.general")}>
              <GeneralSettings />
            </Section>
          </Route>
          <Route path="/accounts/:tab?">{({ tab }) => <AccountsSettings tab={tab ?? "credentials"} />}</Route>
          <Route path="/account/synchronization">
            <Section title={t("settings.synchronization")}>
              <SynchronizationSettings />
            </Section>
          </Route>
          <Route path="/sign-in">
            <Section title={t("settings.sign-in")}>
              <SignInSettings />
            </Section>
          </Route>
          <Route path="/copies">
            <Section title={t("settings.copies")}>
              <CopiesSettings />
            </Section>
          </Route>
          <Route path="/appearance">
            <Section title={t("settings.appearance")}>
              <AppearanceSettings />
            </Section>
          </Route>
          <Route path="/keyboard">
            <Section title={t("settings.keyboard")}>
              <KeyboardSettings />
            </Section>
          </Route>
          <Route path="/about">
            <Section title={t("settings.about")}>
              <AboutSettings />
            </Section>
          </Route>
          <Route>
            <Redirect to="/general" replace />
          </Route>
        </Switch>
      </div>
    </div>
  )
}

export const Section = ({ title, children }: { readonly title: string; readonly children: ReactNode }) => (
  <div className="stack">
    <PageHead title={title} />
    {children}
  </div>
)
