import { useLocation, useSearch } from "wouter"

import type { RotationEntry } from "@keyferry/sdk"

import { dayAndTime } from "../../i18n/times.ts"
import { fromTable, type MessageId, t } from "../../i18n/translate.ts"
import { useItems, useKeyferry, useSnapshot } from "../data/app-context.tsx"
import { useAct } from "../data/use-act.tsx"
import { useNow } from "../data/use-now.ts"
import { Button, ButtonLink } from "../kit/button.tsx"
import { Checkbox } from "../kit/choice.tsx"
import { FailureNotice, Notice } from "../kit/notice.tsx"
import { Badge, Empty, PageHead, ProgressBar } from "../kit/pieces.tsx"
import { exchangeById, toExchangeId } from "@keyferry/items"

const HARM: Readonly<Record<RotationEntry["harm"], MessageId>> = {
  withdraws: "harm.withdraws",
  trades: "harm.trades",
  "signs-in": "harm.signs-in",
  reads: "harm.reads",
  other: "harm.other",
}

/** Removing a device cannot un-read what it read: these values must be changed where they came from, worst first. */
export const RotationPage = () => {
  const rotation = useSnapshot((snapshot) => snapshot.rotation)
  const search = new URLSearchParams(useSearch())
  const removed = search.get("device")
  const done = rotation.filter((entry) => entry.doneAtMs !== undefined).length
  return (
    <div className="page">
      <PageHead
        title={removed === null ? t("replace.title") : t("replace.title-removed", { device: removed.slice(0, 80) })}
        lead={t("replace.lead")}
      />
      {search.get("kit") === null ? null : (
        <Notice
          tone="warn"
          icon="kit"
          title={t("replace.kit")}
          actions={<ButtonLink to="/settings/sign-in">{t("replace.kit-do")}</ButtonLink>}
        >
          {t("replace.kit-more")}
        </Notice>
      )}
      {rotation.length === 0 ? (
        <Empty>{t("replace.empty")}</Empty>
      ) : (
        <>
          <ProgressBar label={t("replace.progress")} done={done} total={rotation.length} />
          <ul className="replace-rows">
            {rotation.map((entry) => (
              <ReplaceRow key={entry.itemId} entry={entry} />
            ))}
          </ul>
          <section className="reading stack-tight">
            <h2>{t("replace.compromised")}</h2>
            <ol className="numbered">
              <li>{t("replace.step-1")}</li>
              <li>{t("replace.step-2")}</li>
              <li>{t("replace.step-3")}</li>
              <li>{t("replace.step-4")}</li>
            </ol>
          </section>
        </>
      )}
    </div>
  )
}

const ReplaceRow = ({ entry }: { readonly entry: RotationEntry }) => {
  const keyferry = useKeyferry()
  const [, go] = useLocation()
  const nowMs = useNow()
  const act = useAct()
  const item = useItems().find((candidate) => candidate.id === entry.itemId)
  const site =
    entry.kind === "exchange-key" ? exchangeById(toExchangeId(item?.summary.split(" · ")[0] ?? ""))?.site : undefined
  const title = entry.title.slice(0, 200)
  return (
    <li className="replace-row" data-done={entry.doneAtMs === undefined ? undefined : ""}>
      <Checkbox
        checked={entry.doneAtMs !== undefined}
        disabled={entry.doneAtMs !== undefined}
        name={t("replace.tick", { name: title })}
        onChange={() => void act.run(() => keyferry.rotationDone(entry.itemId))}
      />
      <div className="replace-what">
        <span className="strong">
          <bdi>{title}</bdi>
        </span>
        <span className="line">
          <Badge icon="alert" tone={entry.harm === "withdraws" ? "danger" : "warn"}>
            {t(HARM[entry.harm])}
          </Badge>
          {entry.doneAtMs === undefined ? null : (
            <span className="muted">{t("replace.done-at", { when: dayAndTime(entry.doneAtMs, nowMs) })}</span>
          )}
        </span>
        {entry.doneAtMs === undefined && entry.why !== "" ? (
          <span className="muted">{fromTable(entry.why)}</span>
        ) : null}
      </div>
      <span className="line">
        {site === undefined ? null : (
          <a className="button" data-tone="quiet" href={site} target="_blank" rel="noreferrer noopener">
            {t("replace.open", { host: new URL(site).host })}
          </a>
        )}
        {entry.doneAtMs === undefined && item !== undefined ? (
          <Button onPress={() => go(`/item/${entry.itemId}/edit?replaced`)}>{t("replace.i-replaced")}</Button>
        ) : null}
      </span>
      <FailureNotice failure={act.failure} />
    </li>
  )
}
