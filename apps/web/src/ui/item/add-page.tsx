import { useState } from "react"
import { Link, useLocation } from "wouter"

import { kindByName } from "@keyferry/items"
import type { ItemInput } from "@keyferry/sdk"

import { type MessageId, t } from "../../i18n/translate.ts"
import { useDevices, useKeyferry, useStatus } from "../data/app-context.tsx"
import { useAct } from "../data/use-act.tsx"
import { RadioChoice } from "../kit/choice.tsx"
import { Icon } from "../kit/icon.tsx"
import { PageHead } from "../kit/pieces.tsx"
import { holdsKeys } from "../model/device-state.ts"
import { canWithdraw, iconOfKind, KIND_ORDER, type KnownKind, labelOfKind } from "../model/kinds.ts"
import { DraftFound, DraftKept } from "./draft-lines.tsx"
import { Editor, EMPTY_DRAFT } from "./editor.tsx"
import { useDraft } from "./use-draft.ts"

const HINTS: Readonly<Record<KnownKind, MessageId>> = {
  "exchange-key": "kind-hint.exchange-key",
  login: "kind-hint.login",
  "ssh-key": "kind-hint.ssh-key",
  "api-token": "kind-hint.api-token",
  identity: "kind-hint.identity",
  "env-set": "kind-hint.env-set",
  note: "kind-hint.note",
  host: "kind-hint.host",
  group: "kind-hint.group",
  snippet: "kind-hint.snippet",
}

/** Which kind; then its form. */
export const KindPicker = () => (
  <ul className="kind-picker">
    {KIND_ORDER.map((kind) => (
      <li key={kind}>
        <Link to={`/add/${kind}`} className="kind-card">
          <Icon name={iconOfKind(kind)} size={24} />
          <span className="strong">{labelOfKind(kind)}</span>
          <span className="muted">{t(HINTS[kind])}</span>
        </Link>
      </li>
    ))}
  </ul>
)

export const AddPage = ({ kind: name }: { readonly kind: string | undefined }) => {
  const kind = name === undefined ? undefined : kindByName(name)
  if (kind === undefined) {
    return (
      <div className="page">
        <PageHead title={t("editor.what")} />
        <KindPicker />
      </div>
    )
  }
  return <AddForm kindName={kind.kind} />
}

const AddForm = ({ kindName }: { readonly kindName: string }) => {
  const keyferry = useKeyferry()
  const status = useStatus()
  const others = useDevices().filter((device) => holdsKeys(device) && !device.isThis).length
  const [, go] = useLocation()
  const act = useAct()
  const kept = useDraft(`new:${kindName}`, EMPTY_DRAFT)
  const { draft } = kept
  const [chosen, setChosen] = useState<"synced" | "local-only">()
  const kind = kindByName(kindName)
  if (kind === undefined) return null
  if (kept.loading) return <div className="waiting" role="status" />
  const withdraws = canWithdraw(draft.values["permissions"])
  const usual = status.sync.autoNew && (status.sync.credentials || !kind.credential) ? "synced" : "local-only"
  // A key that can empty an account is suggested to stay; the person decides.
  const policy = chosen ?? (withdraws ? "local-only" : usual)
  const save = (input: ItemInput): void => {
    void act
      .run(() => keyferry.add(input))
      .then(async (added) => {
        if (added === undefined) return
        await kept.forget()
        go(`/item/${added.value.id}`)
      })
  }
  return (
    <div className="page">
      <nav className="crumbs" aria-label={t("frame.crumbs")}>
        <Link to="/add">
          <Icon name="back" size={16} /> {t("editor.what")}
        </Link>
      </nav>
      <PageHead title={t("editor.add-title", { kind: labelOfKind(kindName) })} focus={false} />
      <DraftFound draft={kept} />
      <Editor
        kind={kind}
        draft={draft}
        onChange={kept.change}
        pending={act.pending}
        failure={act.failure}
        saveLabel={t("editor.save-new")}
        onCancel={() => {
          void kept.forget()
          go(`/kind/${kindName}`)
        }}
        onSave={({ title, fields, tags }) =>
          save({ kind: kindName, title, fields, tags, ...(status.sync.on ? { policy } : {}) })
        }
      >
        {status.sync.on ? (
          <RadioChoice
            label={t("editor.where")}
            value={policy}
            onChange={setChosen}
            options={[
              {
                value: "synced",
                label: t("policy.synced"),
                hint: t("editor.where-synced", { n: others }),
                disabled: kind.credential && !status.sync.credentials,
              },
              {
                value: "local-only",
                label: t("policy.local"),
                hint: t(withdraws ? "editor.where-local-suggested" : "editor.where-local"),
              },
            ]}
          />
        ) : null}
        <DraftKept draft={kept} />
      </Editor>
    </div>
  )
}
