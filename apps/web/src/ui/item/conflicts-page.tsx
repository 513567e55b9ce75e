import { useState } from "react"
import { Link } from "wouter"

import type { ItemSummary, ItemView } from "@keyferry/sdk"

import { t } from "../../i18n/translate.ts"
import { useDevices, useItems, useKeyferry } from "../data/app-context.tsx"
import { useAct } from "../data/use-act.tsx"
import { useAsk } from "../data/use-ask.ts"
import { Button } from "../kit/button.tsx"
import { RadioChoice } from "../kit/choice.tsx"
import { FailureNotice } from "../kit/notice.tsx"
import { Empty, PageHead } from "../kit/pieces.tsx"
import { labelOfField } from "../model/kinds.ts"
import { shortened } from "../model/shortened.ts"

/** Both versions are kept until a person says which one works. Nothing else waits for the answer. */
export const ConflictsPage = () => {
  const conflicts = useItems().filter((item) => item.conflicts > 0)
  return (
    <div className="page">
      <PageHead
        title={t("conflicts.title", { n: conflicts.length })}
        lead={t("conflicts.lead")}
        after={conflicts.length}
      />
      {conflicts.length === 0 ? <Empty>{t("conflicts.empty")}</Empty> : null}
      <div className="stack">
        {conflicts.map((item) => (
          <Conflict key={item.id} summary={item} />
        ))}
      </div>
    </div>
  )
}

const Conflict = ({ summary }: { readonly summary: ItemSummary }) => {
  const keyferry = useKeyferry()
  const item = useAsk(() => keyferry.get(summary.id), summary.id)
  if (item.value === undefined) return <FailureNotice failure={item.failure} />
  const fields = [...new Set(item.value.alternatives.map((one) => one.field))]
  const view = item.value
  return (
    <section className="card conflict">
      <div className="card-body">
        <h2>
          <Link to={`/item/${summary.id}`}>
            <bdi>{t("conflicts.changed", { name: shortened(summary.title, 120) })}</bdi>
          </Link>
        </h2>
        {fields.map((field) => (
          <FieldConflict key={field} item={view} field={field} />
        ))}
      </div>
    </section>
  )
}

/** The part of an item that has two versions: a field, or its name or tags, which are none. */
const partOf = (
  item: ItemView,
  part: string,
): { readonly label: string; readonly value: string; readonly secret: boolean } => {
  if (part === "title") return { label: t("editor.name"), value: item.title, secret: false }
  if (part === "tags") return { label: t("editor.tags"), value: item.tags.join("\n"), secret: false }
  // A field of that name stands beside the item's own.
  const name = part.replace(/^field:/, "")
  const values = Object.fromEntries(item.fields.map((one) => [one.name, one.value]))
  const field = item.fields.find((one) => one.name === name)
  return { label: labelOfField(item.kind, name, values), value: field?.value ?? "", secret: field?.secret ?? true }
}

const FieldConflict = ({ item, field }: { readonly item: ItemView; readonly field: string }) => {
  const keyferry = useKeyferry()
  const devices = useDevices()
  const act = useAct()
  const [chosen, setChosen] = useState("current")
  const [shown, setShown] = useState(false)
  const { label, value: now, secret } = partOf(item, field)
  const from = (deviceId: string): string => {
    const device = devices.find((candidate) => candidate.id === deviceId)
    if (device?.isThis === true) return t("conflicts.from-this")
    return t("conflicts.from", { device: device?.name ?? t("history.some-device") })
  }
  const show = (value: string) => (
    <code className="conflict-value">
      <bdi>{secret && !shown ? "••••••••••••" : value.slice(0, 2_000) || t("conflicts.empty-value")}</bdi>
    </code>
  )
  const options = [
    { value: "current", label: show(now), hint: t("conflicts.in-use") },
    // Counted among those of this field, as the choice names them.
    ...item.alternatives
      .filter((one) => one.field === field)
      .map((one, index) => ({
        value: String(index),
        label: show(one.value),
        hint: from(one.deviceId),
      })),
  ]
  return (
    <div className="stack-tight">
      <RadioChoice label={label} value={chosen} onChange={setChosen} options={options} />
      <FailureNotice failure={act.failure} />
      <div className="line">
        <Button
          tone="primary"
          pending={act.pending}
          onPress={() =>
            void act.run(() => keyferry.resolve(item.id, field, chosen === "current" ? "current" : Number(chosen)))
          }
        >
          {t("conflicts.use")}
        </Button>
        {secret ? (
          <Button
            icon={shown ? "eye-off" : "eye"}
            pressed={shown}
            onPress={() => setShown(!shown)}
            name={t(shown ? "field.hide" : "field.show", { field: label })}
          >
            {t(shown ? "secret.hide" : "secret.show")}
          </Button>
        ) : null}
        <span className="muted">{t("conflicts.other-stays")}</span>
      </div>
    </div>
  )
}
