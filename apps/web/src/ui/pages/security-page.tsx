import { t } from "../../i18n/translate.ts"
import { EntryFrame } from "../entry/entry-frame.tsx"
import { PageHead } from "../kit/pieces.tsx"
import { ServerSeesTable } from "./server-sees.tsx"

/** How synced keys are kept, for everybody, signed in or not. */
export const SecurityPage = () => (
  <EntryFrame wide>
    <div className="stack prose">
      <PageHead title={t("security.title")} lead={t("security.lead")} />
      <h2>{t("sees.title")}</h2>
      <ServerSeesTable />
      <h2>{t("security.path")}</h2>
      <ol className="numbered">
        <li>{t("security.path-1")}</li>
        <li>{t("security.path-2")}</li>
        <li>{t("security.path-3")}</li>
        <li>{t("security.path-4")}</li>
      </ol>
      <h2>{t("security.cannot")}</h2>
      <ul className="consequences">
        <li>{t("security.cannot-1")}</li>
        <li>{t("security.cannot-2")}</li>
        <li>{t("security.cannot-3")}</li>
        <li>{t("security.cannot-4")}</li>
      </ul>
    </div>
  </EntryFrame>
)
