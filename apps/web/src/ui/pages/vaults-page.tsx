import { t } from "../../i18n/translate.ts"
import { EntryFrame } from "../entry/entry-frame.tsx"
import { PageHead } from "../kit/pieces.tsx"

export const VaultsPage = () => (
  <EntryFrame wide>
    <div className="stack prose">
      <PageHead title={t("vaults.title")} lead={t("vaults.lead")} />
      <h2>{t("vaults.personal")}</h2>
      <p>{t("vaults.personal-more")}</p>
      <h2>{t("vaults.credentials")}</h2>
      <p>{t("vaults.credentials-more")}</p>
      <h2>{t("vaults.strict")}</h2>
      <p>{t("vaults.strict-more")}</p>
      <h2>{t("vaults.leaving")}</h2>
      <p>{t("vaults.leaving-more")}</p>
    </div>
  </EntryFrame>
)
