import { day } from "../../i18n/times.ts"
import { t } from "../../i18n/translate.ts"
import { useKeyferry } from "../data/app-context.tsx"
import { useAct } from "../data/use-act.tsx"
import { useAsk } from "../data/use-ask.ts"
import { useNow } from "../data/use-now.ts"
import { Button } from "../kit/button.tsx"
import { Icon } from "../kit/icon.tsx"
import { FailureNotice } from "../kit/notice.tsx"
import { Empty, PageHead } from "../kit/pieces.tsx"
import { iconOfKind, labelOfKind } from "../model/kinds.ts"

const KEPT_MS = 30 * 24 * 60 * 60 * 1000

export const BinPage = () => {
  const keyferry = useKeyferry()
  const bin = useAsk(() => keyferry.bin(), "bin")
  const act = useAct()
  const nowMs = useNow()
  return (
    <div className="page">
      <PageHead title={t("place.bin")} lead={t("bin.lead")} after={bin.value?.length} />
      <FailureNotice failure={bin.failure ?? act.failure} />
      {bin.value?.length === 0 ? <Empty>{t("bin.empty")}</Empty> : null}
      <ul className="plain-rows" hidden={bin.value?.length === 0}>
        {(bin.value ?? []).map((item) => (
          <li key={item.id} className="plain-row">
            <Icon name={iconOfKind(item.kind)} />
            <span className="plain-row-name">
              <bdi className="strong">{item.title.slice(0, 200)}</bdi>
              <span className="muted">
                {labelOfKind(item.kind)}
                {item.deletedAtMs === undefined
                  ? ""
                  : ` · ${t("bin.until", { date: day(item.deletedAtMs + KEPT_MS, nowMs) })}`}
              </span>
            </span>
            <Button
              icon="restore"
              name={t("bin.restore-name", { name: item.title.slice(0, 80) })}
              onPress={() => void act.run(() => keyferry.restore(item.id))}
            >
              {t("bin.restore")}
            </Button>
          </li>
        ))}
      </ul>
    </div>
  )
}
