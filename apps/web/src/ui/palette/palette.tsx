import { type KeyboardEvent, useId, useMemo, useState } from "react"
import { Dialog, Modal, ModalOverlay } from "react-aria-components"
import { useLocation } from "wouter"

import { t } from "../../i18n/translate.ts"
import { useDevices, useItems, useKeyferry } from "../data/app-context.tsx"
import { Icon, type IconName } from "../kit/icon.tsx"
import { copySecret, copyText, sayRefused } from "../model/clipboard.ts"
import { rank } from "../model/filter.ts"
import { iconOfKind, labelOfField, primaryField, publicField } from "../model/kinds.ts"
import { answerOf, keyOf, specsOf } from "./commands.ts"

interface Entry {
  readonly key: string
  readonly icon: IconName
  readonly title: string
  readonly note: string
  readonly shortcut?: string | undefined
  readonly itemId?: string
  readonly run: () => void
}

const MOST = 50

/** Find anything, do anything. Enter opens; Ctrl C on a credential copies its secret; Ctrl Enter its public half. */
export const Palette = ({ onClose, onHelp }: { readonly onClose: () => void; readonly onHelp: () => void }) => {
  const keyferry = useKeyferry()
  const items = useItems()
  const devices = useDevices()
  const [, go] = useLocation()
  const [text, setText] = useState("")
  const [active, setActive] = useState(0)
  const listId = useId()

  const entries = useMemo(() => {
    const prefix = /^[>@#:]/.exec(text)?.[0] ?? ""
    const query = text.slice(prefix.length).trim()
    const found: { readonly entry: Entry; readonly score: number }[] = []
    const add = (score: number, entry: Entry): void => {
      if (score > 0) found.push({ score, entry })
    }
    if (prefix === "" || prefix === "#" || prefix === ":") {
      for (const item of items) {
        const haystack =
          prefix === "#"
            ? item.tags.join(" ")
            : `${item.title.slice(0, 500)} ${item.summary.slice(0, 500)} ${item.tags.join(" ")}`
        if (prefix === "#" && item.tags.length === 0) continue
        add(rank(haystack, query), {
          key: item.id,
          icon: iconOfKind(item.kind),
          title: item.title.slice(0, 200),
          note: [t("vault.personal"), item.summary.slice(0, 120)].filter(Boolean).join(" · "),
          itemId: item.id,
          run: () => go(`/item/${item.id}`),
        })
      }
    }
    if (prefix === "" || prefix === ">") {
      for (const spec of specsOf()) {
        const answer = spec.id === "app.shortcuts" ? onHelp : answerOf(spec.id)
        if (answer === undefined || spec.id === "list.next" || spec.id === "list.previous") continue
        add(rank(t(spec.label), query) * (prefix === "" && query === "" ? 0.5 : 0.9), {
          key: spec.id,
          icon: "arrow",
          title: t(spec.label),
          note: t("palette.command"),
          shortcut: keyOf(spec),
          run: answer,
        })
      }
    }
    if (prefix === "" || prefix === "@") {
      for (const device of devices) {
        add(rank(device.name, query) * (query === "" && prefix === "" ? 0 : 0.8), {
          key: device.id,
          icon: "devices",
          title: device.name,
          note: t("palette.device"),
          run: () => go("/devices"),
        })
      }
    }
    return found
      .sort((a, b) => b.score - a.score)
      .slice(0, MOST)
      .map(({ entry }) => entry)
  }, [text, items, devices, go, onHelp])

  const chosen = entries[Math.min(active, entries.length - 1)]
  const copying = text.startsWith(":")

  const copy = async (entry: Entry, secret: boolean): Promise<void> => {
    if (entry.itemId === undefined) return
    const item = await keyferry.get(entry.itemId)
    if (!item.ok) {
      sayRefused(item.error.code)
      onClose()
      return
    }
    const field = (secret ? primaryField : publicField)(item.value.kind, item.value.fields)
    if (field === undefined) return
    const what = t("copy.what", { field: labelOfField(item.value.kind, field.name, {}), item: entry.title })
    if (field.secret) await copySecret(field.value, what, "key")
    else await copyText(field.value, what)
    onClose()
  }

  const runEntry = (entry: Entry): void => {
    if (copying && entry.itemId !== undefined) {
      void copy(entry, true)
      return
    }
    onClose()
    entry.run()
  }

  const onKeyDown = (event: KeyboardEvent<HTMLInputElement>): void => {
    const withCommand = event.ctrlKey || event.metaKey
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault()
      const step = event.key === "ArrowDown" ? 1 : -1
      const next = (active + step + entries.length) % Math.max(1, entries.length)
      setActive(next)
      document.getElementById(`${listId}-${next}`)?.scrollIntoView({ block: "nearest" })
    } else if (event.key === "Enter" && chosen !== undefined) {
      event.preventDefault()
      if (withCommand) void copy(chosen, false)
      else runEntry(chosen)
    } else if (withCommand && event.key.toLowerCase() === "c" && chosen?.itemId !== undefined) {
      const field = event.currentTarget
      // Marked text in the field itself is copied as everywhere.
      if (field.selectionStart !== field.selectionEnd) return
      event.preventDefault()
      void copy(chosen, true)
    }
  }

  return (
    <ModalOverlay
      className="veil veil-top"
      isOpen
      isDismissable
      onOpenChange={(open) => (open ? undefined : onClose())}
    >
      <Modal className="palette">
        <Dialog aria-label={t("palette.title")}>
          <div className="palette-field">
            <Icon name="search" />
            <input
              role="combobox"
              aria-expanded="true"
              aria-controls={listId}
              aria-autocomplete="list"
              aria-label={t("palette.title")}
              aria-activedescendant={chosen === undefined ? undefined : `${listId}-${entries.indexOf(chosen)}`}
              placeholder={t("palette.placeholder")}
              value={text}
              // The palette is opened to type in it.
              // oxlint-disable-next-line jsx-a11y/no-autofocus
              autoFocus
              spellCheck={false}
              autoComplete="off"
              onChange={(event) => {
                setText(event.target.value)
                setActive(0)
              }}
              onKeyDown={onKeyDown}
            />
          </div>
          <ul className="palette-list" role="listbox" id={listId} aria-label={t("palette.results")}>
            {entries.map((entry, at) => (
              // The field keeps the focus; its keys move among the results.
              // oxlint-disable-next-line jsx-a11y/click-events-have-key-events
              <li
                key={entry.key}
                id={`${listId}-${at}`}
                role="option"
                aria-selected={entry === chosen}
                className="palette-entry"
                onClick={() => runEntry(entry)}
                onPointerMove={() => setActive(at)}
              >
                <Icon name={entry.icon} />
                <span className="palette-title">
                  <bdi>{entry.title}</bdi>
                </span>
                <span className="palette-note muted">
                  <bdi>{entry.note}</bdi>
                </span>
                {entry.shortcut === undefined ? null : <kbd>{entry.shortcut}</kbd>}
              </li>
            ))}
          </ul>
          {entries.length === 0 ? (
            <p className="palette-none">{t("palette.nothing", { text: text.slice(0, 60) })}</p>
          ) : null}
          <p className="palette-foot muted">{t("palette.foot")}</p>
        </Dialog>
      </Modal>
    </ModalOverlay>
  )
}
