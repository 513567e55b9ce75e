import type { ReactNode } from "react"
import { Menu as AriaMenu, MenuItem as AriaMenuItem, MenuTrigger, Popover, Separator } from "react-aria-components"

import { IconButton } from "./icon-button.tsx"
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

export const MenuList = ({ entries, name }: { readonly entries: readonly MenuEntry[]; readonly name: string }) => (
  <AriaMenu
    className="menu"
    aria-label={name}
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

/** The "…" of a row or page. */
export const MoreMenu = ({ entries, name }: { readonly entries: readonly MenuEntry[]; readonly name: string }) => (
  <MenuTrigger>
    <IconButton icon="more" name={name} />
    <Popover className="popover" placement="bottom end">
      <MenuList entries={entries} name={name} />
    </Popover>
  </MenuTrigger>
)
