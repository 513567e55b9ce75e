import { Link } from "wouter"

import { t } from "../../i18n/translate.ts"
import { Icon } from "../kit/icon.tsx"
import { SERVER_SEES } from "../model/server-sees.ts"

/** The short form, beside the switch that turns sync on. */
export const ServerSees = () => (
  <aside className="sees-box">
    <h2>{t("sees.title")}</h2>
    <p>
      {t("sees.short")} <Link to="~/security">{t("sees.link")}</Link>
    </p>
  </aside>
)

export const ServerSeesTable = () => (
  <table className="sees-table">
    <caption className="unseen">{t("sees.title")}</caption>
    <thead>
      <tr>
        <th scope="col">{t("sees.what")}</th>
        <th scope="col">{t("sees.sees")}</th>
        <th scope="col">{t("sees.exactly")}</th>
      </tr>
    </thead>
    <tbody>
      {SERVER_SEES.map((row) => (
        <tr key={row.what}>
          <th scope="row">{t(row.what)}</th>
          <td data-tone={row.sees === "yes" ? "warn" : "ok"} className="sees-cell">
            <Icon name={row.sees === "yes" ? "eye" : "eye-off"} size={16} />{" "}
            {t(row.sees === "yes" ? "sees.yes" : "sees.no")}
          </td>
          <td>{t(row.more)}</td>
        </tr>
      ))}
    </tbody>
  </table>
)
