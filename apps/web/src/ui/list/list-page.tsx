import { useDeferredValue, useEffect, useMemo, useRef, useState } from "react"
import { useLocation } from "wouter"

import { t } from "../../i18n/translate.ts"
import { useDevices, useItems, useKeyferry, useSnapshot, useStatusPart } from "../data/app-context.tsx"
import { setPreferences, usePreferences } from "../data/preferences.ts"
import { useAct } from "../data/use-act.tsx"
import { Button, ButtonLink, LinkButton } from "../kit/button.tsx"
import { FailureNotice, Notice } from "../kit/notice.tsx"
import { Empty, PageHead } from "../kit/pieces.tsx"
import { SelectBox } from "../kit/select-box.tsx"
import { devicesInOrder } from "../model/custody.ts"
import { joinedLater } from "../model/device-state.ts"
import { createItemOrder, filterItems, foldAhead, type SortOrder, type SyncFilter } from "../model/filter.ts"
import { KIND_LOOKS, KIND_ORDER } from "../model/kinds.ts"
import { CustodyKey } from "../shared/custody-strip.tsx"
import { useCommands } from "../palette/commands.ts"
import { PolicyDialog, type PolicyQuestion } from "../sync/policy-dialog.tsx"
import { RetrieveProgress } from "../sync/retrieve-progress.tsx"
import { ItemRows, type RowsHandle } from "./item-rows.tsx"
import { RemoveDialog } from "./remove-dialog.tsx"

const OFFER_COMPACT_FROM = 30

export const ListPage = ({ kind }: { readonly kind?: string }) => {
  const [, go] = useLocation()
  const itemsFailure = useSnapshot((snapshot) => snapshot.itemsFailure)
  const hasAccount = useStatusPart(({ mode }) => mode === "account")
  const syncs = useStatusPart(({ sync }) => sync.on)
  const isPartOpen = useStatusPart(({ lock }) => lock === "standard-only")
  const items = useItems()
  /** After an unlock this page stands before the items are here. */
  const isListed = useSnapshot((snapshot) => snapshot.items !== undefined)
  const devices = useDevices()
  const preferences = usePreferences()
  const inOrder = useMemo(() => devicesInOrder(devices), [devices])
  const [text, setText] = useState("")
  const [sync, setSync] = useState<SyncFilter>("all")
  const [sort, setSort] = useState<SortOrder>("changed")
  const [selected, setSelected] = useState<ReadonlySet<string>>(new Set())
  const wanted = useDeferredValue(text)
  const [inSortOrder] = useState(createItemOrder)
  const shown = useMemo(
    () => filterItems(items, { text: wanted, sync, sort, kind }, inSortOrder),
    [items, wanted, sync, sort, kind, inSortOrder],
  )
  useEffect(() => foldAhead(items, whenIdle), [items])
  const filterField = useRef<HTMLInputElement>(null)
  const rows = useRef<RowsHandle>(null)

  useCommands(
    useMemo(
      () => ({
        "list.filter": () => filterField.current?.focus(),
        "list.next": () => rows.current?.move(1),
        "list.previous": () => rows.current?.move(-1),
        "list.select": () => rows.current?.toggle(),
        "list.clear": () => {
          setText("")
          setSelected(new Set())
        },
        "item.copy": () => rows.current?.copy("primary"),
        "item.copy-public": () => rows.current?.copy("public"),
        "item.edit": () => rows.current?.edit(),
        "item.new": () => go(kind === undefined ? "/add" : `/add/${kind}`),
      }),
      [go, kind],
    ),
  )
  // A row that is gone is not selected any more.
  useEffect(() => {
    setSelected((before) => {
      if (before.size === 0) return before
      const still = items.filter((item) => before.has(item.id)).map((item) => item.id)
      return still.length === before.size ? before : new Set(still)
    })
  }, [items])

  const known = KIND_ORDER.find((name) => name === kind)
  const ofKind = kind === undefined ? items.length : items.filter((item) => item.kind === kind).length
  const title = known === undefined ? t("place.credentials") : t(KIND_LOOKS[known].plural)
  const waitsForKeys = hasAccount && items.length === 0 && (inOrder.length > 1 || (!syncs && joinedLater(devices)))

  return (
    <div className="page page-list">
      <PageHead
        title={title}
        actions={
          <>
            <ButtonLink to="/settings/copies" icon="folder">
              {t("list.import")}
            </ButtonLink>
            <ButtonLink to={kind === undefined ? "/add" : `/add/${kind}`} tone="primary" icon="add">
              {t(kind === "exchange-key" ? "list.add-key" : "list.add")}
            </ButtonLink>
          </>
        }
      />
      <FailureNotice failure={itemsFailure} />
      <RetrieveProgress />
      {ofKind === 0 && isListed && isPartOpen ? (
        // Not even the names of what is strict are there, and "nothing yet" would frighten whoever looks for them.
        <Empty>{t("list.empty-closed")}</Empty>
      ) : ofKind === 0 && isListed ? (
        <Empty
          actions={
            <>
              {waitsForKeys && !syncs ? (
                <ButtonLink to="/turn-on-sync" tone="primary" icon="down">
                  {t("turn-on.retrieve-do")}
                </ButtonLink>
              ) : null}
              <ButtonLink
                to={kind === undefined ? "/add/exchange-key" : `/add/${kind}`}
                tone={waitsForKeys ? "plain" : "primary"}
                icon="add"
              >
                {t("list.add-key")}
              </ButtonLink>
              <ButtonLink to="/settings/copies" icon="folder">
                {t("list.import")}
              </ButtonLink>
            </>
          }
        >
          {waitsForKeys
            ? t("list.empty-elsewhere", { n: inOrder.length - 1 })
            : kind === "ssh-key"
              ? t("list.empty-ssh")
              : t("list.empty")}
        </Empty>
      ) : (
        <>
          <div className="filters">
            <label className="filter-text">
              <span className="unseen">{t("list.filter")}</span>
              <input
                ref={filterField}
                className="input"
                type="search"
                placeholder={t("list.filter-placeholder")}
                value={text}
                spellCheck={false}
                autoComplete="off"
                onChange={(event) => setText(event.target.value)}
                onKeyDown={(event) => {
                  if (event.key === "ArrowDown") {
                    event.preventDefault()
                    rows.current?.move(1)
                  }
                }}
              />
            </label>
            <SelectBox
              label={t("list.sync")}
              value={sync}
              onChange={setSync}
              options={[
                ["all", t("list.sync-all")],
                ["synced", t("policy.synced")],
                ["local", t("policy.local")],
                ["waiting", t("list.sync-waiting")],
                ["conflicts", t("list.sync-conflicts")],
              ]}
            />
            <SelectBox
              label={t("list.sort")}
              value={sort}
              onChange={setSort}
              options={[
                ["changed", t("list.sort-changed")],
                ["name", t("list.sort-name")],
              ]}
            />
          </div>
          {ofKind >= OFFER_COMPACT_FROM && !preferences.densityOffered ? <DensityOffer /> : null}
          <SelectionBar ids={selected} onDone={() => setSelected(new Set())} />
          {shown.length === 0 && isListed ? (
            <Empty
              actions={
                <LinkButton
                  onPress={() => {
                    setText("")
                    setSync("all")
                  }}
                >
                  {t("list.clear-filter")}
                </LinkButton>
              }
            >
              {t("list.nothing-matches", { text: text.slice(0, 80) })}
            </Empty>
          ) : (
            <ItemRows ref={rows} items={shown} devices={inOrder} selected={selected} onSelect={setSelected} />
          )}
          <footer className="list-foot">
            <span className="numbers" role="status">
              {isListed ? t("list.count", { shown: shown.length, total: ofKind }) : null}
            </span>
            <CustodyKey />
            {inOrder.length === 0 ? null : (
              <span className="muted">
                {t("list.custody-order")} <bdi>{inOrder.map((device) => device.name).join(" · ")}</bdi>
              </span>
            )}
          </footer>
        </>
      )}
    </div>
  )
}

const whenIdle = (run: () => void): (() => void) => {
  const timer = setTimeout(run, 50)
  return () => clearTimeout(timer)
}

const DensityOffer = () => (
  <Notice
    tone="accent"
    icon="list"
    title={t("list.compact-offer")}
    actions={
      <>
        <Button onPress={() => setPreferences({ density: "compact", densityOffered: true })}>
          {t("list.compact-yes")}
        </Button>
        <Button tone="quiet" onPress={() => setPreferences({ densityOffered: true })}>
          {t("list.compact-no")}
        </Button>
      </>
    }
  />
)

const SelectionBar = ({ ids, onDone }: { readonly ids: ReadonlySet<string>; readonly onDone: () => void }) => {
  const keyferry = useKeyferry()
  const items = useItems()
  const syncs = useStatusPart(({ sync }) => sync.on)
  const devices = useDevices()
  const [question, setQuestion] = useState<PolicyQuestion>()
  const [removing, setRemoving] = useState(false)
  const act = useAct()
  const chosen = ids.size === 0 ? [] : items.filter((item) => ids.has(item.id))
  return (
    <>
      {chosen.length === 0 ? null : (
        <div className="selection" role="region" aria-label={t("list.selection")}>
          <span className="strong">{t("list.selected", { n: chosen.length })}</span>
          {syncs ? (
            <>
              <Button onPress={() => setQuestion({ to: "synced", items: chosen })}>{t("list.sync-these")}</Button>
              <Button onPress={() => setQuestion({ to: "local-only", items: chosen })}>{t("list.keep-local")}</Button>
            </>
          ) : null}
          <Button tone="quiet-danger" icon="bin" onPress={() => setRemoving(true)}>
            {t("list.move-to-bin")}
          </Button>
          <Button tone="quiet" onPress={onDone}>
            {t("list.clear-selection")}
          </Button>
        </div>
      )}
      <FailureNotice failure={act.failure} />
      {question === undefined ? null : (
        <PolicyDialog question={question} onClose={() => setQuestion(undefined)} onDone={onDone} />
      )}
      {removing ? (
        <RemoveDialog
          items={chosen}
          elsewhere={Math.max(0, devices.filter((device) => device.state === "active").length - 1)}
          onClose={() => setRemoving(false)}
          onRemove={async () => {
            await act.run(async () => {
              let last: Awaited<ReturnType<typeof keyferry.remove>> = { ok: true, value: undefined }
              for (const item of chosen) {
                // One after the other: the first failure stops it, and says so.
                // oxlint-disable-next-line no-await-in-loop
                last = await keyferry.remove(item.id)
                if (!last.ok) return last
              }
              return last
            })
            setRemoving(false)
            onDone()
          }}
        />
      ) : null}
    </>
  )
}
