import { useMemo } from "react"
import { useLocation } from "wouter"

import type { ItemSummary } from "@keyferry/sdk"

import { t } from "../../i18n/translate.ts"
import { useItems, useStatus } from "../data/app-context.tsx"
import { useStep } from "../data/use-step.ts"
import { ButtonLink } from "../kit/button.tsx"
import { Switch } from "../kit/choice.tsx"
import { Card, PageHead } from "../kit/pieces.tsx"
import { Tabs } from "../kit/tabs.tsx"
import { isCredential, KIND_LOOKS, KIND_ORDER, summaryWithdraws } from "../model/kinds.ts"
import { PolicyDialog, type PolicyQuestion } from "../sync/policy-dialog.tsx"
import { SyncSwitch } from "./sync-switch.tsx"
import { AutomaticSync } from "./automatic-sync.tsx"
import { DeviceSummary } from "./device-summary.tsx"

/** Two tabs: which credentials travel, and between which devices. */
export const AccountsSettings = ({ tab }: { readonly tab: string }) => {
  const [, go] = useLocation()
  return (
    <div className="stack">
      <PageHead title={t("settings.accounts")} />
      <Tabs
        name={t("settings.accounts")}
        selected={tab === "sync" ? "sync" : "credentials"}
        onSelect={(id) => go(`/accounts/${id}`)}
        tabs={[
          { id: "credentials", label: t("accounts.credentials"), panel: <CredentialsTab /> },
          { id: "sync", label: t("accounts.sync"), panel: <SyncTab /> },
        ]}
      />
    </div>
  )
}

const SyncTab = () => (
  <div className="stack">
    <Card>
      <SyncSwitch />
    </Card>
    <DeviceSummary />
  </div>
)

const CredentialsTab = () => {
  const { sync } = useStatus()
  return (
    <div className="stack">
      <Card>
        <SyncSwitch />
      </Card>
      {sync.on ? (
        <>
          <AutomaticSync />
          <ChoiceByKind />
        </>
      ) : null}
    </div>
  )
}

const SHOWN_AT_ONCE = 100

const questionOf = (items: readonly ItemSummary[], asked: string | undefined): PolicyQuestion | undefined => {
  const [to, id] = asked?.split(" ") ?? []
  const item = items.find((one) => one.id === id)
  return item === undefined ? undefined : { to: to === "synced" ? to : "local-only", items: [item] }
}

/** Each credential with its own switch, by kind. Turning one asks what becomes of the copies elsewhere. */
export const ChoiceByKind = () => {
  const items = useItems()
  const { sync } = useStatus()
  const [asked, setAsked] = useStep("policy", (step) => {
    const found = questionOf(items, step)
    return found !== undefined && found.items.every((item) => item.policy !== found.to)
  })
  const question = questionOf(items, asked)
  const byKind = useMemo(() => {
    const groups = new Map<string, ItemSummary[]>()
    for (const item of items) groups.set(item.kind, [...(groups.get(item.kind) ?? []), item])
    return groups
  }, [items])
  return (
    <>
      {KIND_ORDER.filter((kind) => byKind.has(kind)).map((kind) => {
        const group = byKind.get(kind) ?? []
        const synced = group.filter((item) => item.policy === "synced").length
        const stopped = isCredential(kind) && !sync.credentials
        return (
          <Card
            key={kind}
            title={t(KIND_LOOKS[kind].plural)}
            note={t("accounts.of", { n: synced, total: group.length })}
          >
            {stopped ? <p className="muted">{t("accounts.stopped")}</p> : null}
            <ul className="policy-rows">
              {group.slice(0, SHOWN_AT_ONCE).map((item) => (
                <li key={item.id}>
                  <Switch
                    on={item.policy === "synced"}
                    disabled={stopped}
                    onChange={(on) => setAsked(`${on ? "synced" : "local-only"} ${item.id}`)}
                    hint={
                      <>
                        {t(item.policy === "synced" ? "policy.synced" : "policy.local")}
                        {summaryWithdraws(item) ? ` · ${t("harm.can-withdraw")}` : ""}
                      </>
                    }
                  >
                    <bdi>{item.title.slice(0, 200)}</bdi>
                  </Switch>
                </li>
              ))}
            </ul>
            {group.length > SHOWN_AT_ONCE ? (
              <ButtonLink to={`~/kind/${kind}`} tone="quiet">
                {t("list.and-more", { n: group.length - SHOWN_AT_ONCE })}
              </ButtonLink>
            ) : null}
          </Card>
        )
      })}
      {question === undefined ? null : <PolicyDialog question={question} onClose={() => setAsked(undefined)} />}
    </>
  )
}
