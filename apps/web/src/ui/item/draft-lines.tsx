import { t } from "../../i18n/translate.ts"
import { Button } from "../kit/button.tsx"
import { Notice } from "../kit/notice.tsx"
import type { KeptDraft } from "./use-draft.ts"

/** Above the form: what it shows is not the item, but what was typed and not saved. */
export const DraftFound = ({ draft }: { readonly draft: KeptDraft }) =>
  draft.restored ? (
    <Notice
      tone="info"
      title={t("draft.yours")}
      actions={<Button onPress={draft.discard}>{t("draft.discard")}</Button>}
      live
    >
      {t("draft.yours-more")}
    </Notice>
  ) : null

/** Under the form: whether leaving loses what was typed. */
export const DraftKept = ({ draft }: { readonly draft: KeptDraft }) => (
  <p className="muted" role="status">
    {draft.kept === undefined ? "" : t(draft.kept ? "draft.kept" : "draft.not-kept")}
  </p>
)
