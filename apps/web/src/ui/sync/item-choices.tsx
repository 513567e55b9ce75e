import type { ItemSummary } from "@keyferry/sdk"

import { t } from "../../i18n/translate.ts"
import { Checkbox } from "../kit/choice.tsx"
import { labelOfKind } from "../model/kinds.ts"

const MOST = 200

/** Names with a box each; a very long list is cut, and the box above it still means all of them. */
export const ItemChoices = ({
  items,
  chosen,
  onChange,
}: {
  readonly items: readonly ItemSummary[]
  readonly chosen: ReadonlySet<string>
  readonly onChange: (chosen: ReadonlySet<string>) => void
}) => (
  <ul className="item-choices">
    {items.slice(0, MOST).map((item) => (
      <li key={item.id}>
        <Checkbox
          checked={chosen.has(item.id)}
          hint={<bdi>{[labelOfKind(item.kind), item.summary.slice(0, 80)].filter(Boolean).join(" · ")}</bdi>}
          onChange={(on) => {
            const next = new Set(chosen)
            if (on) next.add(item.id)
            else next.delete(item.id)
            onChange(next)
          }}
        >
          <bdi>{item.title.slice(0, 200)}</bdi>
        </Checkbox>
      </li>
    ))}
    {items.length > MOST ? <li className="muted">{t("list.and-more", { n: items.length - MOST })}</li> : null}
  </ul>
)
