import type { DeviceInfo, ItemSummary } from "@keyferry/sdk"

import { t } from "../../i18n/translate.ts"
import { Hint } from "../kit/hint.tsx"
import { type CustodyMark, type CustodyEntry, custodyLine, custodyOf, custodySentence } from "../model/custody.ts"

const MOST = 6

/** One engraved mark: filled, half, square, hollow. The shape says it; the colour helps. */
export const CustodyGlyph = ({ mark, size = 12 }: { readonly mark: CustodyMark; readonly size?: number }) => (
  <svg width={size} height={size} viewBox="0 0 12 12" data-mark={mark} aria-hidden="true">
    {mark === "local-only" ? (
      <rect x="1.5" y="1.5" width="9" height="9" fill="currentColor" />
    ) : mark === "here" ? (
      <circle cx="6" cy="6" r="5" fill="currentColor" />
    ) : mark === "on-the-way" ? (
      <>
        <circle cx="6" cy="6" r="4.3" fill="none" stroke="currentColor" strokeWidth="1.4" />
        <path d="M6 1.7a4.3 4.3 0 0 1 0 8.6z" fill="currentColor" />
      </>
    ) : (
      <circle cx="6" cy="6" r="4.3" fill="none" stroke="currentColor" strokeWidth="1.4" strokeDasharray="2 1.6" />
    )}
  </svg>
)

/** "Where is this key right now?", on every row. The words stand in the tooltip and in the accessible name. */
export const CustodyStrip = ({
  item,
  devices,
  nowMs,
}: {
  readonly item: ItemSummary
  readonly devices: readonly DeviceInfo[]
  readonly nowMs: number
}) => {
  const entries = custodyOf(item, devices)
  const shown = entries.length > MOST ? entries.slice(0, MOST - 1) : entries
  const more = entries.length - shown.length
  const lines = entries.map((entry) => custodyLine(entry, nowMs))
  return (
    <Hint className="custody" name={`${custodySentence(entries)} ${lines.join("; ")}`} words={lines.join("\n")}>
      {shown.map((entry) => (
        <CustodyGlyph key={entry.deviceId} mark={entry.mark} />
      ))}
      {more > 0 ? <span className="numbers">+{more}</span> : null}
    </Hint>
  )
}

export const CustodyLegend = ({
  entries,
  nowMs,
}: {
  readonly entries: readonly CustodyEntry[]
  readonly nowMs: number
}) => (
  <ul className="custody-list">
    {entries.map((entry) => (
      <li key={entry.deviceId} className="legend-entry custody-entry">
        <span className="custody-glyph">
          <CustodyGlyph mark={entry.mark} size={14} />
        </span>
        <span>
          <bdi>{custodyLine(entry, nowMs)}</bdi>
        </span>
      </li>
    ))}
  </ul>
)

const MARKS: readonly { readonly mark: CustodyMark; readonly id: Parameters<typeof t>[0] }[] = [
  { mark: "here", id: "custody.mark-here" },
  { mark: "on-the-way", id: "custody.mark-on-the-way" },
  { mark: "local-only", id: "custody.mark-local-only" },
  { mark: "not-here", id: "custody.mark-not-here" },
]

export const CustodyKey = () => (
  <ul className="legend" aria-label={t("custody.legend")}>
    {MARKS.map(({ mark, id }) => (
      <li key={mark} className="legend-entry custody">
        <CustodyGlyph mark={mark} />
        {t(id)}
      </li>
    ))}
  </ul>
)
