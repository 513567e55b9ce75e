import { t } from "../../i18n/translate.ts"
import { ButtonLink } from "../kit/button.tsx"
import { Icon, type IconName } from "../kit/icon.tsx"
import { EntryFrame } from "./entry-frame.tsx"

/** The first page of a browser that knows nobody. Adding a key needs no account. */
export const FirstRun = () => (
  <EntryFrame wide>
    <div className="welcome">
      <div className="stack">
        <h1 className="welcome-title">{t("welcome.title")}</h1>
        <p className="welcome-lead">{t("welcome.lead")}</p>
        <div className="line welcome-actions">
          <ButtonLink to="/add/exchange-key" tone="primary" icon="add">
            {t("welcome.add")}
          </ButtonLink>
          <ButtonLink to="/add">{t("welcome.add-other")}</ButtonLink>
        </div>
        <p className="muted">{t("welcome.no-account")}</p>
      </div>
      <div className="welcome-account">
        <h2>{t("welcome.have-account")}</h2>
        <div className="line">
          <ButtonLink to="/sign-in" icon="login">
            {t("welcome.sign-in")}
          </ButtonLink>
          <ButtonLink to="/sign-up">{t("welcome.sign-up")}</ButtonLink>
          <ButtonLink to="/recover" tone="quiet">
            {t("welcome.recover")}
          </ButtonLink>
        </div>
      </div>
      <ol className="welcome-steps">
        <Step icon="browser" title={t("welcome.step-here")}>
          {t("welcome.step-here-more")}
        </Step>
        <Step icon="shield" title={t("welcome.step-sync")}>
          {t("welcome.step-sync-more")}
        </Step>
        <Step icon="devices" title={t("welcome.step-remove")}>
          {t("welcome.step-remove-more")}
        </Step>
      </ol>
    </div>
  </EntryFrame>
)

const Step = ({
  icon,
  title,
  children,
}: {
  readonly icon: IconName
  readonly title: string
  readonly children: string
}) => (
  <li className="welcome-step">
    <Icon name={icon} size={24} />
    <h3>{title}</h3>
    <p className="muted">{children}</p>
  </li>
)
