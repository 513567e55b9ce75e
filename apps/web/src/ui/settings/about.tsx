import { t } from "../../i18n/translate.ts"
import { useStatus, useSurroundings } from "../data/app-context.tsx"
import { ButtonLink } from "../kit/button.tsx"
import { Card, Pairs } from "../kit/pieces.tsx"
import { hostOf } from "../entry/entry-frame.tsx"

export const AboutSettings = () => {
  const status = useStatus()
  const surroundings = useSurroundings()
  return (
    <>
      <Card>
        <Pairs
          rows={[
            [t("about.server"), <bdi key="s">{hostOf(status.account?.server ?? surroundings.origin)}</bdi>],
            [t("about.licence"), t("about.licence-is")],
            [t("about.fonts"), t("about.fonts-are")],
          ]}
        />
      </Card>
      <div className="line">
        <ButtonLink to="~/security">{t("entry.what-server-sees")}</ButtonLink>
        <ButtonLink to="~/about-vaults">{t("turn-on.about-vaults")}</ButtonLink>
      </div>
    </>
  )
}
