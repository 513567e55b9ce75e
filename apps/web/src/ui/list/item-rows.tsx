import { useVirtualizer } from "@tanstack/react-virtual"
import {
  type KeyboardEvent,
  memo,
  type Ref,
  useCallback,
  useEffect,
  useImperativeHandle,
  useLayoutEffect,
  useMemo,
  useRef,
  useState,
} from "react"
import { Link, useLocation } from "wouter"

import type { DeviceInfo, ItemSummary } from "@keyferry/sdk"

import { ago } from "../../i18n/times.ts"
import { t } from "../../i18n/translate.ts"
import { useKeyferry } from "../data/app-context.tsx"
import { usePreferences } from "../data/preferences.ts"
import { useMedia } from "../data/use-media.ts"
import { useNow } from "../data/use-now.ts"
import { Checkbox } from "../kit/choice.tsx"
import { Icon } from "../kit/icon.tsx"
import { MoreMenu } from "../kit/menu.tsx"
import { Badge } from "../kit/pieces.tsx"
import { copySecret, copyText, sayRefused } from "../model/clipboard.ts"
import { iconOfKind, labelOfField, labelOfKind, primaryField, publicField, summaryWithdraws } from "../model/kinds.ts"
import { CustodyStrip } from "../shared/custody-strip.tsx"
import { type ActiveRow, activeIndex, placeInSlots } from "./slots.ts"

export interface RowsHandle {
  readonly move: (by: number) => void
  readonly toggle: () => void
  readonly copy: (what: "primary" | "public") => void
  readonly edit: () => void
}

const TITLE_SHOWN = 200

/** As the style sheet says: each row is as high as the next, so none is measured. */
const useRowHeight = (): number => {
  const { density } = usePreferences()
  const coarse = useMedia("(pointer: coarse)")
  const narrow = useMedia("(width < 45rem)")
  // Read when the list appears: with each letter in its filter the page would work out all its styles anew.
  const [rem] = useState(() => Number.parseFloat(getComputedStyle(document.documentElement).fontSize))
  return rem * (narrow ? 4.25 : density === "compact" ? 2 : coarse ? 3.25 : 2.75)
}

const FIRST: ActiveRow = { id: undefined, index: 0 }

const Rows = ({
  items,
  devices,
  selected,
  onSelect,
  ref,
}: {
  readonly items: readonly ItemSummary[]
  readonly devices: readonly DeviceInfo[]
  readonly selected: ReadonlySet<string>
  readonly onSelect: (ids: ReadonlySet<string>) => void
  readonly ref: Ref<RowsHandle>
}) => {
  const keyferry = useKeyferry()
  const [, go] = useLocation()
  const nowMs = useNow()
  const scroller = useRef<HTMLDivElement>(null)
  const [chosen, setChosen] = useState(FIRST)
  const active = useMemo(() => activeIndex(items, chosen), [items, chosen])
  const rowHeight = useRowHeight()
  const virtual = useVirtualizer({
    count: items.length,
    getScrollElement: () => scroller.current,
    estimateSize: useCallback(() => rowHeight, [rowHeight]),
    overscan: 5,
  })
  const drawnHeight = useRef(rowHeight)
  useEffect(() => {
    if (drawnHeight.current === rowHeight) return
    drawnHeight.current = rowHeight
    virtual.measure()
  }, [virtual, rowHeight])

  const focusRow = useCallback(
    (index: number): void => {
      const next = Math.max(0, Math.min(items.length - 1, index))
      setChosen({ id: items[next]?.id, index: next })
      virtual.scrollToIndex(next)
      // The row may have to be drawn first.
      requestAnimationFrame(() =>
        scroller.current?.querySelector<HTMLElement>(`[data-index="${next}"] .row-title`)?.focus(),
      )
    },
    [items, virtual],
  )

  const toggle = useCallback(
    (id: string): void => {
      const next = new Set(selected)
      if (!next.delete(id)) next.add(id)
      onSelect(next)
    },
    [selected, onSelect],
  )

  const copy = useCallback(
    async (id: string, what: "primary" | "public"): Promise<void> => {
      const item = await keyferry.get(id)
      if (!item.ok) {
        sayRefused(item.error.code)
        return
      }
      const { kind, fields, title } = item.value
      const field = what === "primary" ? primaryField(kind, fields) : publicField(kind, fields)
      if (field === undefined) return
      const copied = t("copy.what", { field: labelOfField(kind, field.name, {}), item: title.slice(0, 80) })
      if (field.secret) await copySecret(field.value, copied, "key")
      else await copyText(field.value, copied)
    },
    [keyferry],
  )

  useImperativeHandle(ref, () => {
    const current = (): ItemSummary | undefined => items[active]
    const inList = scroller.current?.contains(document.activeElement) === true
    return {
      move: (by) => focusRow(inList ? active + by : active),
      toggle: () => {
        const item = current()
        if (item !== undefined) toggle(item.id)
      },
      copy: (what) => {
        const item = current()
        if (item !== undefined) void copy(item.id, what)
      },
      edit: () => {
        const item = current()
        if (item !== undefined) go(`/item/${item.id}/edit`)
      },
    }
  })

  const onKeyDown = (event: KeyboardEvent): void => {
    const steps: Readonly<Record<string, number>> = {
      ArrowDown: active + 1,
      ArrowUp: active - 1,
      Home: 0,
      End: items.length - 1,
      PageDown: active + 10,
      PageUp: active - 10,
    }
    const next = steps[event.key]
    if (next === undefined || event.altKey || event.ctrlKey || event.metaKey) return
    event.preventDefault()
    const item = items[active]
    if (event.shiftKey && item !== undefined && !selected.has(item.id)) toggle(item.id)
    focusRow(next)
  }

  const inView = virtual.getVirtualItems()
  const drawn = useRef<ReadonlyMap<string, number>>(new Map())
  const focused = useRef<string>(undefined)
  const most = useRef(1)
  most.current = Math.max(most.current, inView.length)
  const slots = placeInSlots(
    drawn.current,
    inView.flatMap(({ index }) => items[index]?.id ?? []),
    { from: inView[0]?.index ?? 0, most: most.current, held: focused.current },
  )
  useLayoutEffect(() => {
    drawn.current = slots
  })

  return (
    <div className="rows" ref={scroller}>
      <ul
        className="rows-inner"
        style={{ blockSize: virtual.getTotalSize() }}
        aria-label={t("list.list")}
        onKeyDown={onKeyDown}
      >
        {inView.map((row) => {
          const item = items[row.index]
          if (item === undefined) return null
          return (
            <li
              key={slots.get(item.id)}
              data-index={row.index}
              className="row"
              data-selected={selected.has(item.id) ? "" : undefined}
              style={{ transform: `translateY(${row.start}px)` }}
              aria-setsize={items.length}
              aria-posinset={row.index + 1}
              onFocus={() => {
                focused.current = item.id
                setChosen({ id: item.id, index: row.index })
              }}
              onBlur={() => {
                focused.current = undefined
              }}
            >
              <Row
                item={item}
                devices={devices}
                nowMs={nowMs}
                selected={selected.has(item.id)}
                tabStop={row.index === active}
                onToggle={toggle}
                onCopy={copy}
                onOpen={go}
              />
            </li>
          )
        })}
      </ul>
    </div>
  )
}

export const ItemRows = memo(Rows)

const Row = memo(
  ({
    item,
    devices,
    nowMs,
    selected,
    tabStop,
    onToggle,
    onCopy,
    onOpen,
  }: {
    readonly item: ItemSummary
    readonly devices: readonly DeviceInfo[]
    readonly nowMs: number
    readonly selected: boolean
    readonly tabStop: boolean
    readonly onToggle: (id: string) => void
    readonly onCopy: (id: string, what: "primary" | "public") => Promise<void>
    readonly onOpen: (to: string) => void
  }) => {
    const title = item.title.slice(0, TITLE_SHOWN)
    return (
      <>
        <span className="row-check">
          <Checkbox checked={selected} onChange={() => onToggle(item.id)} name={t("list.select", { name: title })} />
        </span>
        <span className="row-name">
          <span className="row-icon" title={labelOfKind(item.kind)}>
            <Icon name={iconOfKind(item.kind)} />
          </span>
          <Link to={`/item/${item.id}`} className="row-title" tabIndex={tabStop ? 0 : -1} title={title}>
            <bdi>{title}</bdi>
          </Link>
        </span>
        <span className="row-summary" data-badge={summaryWithdraws(item) ? "" : undefined}>
          {summaryWithdraws(item) ? (
            <Badge icon="alert" tone="warn">
              <bdi>{item.summary.slice(0, TITLE_SHOWN)}</bdi>
            </Badge>
          ) : (
            <bdi>{item.summary.slice(0, TITLE_SHOWN)}</bdi>
          )}
        </span>
        <span className="row-custody">
          <CustodyStrip item={item} devices={devices} nowMs={nowMs} />
        </span>
        <span className="row-state">
          <PolicyBadge item={item} />
        </span>
        <span className="row-time muted numbers">{ago(item.updatedAtMs, nowMs)}</span>
        <span className="row-more">
          <MoreMenu
            of={item.id}
            name={t("list.actions", { name: title })}
            entries={[
              {
                id: "copy",
                icon: "copy",
                label: t("list.copy-secret"),
                text: t("list.copy-secret"),
                shortcut: "C",
                onAction: () => void onCopy(item.id, "primary"),
              },
              {
                id: "public",
                icon: "copy",
                label: t("list.copy-public"),
                text: t("list.copy-public"),
                shortcut: "U",
                onAction: () => void onCopy(item.id, "public"),
              },
              {
                id: "edit",
                icon: "edit",
                label: t("button.edit"),
                text: t("button.edit"),
                shortcut: "E",
                onAction: () => onOpen(`/item/${item.id}/edit`),
              },
              {
                id: "history",
                icon: "history",
                label: t("item.history"),
                text: t("item.history"),
                onAction: () => onOpen(`/item/${item.id}/history`),
              },
            ]}
          />
        </span>
      </>
    )
  },
)
Row.displayName = "Row"

/** Whether it travels, and whether somebody must look. */
export const PolicyBadge = ({ item }: { readonly item: ItemSummary }) => {
  if (item.conflicts > 0)
    return (
      <Badge icon="two" tone="warn">
        {t("policy.versions")}
      </Badge>
    )
  if (item.policy === "local-only")
    return (
      <Badge icon="browser" tone="local">
        {t("policy.local")}
      </Badge>
    )
  if (item.custody === "waiting")
    return (
      <Badge icon="sync" tone="info">
        {t("policy.waiting")}
      </Badge>
    )
  return (
    <Badge icon="cloud" tone="ok">
      {t("policy.synced")}
    </Badge>
  )
}
