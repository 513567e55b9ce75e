import type { ItemSummary } from "@keyferry/sdk"

import { t } from "../../i18n/translate.ts"
import { Icon } from "../kit/icon.tsx"
import { iconOfKind, labelOfKind, summaryWithdraws } from "../model/kinds.ts"

const MOST = 8

/** Names of what a question is about: numbers and names, never "some items". */
export const NameList = ({ items }: { readonly items: readonly ItemSummary[] }) => (
  <ul className="name-list">
    {items.slice(0, MOST).map((item) => (
      <li key={item.id}>
        <Icon name={iconOfKind(item.kind)} size={16} />
        <bdi className="strong">{item.title.slice(0, 200)}</bdi>
        <span className="muted">
          {labelOfKind(item.kind)}
          {summaryWithdraws(item) ? `, ${t("harm.can-withdraw")}` : ""}
        </span>
      </li>
    ))}
    {items.length > MOST ? <li className="muted">{t("list.and-more", { n: items.length - MOST })}</li> : null}
  </ul>
)
