import { useState } from "react"
import { Link, useLocation } from "wouter"

import type { ItemView, Revision } from "@keyferry/sdk"

import { dayAndTime } from "../../i18n/times.ts"
import { t } from "../../i18n/translate.ts"
import { useDevices, useItems, useKeyferry } from "../data/app-context.tsx"
import { useAct } from "../data/use-act.tsx"
import { useAsk } from "../data/use-ask.ts"
import { useNow } from "../data/use-now.ts"
import { Button } from "../kit/button.tsx"
import { Icon } from "../kit/icon.tsx"
import { FailureNotice } from "../kit/notice.tsx"
import { PageHead } from "../kit/pieces.tsx"
import { labelOfField } from "../model/kinds.ts"
import { list } from "../../i18n/times.ts"
import { PlainField, SecretField } from "./reveal.tsx"
import { shortened } from "../model/shortened.ts"

/** Every version of the last 30 days: what changed, where, and a way back that is itself a new version. */
export const HistoryPage = ({ id }: { readonly id: string }) => {
  const keyferry = useKeyferry()
  const item = useItems().find((candidate) => candidate.id === id)
  const inUse = useAsk(() => keyferry.get(id), id)
  const revisions = useAsk(() => keyferry.history(id), id)
  // The history holds what was replaced; the version in use stands above it.
  const newestFirst: readonly Version[] = [
    ...(inUse.value === undefined ? [] : [versionInUse(inUse.value)]),
    ...(revisions.value ?? []),
  ]
  const title = shortened(item?.title ?? "", 120)
  return (
    <div className="page">
      <nav className="crumbs" aria-label={t("frame.crumbs")}>
        <Link to={`/item/${id}`}>
          <Icon name="back" size={16} /> <bdi>{title}</bdi>
        </Link>
      </nav>
      <PageHead title={t("history.title", { name: title })} lead={t("history.lead")} />
      <FailureNotice failure={revisions.failure ?? inUse.failure} />
      <ol className="revisions">
        {newestFirst.map((revision, at) => (
          <RevisionRow
            key={`${revision.rev}-${revision.atMs}`}
            id={id}
            kind={item?.kind ?? ""}
            revision={revision}
            before={newestFirst[at + 1]}
            current={revision.deviceId === undefined}
          />
        ))}
      </ol>
    </div>
  )
}

/** Who made the version in use is known when the next one replaces it. */
type Version = Omit<Revision, "deviceId"> & { readonly deviceId?: string }

const versionInUse = ({ rev, updatedAtMs, title, fields, alternatives }: ItemView): Version => ({
  rev,
  atMs: updatedAtMs,
  title,
  fields,
  alternatives,
})

const changedFields = (revision: Version, before: Version | undefined): readonly string[] => {
  if (before === undefined) return []
  const old = new Map(before.fields.map((field) => [field.name, field.value]))
  const names = revision.fields.filter((field) => old.get(field.name) !== field.value).map((field) => field.name)
  const gone = before.fields
    .filter((field) => !revision.fields.some((now) => now.name === field.name))
    .map((field) => field.name)
  return [...names, ...gone]
}

const RevisionRow = ({
  id,
  kind,
  revision,
  before,
  current,
}: {
  readonly id: string
  readonly kind: string
  readonly revision: Version
  readonly before: Version | undefined
  readonly current: boolean
}) => {
  const keyferry = useKeyferry()
  const [, go] = useLocation()
  const nowMs = useNow()
  const device = useDevices().find((candidate) => candidate.id === revision.deviceId)
  const act = useAct()
  const [open, setOpen] = useState(false)
  const values = Object.fromEntries(revision.fields.map((field) => [field.name, field.value]))
  const changed = changedFields(revision, before).map((name) => labelOfField(kind, name, values))
  return (
    <li className="revision">
      <div className="revision-head">
        <span className="strong">{dayAndTime(revision.atMs, nowMs)}</span>
        <span className="muted">
          {current ? null : (
            <>
              <bdi>
                {device === undefined ? t("history.some-device") : device.isThis ? t("device.this") : device.name}
              </bdi>
              {" · "}
            </>
          )}
          {before === undefined
            ? t("history.first")
            : changed.length === 0
              ? t(before.title === revision.title ? "history.no-field" : "history.name")
              : t("history.changed", { names: list(changed) })}
        </span>
        <span className="line revision-actions">
          {current ? <span className="tag">{t("history.current")}</span> : null}
          <Button
            tone="quiet"
            onPress={() => setOpen(!open)}
            name={t(open ? "history.hide-name" : "history.view-name", { when: dayAndTime(revision.atMs, nowMs) })}
          >
            {t(open ? "history.hide" : "history.view")}
          </Button>
          {current ? null : (
            <Button
              icon="restore"
              pending={act.pending}
              name={t("history.restore-name", { when: dayAndTime(revision.atMs, nowMs) })}
              onPress={() =>
                void act
                  .run(() => keyferry.restore(id, revision.rev))
                  .then((done) => (done === undefined ? undefined : go(`/item/${id}`)))
              }
            >
              {t("history.restore")}
            </Button>
          )}
        </span>
      </div>
      <FailureNotice failure={act.failure} />
      {open ? (
        <dl className="secrets card">
          {revision.fields.map((field) =>
            field.secret ? (
              <SecretField
                key={field.name}
                label={labelOfField(kind, field.name, values)}
                item={revision.title.slice(0, 80)}
                value={field.value}
                commanded={0}
              />
            ) : (
              <PlainField
                key={field.name}
                label={labelOfField(kind, field.name, values)}
                item={revision.title.slice(0, 80)}
                value={field.value}
              />
            ),
          )}
          {(revision.alternatives ?? []).map((other) => (
            <SecretField
              key={`${other.field} ${other.value}`}
              label={t("history.other", { field: labelOfField(kind, other.field, values) })}
              item={revision.title.slice(0, 80)}
              value={other.value}
              commanded={0}
            />
          ))}
        </dl>
      ) : null}
    </li>
  )
}
