import { type ReactNode, useEffect, useRef, useState } from "react"
import { Menu as AriaMenu, MenuItem as AriaMenuItem, Popover, Separator } from "react-aria-components"

import { Icon, type IconName } from "./icon.tsx"

export interface MenuEntry {
  readonly id: string
  readonly label: ReactNode
  readonly text: string
  readonly icon?: IconName
  readonly tone?: "danger"
  readonly disabled?: boolean
  readonly shortcut?: string
  readonly separated?: boolean
  readonly onAction: () => void
}

export const MenuList = ({
  entries,
  name,
  onClose,
}: {
  readonly entries: readonly MenuEntry[]
  readonly name: string
  /** Where it stands without a trigger of its own. */
  readonly onClose?: () => void
}) => {
  const list = useRef<HTMLDivElement>(null)
  const isAlone = onClose !== undefined
  useEffect(() => {
    if (!isAlone) return undefined
    // The library's own focus comes before its entries are there, and stays on the menu.
    const frame = requestAnimationFrame(() => list.current?.querySelector<HTMLElement>("[role^=menuitem]")?.focus())
    return () => cancelAnimationFrame(frame)
  }, [isAlone])
  return (
    <AriaMenu
      ref={list}
      className="menu"
      aria-label={name}
      {...(onClose === undefined ? {} : { onClose, autoFocus: "first" as const })}
      onAction={(key) => entries.find((entry) => entry.id === key)?.onAction()}
      disabledKeys={entries.filter((entry) => entry.disabled === true).map((entry) => entry.id)}
    >
      {entries.flatMap((entry) => [
        ...(entry.separated === true ? [<Separator key={`${entry.id}-line`} className="menu-separator" />] : []),
        <AriaMenuItem key={entry.id} id={entry.id} className="menu-item" textValue={entry.text} data-tone={entry.tone}>
          {entry.icon === undefined ? null : <Icon name={entry.icon} size={16} />}
          <span>{entry.label}</span>
          {entry.shortcut === undefined ? null : <kbd>{entry.shortcut}</kbd>}
        </AriaMenuItem>,
      ])}
    </AriaMenu>
  )
}

/** The "…" of a row or page. A plain button until it is pressed: a list draws one for each row at every letter of its filter. */
export const MoreMenu = ({
  entries,
  name,
  of = "",
}: {
  readonly entries: readonly MenuEntry[]
  readonly name: string
  /** What the entries act on, where the same button comes to stand for another: its menu is closed then. */
  readonly of?: string
}) => {
  const [openFor, setOpenFor] = useState<string>()
  const open = openFor === of
  const setOpen = (isOpen: boolean): void => setOpenFor(isOpen ? of : undefined)
  const button = useRef<HTMLButtonElement>(null)
  const chosen = useRef<() => void>(undefined)
  useEffect(() => {
    const act = chosen.current
    if (open || act === undefined) return
    chosen.current = undefined
    // A question that it asks gives the focus back to where it was: the entry is gone, the button is there.
    button.current?.focus()
    act()
  }, [open])
  const whenClosed = entries.map((entry) => ({
    ...entry,
    onAction: () => {
      chosen.current = entry.onAction
    },
  }))
  return (
    <>
      <button
        type="button"
        ref={button}
        className="button"
        data-icon-only=""
        aria-label={name}
        title={name}
        aria-haspopup="menu"
        aria-expanded={open}
        onClick={() => setOpen(true)}
        onKeyDown={(event) => {
          if (event.key !== "ArrowDown") return
          event.preventDefault()
          event.stopPropagation()
          setOpen(true)
        }}
      >
        <Icon name="more" />
      </button>
      {open ? (
        <Popover className="popover" placement="bottom end" triggerRef={button} isOpen onOpenChange={setOpen}>
          <MenuList entries={whenClosed} name={name} onClose={() => setOpen(false)} />
        </Popover>
      ) : null}
    </>
  )
}
