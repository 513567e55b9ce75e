import { useMemo, useState } from "react"
import { Link, useLocation } from "wouter"

import { DEFAULT_VAULT, exchangeById, formatReference, kindByName, toExchangeId } from "@keyferry/items"
import type { ItemSummary, ItemView } from "@keyferry/sdk"

import { ago, dayAndTime } from "../../i18n/times.ts"
import { fromTable, t } from "../../i18n/translate.ts"
import { useDevices, useItems, useKeyferry, useStatus } from "../data/app-context.tsx"
import { useAct } from "../data/use-act.tsx"
import { useAsk } from "../data/use-ask.ts"
import { useNow } from "../data/use-now.ts"
import { useStep } from "../data/use-step.ts"
import { ButtonLink } from "../kit/button.tsx"
import { Icon } from "../kit/icon.tsx"
import { MoreMenu } from "../kit/menu.tsx"
import { FailureNotice, Notice } from "../kit/notice.tsx"
import { Badge, focusIfLost } from "../kit/pieces.tsx"
import { PolicyBadge } from "../list/item-rows.tsx"
import { RemoveDialog } from "../list/remove-dialog.tsx"
import { copySecret, copyText } from "../model/clipboard.ts"
import { custodyOf, custodySentence, devicesInOrder } from "../model/custody.ts"
import {
  canWithdraw,
  iconOfKind,
  labelOfField,
  pluralOfKind,
  primaryField,
  publicField,
  siteOfExchange,
} from "../model/kinds.ts"
import { useCommands } from "../palette/commands.ts"
import { CopyText } from "../shared/copy-button.tsx"
import { CustodyLegend } from "../shared/custody-strip.tsx"
import { PolicyDialog } from "../sync/policy-dialog.tsx"
import { PlainField, SecretField } from "./reveal.tsx"

const DAY_MS = 86_400_000

/** Picked from a list when the key was added; nobody pastes them anywhere. */
const CHOSEN: ReadonlySet<string> = new Set(["exchange", "environment", "region", "credential-choice"])

export const ItemPage = ({ id }: { readonly id: string }) => {
  const keyferry = useKeyferry()
  const items = useItems()
  const summary = items.find((item) => item.id === id)
  const item = useAsk(() => keyferry.get(id), id)
  if (item.failure !== undefined) {
    return (
      <div className="page">
        <FailureNotice failure={item.failure} />
        <p>
          <Link to="/">{t("frame.to-credentials")}</Link>
        </p>
      </div>
    )
  }
  if (item.value === undefined) return <div className="waiting" role="status" />
  return <ItemDetails item={item.value} summary={summary ?? item.value} />
}

const ItemDetails = ({ item, summary }: { readonly item: ItemView; readonly summary: ItemSummary }) => {
  const keyferry = useKeyferry()
  const status = useStatus()
  const devices = useDevices()
  const [, go] = useLocation()
  const nowMs = useNow()
  const act = useAct()
  const [commanded, setCommanded] = useState(0)
  const [asking, setAsking] = useStep("item", (step) => step !== summary.policy)
  const values = useMemo(() => Object.fromEntries(item.fields.map((field) => [field.name, field.value])), [item.fields])
  const title = item.title.slice(0, 200)
  const label = (name: string): string => labelOfField(item.kind, name, values)
  const primary = primaryField(item.kind, item.fields)
  const inOrder = useMemo(() => devicesInOrder(devices), [devices])
  const entries = custodyOf(summary, inOrder)

  useCommands(
    useMemo(() => {
      const copy = (field: ReturnType<typeof primaryField>) => () => {
        if (field === undefined) return
        const what = t("copy.what", { field: labelOfField(item.kind, field.name, values), item: title })
        if (field.secret) void copySecret(field.value, what, "button")
        else void copyText(field.value, what)
      }
      return {
        "item.edit": () => go(`/item/${item.id}/edit`),
        "item.copy": copy(primaryField(item.kind, item.fields)),
        "item.copy-public": copy(publicField(item.kind, item.fields)),
        "item.reveal": () => setCommanded((n) => n + 1),
        "item.new": () => go(`/add/${item.kind}`),
      }
    }, [go, item, values, title]),
  )

  const refers = new Map(
    (kindByName(item.kind)?.fields ?? []).flatMap((spec) =>
      spec.refersTo === undefined ? [] : [[spec.name, spec] as const],
    ),
  )
  const shownFields = item.fields.filter(
    (field) => field.name !== "permissions" && field.name !== "ip-allow-list" && field.name !== "expires-at",
  )
  const expires = values["expires-at"]
  const site = item.kind === "exchange-key" ? siteOfExchange(values["exchange"]) : undefined

  return (
    <article className="page page-item">
      <nav className="crumbs" aria-label={t("frame.crumbs")}>
        <Link to={`/kind/${item.kind}`}>
          <Icon name="back" size={16} /> {pluralOfKind(item.kind)}
        </Link>
      </nav>
      <header className="item-head">
        <span className="item-icon">
          <Icon name={iconOfKind(item.kind)} size={24} />
        </span>
        <div className="item-title">
          <h1 tabIndex={-1} ref={focusIfLost}>
            <bdi>{title}</bdi>
          </h1>
          <p className="line muted">
            <PolicyBadge item={summary} />
            {item.class === "strict" ? <Badge icon="shield">{t("class.strict")}</Badge> : null}
            <span>{t("item.changed", { when: ago(item.updatedAtMs, nowMs) })}</span>
          </p>
        </div>
        <div className="page-actions">
          <ButtonLink to={`/item/${item.id}/edit`} icon="edit">
            {t("button.edit")}
          </ButtonLink>
          <MoreMenu
            name={t("list.actions", { name: title })}
            entries={[
              {
                id: "history",
                icon: "history",
                label: t("item.history"),
                text: t("item.history"),
                onAction: () => go(`/item/${item.id}/history`),
              },
              ...(status.sync.on
                ? [
                    item.policy === "synced"
                      ? {
                          id: "local",
                          icon: "browser" as const,
                          label: t("item.keep-local"),
                          text: t("item.keep-local"),
                          onAction: () => setAsking("local-only"),
                        }
                      : {
                          id: "sync",
                          icon: "cloud" as const,
                          label: t("item.sync"),
                          text: t("item.sync"),
                          onAction: () => setAsking("synced"),
                        },
                  ]
                : []),
              item.class === "strict"
                ? {
                    id: "class",
                    icon: "shield",
                    label: t("item.make-standard"),
                    text: t("item.make-standard"),
                    onAction: () => void act.run(() => keyferry.setClass([item.id], "standard")),
                  }
                : {
                    id: "class",
                    icon: "shield",
                    label: t("item.make-strict"),
                    text: t("item.make-strict"),
                    onAction: () => void act.run(() => keyferry.setClass([item.id], "strict")),
                  },
              {
                id: "bin",
                icon: "bin",
                tone: "danger",
                separated: true,
                label: t("list.move-to-bin"),
                text: t("list.move-to-bin"),
                onAction: () => setAsking("remove"),
              },
            ]}
          />
        </div>
      </header>
      <FailureNotice failure={act.failure} />
      {item.conflicts > 0 ? (
        <Notice
          tone="warn"
          icon="two"
          title={t("item.conflict")}
          actions={<ButtonLink to="/conflicts">{t("item.conflict-look")}</ButtonLink>}
        >
          {t("item.conflict-more")}
        </Notice>
      ) : null}
      {canWithdraw(values["permissions"]) ? (
        <Notice tone="warn" title={t("item.withdraws")}>
          {t(item.policy === "synced" ? "item.withdraws-synced" : "item.withdraws-local")}
        </Notice>
      ) : null}

      <dl className="secrets card">
        {shownFields.map((field) => {
          const spec = refers.get(field.name)
          if (spec !== undefined) return <ReferenceField key={field.name} label={label(field.name)} id={field.value} />
          return field.secret ? (
            <SecretField
              key={field.name}
              label={label(field.name)}
              item={title}
              value={field.value}
              commanded={field.name === primary?.name ? commanded : 0}
            />
          ) : (
            <PlainField
              key={field.name}
              label={label(field.name)}
              item={title}
              value={
                field.name === "exchange" ? (exchangeById(toExchangeId(field.value))?.name ?? field.value) : field.value
              }
              copies={!CHOSEN.has(field.name)}
            />
          )
        })}
        {shownFields.length === 0 ? <p className="muted">{t("item.no-fields")}</p> : null}
      </dl>

      <div className="item-facts">
        {item.kind === "exchange-key" ? (
          <section className="fact">
            <h2>{t("item.at-exchange")}</h2>
            <dl className="pairs">
              <div className="pair">
                <dt>{label("permissions")}</dt>
                <dd>
                  <bdi>{values["permissions"] ?? t("item.not-noted")}</bdi>
                </dd>
              </div>
              <div className="pair">
                <dt>{label("ip-allow-list")}</dt>
                <dd className={values["ip-allow-list"] === undefined ? undefined : "mono"}>
                  <bdi>{values["ip-allow-list"] ?? t("item.not-noted")}</bdi>
                </dd>
              </div>
              <div className="pair">
                <dt>{label("expires-at")}</dt>
                <dd>{expires === undefined ? t("item.not-noted") : <Expiry at={expires} nowMs={nowMs} />}</dd>
              </div>
            </dl>
            {site === undefined ? null : (
              <p>
                <a href={site} target="_blank" rel="noreferrer noopener">
                  {t("item.open-exchange", { host: new URL(site).host })}
                </a>
              </p>
            )}
          </section>
        ) : null}
        <section className="fact">
          <h2>{t("item.where")}</h2>
          <p className="muted">{custodySentence(entries)}</p>
          <CustodyLegend entries={entries} nowMs={nowMs} />
          {summary.policy === "local-only" ? <p className="muted">{t("item.only-copy")}</p> : null}
        </section>
        <section className="fact">
          <h2>{t("item.more")}</h2>
          <dl className="pairs">
            <div className="pair">
              <dt>{t("item.created")}</dt>
              <dd>{dayAndTime(item.createdAtMs, nowMs)}</dd>
            </div>
            <div className="pair">
              <dt>{t("item.version")}</dt>
              <dd>
                <Link to={`/item/${item.id}/history`}>{t("item.version-n", { n: Math.max(1, item.rev) })}</Link>
              </dd>
            </div>
            {item.tags.length === 0 ? null : (
              <div className="pair">
                <dt>{t("item.tags")}</dt>
                <dd className="line">
                  {item.tags.map((tag) => (
                    <span key={tag} className="tag">
                      <bdi>{tag.slice(0, 60)}</bdi>
                    </span>
                  ))}
                </dd>
              </div>
            )}
            {primary === undefined ? null : <Reference title={item.title} id={item.id} field={primary.name} />}
          </dl>
        </section>
      </div>
      {asking === "synced" || asking === "local-only" ? (
        <PolicyDialog question={{ to: asking, items: [summary] }} onClose={() => setAsking(undefined)} />
      ) : null}
      {asking === "remove" ? (
        <RemoveDialog
          items={[summary]}
          elsewhere={Math.max(0, inOrder.length - 1)}
          onClose={() => setAsking(undefined)}
          onRemove={async () => {
            const done = await act.run(() => keyferry.remove(item.id))
            setAsking(undefined)
            if (done !== undefined) go(`/kind/${item.kind}`)
          }}
        />
      ) : null}
    </article>
  )
}

const Reference = ({ title, id, field }: { readonly title: string; readonly id: string; readonly field: string }) => {
  // A name that would be all percent signs is no help to anybody; the id is as good.
  const short = /^[\w .~-]{1,120}$/.test(title)
  const text = formatReference({
    target: short ? { by: "name", vault: DEFAULT_VAULT, item: title } : { by: "id", itemId: id as `itm_${string}` },
    field,
    query: new Map(),
  })
  return (
    <div className="pair">
      <dt>{t("item.reference")}</dt>
      <dd className="line">
        <code className="reference">
          <bdi>{text}</bdi>
        </code>
        <CopyText text={text} label={t("item.copy-reference")} name={t("item.copy-reference")} />
      </dd>
    </div>
  )
}

/** A field that holds another item's id: its name and a way to it, or that it is not on this device. */
const ReferenceField = ({ label, id }: { readonly label: string; readonly id: string }) => {
  const other = useItems().find((item) => item.id === id)
  return (
    <div className="secret">
      <dt className="secret-label">{label}</dt>
      <dd className="secret-value">
        {other === undefined ? (
          <Badge icon="help" tone="warn">
            {fromTable("The credential this host refers to is not on this device.")}
          </Badge>
        ) : (
          <Link to={`/item/${other.id}`}>
            <bdi>{other.title.slice(0, 200)}</bdi>
          </Link>
        )}
      </dd>
    </div>
  )
}

const Expiry = ({ at, nowMs }: { readonly at: string; readonly nowMs: number }) => {
  const days = Math.ceil((Date.parse(at) - nowMs) / DAY_MS)
  if (Number.isNaN(days)) return <bdi>{at.slice(0, 40)}</bdi>
  return days <= 0 ? (
    <Badge icon="clock" tone="danger">
      {t("item.expired", { date: at.slice(0, 10) })}
    </Badge>
  ) : (
    <Badge icon="clock" {...(days <= 14 ? { tone: "warn" as const } : {})}>
      {t("item.expires-in", { n: days, date: at.slice(0, 10) })}
    </Badge>
  )
}
