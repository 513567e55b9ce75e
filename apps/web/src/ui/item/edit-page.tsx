import { useLocation, useSearch } from "wouter"

import { kindByName } from "@keyferry/items"
import type { ItemView } from "@keyferry/sdk"

import { t } from "../../i18n/translate.ts"
import { useKeyferry } from "../data/app-context.tsx"
import { useAct } from "../data/use-act.tsx"
import { useAsk } from "../data/use-ask.ts"
import { FailureNotice } from "../kit/notice.tsx"
import { PageHead } from "../kit/pieces.tsx"
import { DraftFound, DraftKept } from "./draft-lines.tsx"
import { Editor } from "./editor.tsx"
import { unknownKind } from "./unknown-kind.ts"
import { useDraft } from "./use-draft.ts"
import { shortened } from "../model/shortened.ts"

export const EditPage = ({ id }: { readonly id: string }) => {
  const keyferry = useKeyferry()
  const item = useAsk(() => keyferry.get(id), id)
  if (item.failure !== undefined) return <FailureNotice failure={item.failure} />
  if (item.value === undefined) return <div className="waiting" role="status" />
  // The draft begins with the version that was on screen; a sync in between makes a merge, not a loss.
  return <EditForm key={id} item={item.value} />
}

const EditForm = ({ item }: { readonly item: ItemView }) => {
  const keyferry = useKeyferry()
  const [, go] = useLocation()
  const search = new URLSearchParams(useSearch())
  const act = useAct()
  const unsaved = useDraft(item.id, {
    title: item.title,
    values: Object.fromEntries(item.fields.map((field) => [field.name, field.value])),
    tags: item.tags.join(", "),
  })
  const kind = kindByName(item.kind) ?? unknownKind(item.kind)
  const replaced = search.get("replaced") !== null
  const focusField = search.get("field") ?? undefined
  if (unsaved.loading) return <div className="waiting" role="status" />
  return (
    <div className="page">
      <PageHead title={t("editor.edit-title", { name: shortened(item.title, 120) })} focus={false} />
      <DraftFound draft={unsaved} />
      <Editor
        kind={kind}
        draft={unsaved.draft}
        onChange={unsaved.change}
        pending={act.pending}
        failure={act.failure}
        saveLabel={t(replaced ? "editor.save-replaced" : "button.save")}
        {...(focusField === undefined ? {} : { focusField })}
        onCancel={() => {
          void unsaved.forget()
          go(`/item/${item.id}`)
        }}
        onSave={({ title, fields, tags }) => {
          const kept = new Set(fields.map((field) => field.name))
          const gone = item.fields
            .filter((field) => !kept.has(field.name))
            .map((field) => ({ name: field.name, value: null }))
          const changed = fields.filter((field) => {
            const before = item.fields.find((candidate) => candidate.name === field.name)
            return before?.value !== field.value || before.secret !== field.secret
          })
          void act
            .run(() => keyferry.edit(item.id, { title, tags, fields: [...changed, ...gone] }))
            .then(async (saved) => {
              if (saved === undefined) return
              await unsaved.forget()
              if (replaced) await act.run(() => keyferry.rotationDone(item.id))
              go(replaced ? "/replace" : `/item/${item.id}`)
            })
        }}
      >
        <DraftKept draft={unsaved} />
      </Editor>
    </div>
  )
}
