import { useState } from "react"
import { Link, useLocation } from "wouter"

import { kindByName } from "@keyferry/items"
import type { ItemInput } from "@keyferry/sdk"

import { t } from "../../i18n/translate.ts"
import { useKeyferry } from "../data/app-context.tsx"
import { useAct } from "../data/use-act.tsx"
import { KindPicker } from "../item/add-page.tsx"
import { type Draft, Editor, EMPTY_DRAFT } from "../item/editor.tsx"
import { Button } from "../kit/button.tsx"
import { Dialog, DialogActions } from "../kit/dialog.tsx"
import { Icon } from "../kit/icon.tsx"
import { FailureNotice } from "../kit/notice.tsx"
import { PageHead } from "../kit/pieces.tsx"
import { labelOfKind } from "../model/kinds.ts"
import { isPasswordReady, NewPassword } from "../shared/new-password.tsx"
import { EntryFrame } from "./entry-frame.tsx"

/** The first key comes first; the password that seals this browser is asked for when there is something to seal. */
export const AddFirst = ({ kind: name }: { readonly kind: string }) => {
  const keyferry = useKeyferry()
  const [, go] = useLocation()
  const act = useAct()
  const [draft, setDraft] = useState<Draft>(EMPTY_DRAFT)
  const [input, setInput] = useState<ItemInput>()
  const [password, setPassword] = useState("")
  const kind = kindByName(name)

  const seal = async (first: ItemInput): Promise<void> => {
    const added = await act.run(async () => {
      const made = await keyferry.createLocal(password)
      if (!made.ok) return made
      // The vault is open from here on; this form is behind us.
      go("/")
      return keyferry.add(first)
    })
    if (added !== undefined) go(`/item/${added.value.id}`)
  }

  return (
    <EntryFrame>
      <nav className="crumbs" aria-label={t("frame.crumbs")}>
        <Link to={kind === undefined ? "/" : "/add/choose"}>
          <Icon name="back" size={16} /> {kind === undefined ? t("entry.back") : t("editor.what")}
        </Link>
      </nav>
      {kind === undefined ? (
        <>
          <PageHead title={t("editor.what")} />
          <KindPicker />
        </>
      ) : (
        <>
          <PageHead
            title={t("editor.add-title", { kind: labelOfKind(name) })}
            lead={t("welcome.stays")}
            focus={false}
          />
          <Editor
            kind={kind}
            draft={draft}
            onChange={setDraft}
            pending={false}
            failure={undefined}
            saveLabel={t("editor.save-new")}
            onCancel={() => go("/")}
            onSave={(built) => setInput({ kind: name, ...built })}
          />
          {/* Nothing seals it before there is a vault. */}
          <p className="muted" role="status">
            {draft === EMPTY_DRAFT ? "" : t("draft.not-kept")}
          </p>
        </>
      )}
      <Dialog
        title={t("local.title")}
        open={input !== undefined}
        onClose={() => setInput(undefined)}
        busy={act.pending}
      >
        <form
          className="stack"
          onSubmit={(event) => {
            event.preventDefault()
            if (input !== undefined && isPasswordReady(password)) void seal(input)
          }}
        >
          <p>{t("local.why")}</p>
          <NewPassword label={t("local.password")} value={password} onChange={setPassword} focused />
          <p className="muted">{t("local.no-reset")}</p>
          <FailureNotice failure={act.failure} />
          <DialogActions>
            <Button tone="primary" submit pending={act.pending} disabled={!isPasswordReady(password)}>
              {t("local.do")}
            </Button>
            <Button onPress={() => setInput(undefined)}>{t("entry.back")}</Button>
          </DialogActions>
        </form>
      </Dialog>
    </EntryFrame>
  )
}
