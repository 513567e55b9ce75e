import type { ReactNode } from "react"
import { Link as RouteLink } from "wouter"

import { Icon, type IconName } from "./icon.tsx"

export type Tone = "plain" | "primary" | "danger" | "quiet" | "quiet-danger"

interface Pressable {
  readonly onPress?: (() => void) | undefined
  readonly disabled?: boolean | undefined
}

/** A plain element: the pages before the vault load nothing for it. */
export const Button = ({
  children,
  tone = "plain",
  icon,
  onPress,
  disabled = false,
  pending = false,
  submit = false,
  focused = false,
  name,
  describedBy,
  pressed,
}: Pressable & {
  readonly children: ReactNode
  readonly tone?: Tone
  readonly icon?: IconName | undefined
  /** Work is under way: the button keeps its place and its focus and does nothing. */
  readonly pending?: boolean
  readonly submit?: boolean
  readonly focused?: boolean
  /** The accessible name, where the visible text needs its object: "Copy" of what? It begins with the visible text. */
  readonly name?: string | undefined
  readonly describedBy?: string | undefined
  readonly pressed?: boolean | undefined
}) => (
  <button
    className="button"
    data-tone={tone}
    type={submit && !pending ? "submit" : "button"}
    disabled={disabled}
    data-pending={pending ? "" : undefined}
    {...(pending ? { "aria-disabled": true } : {})}
    // A dialog begins where its safe answer is.
    // oxlint-disable-next-line jsx-a11y/no-autofocus
    autoFocus={focused}
    {...(onPress === undefined || pending ? {} : { onClick: () => onPress() })}
    {...(name === undefined ? {} : { "aria-label": name })}
    {...(describedBy === undefined ? {} : { "aria-describedby": describedBy })}
    {...(pressed === undefined ? {} : { "aria-pressed": pressed })}
  >
    {pending ? <Spinner /> : icon === undefined ? null : <Icon name={icon} size={16} />}
    {children}
  </button>
)

const Spinner = () => (
  <svg className="icon spinner" width="16" height="16" viewBox="0 0 20 20" aria-hidden="true">
    <path d="M10 3a7 7 0 1 1-7 7" />
  </svg>
)

/** Looks like text, acts like a button. */
export const LinkButton = ({ children, onPress, disabled = false }: Pressable & { readonly children: ReactNode }) => (
  <button type="button" className="link-button" disabled={disabled} onClick={onPress}>
    {children}
  </button>
)

/** A link inside the app that looks like a button. */
export const ButtonLink = ({
  to,
  children,
  tone = "plain",
  icon,
}: {
  readonly to: string
  readonly children: ReactNode
  readonly tone?: Tone
  readonly icon?: IconName
}) => (
  <RouteLink to={to} className="button" data-tone={tone}>
    {icon === undefined ? null : <Icon name={icon} size={16} />}
    {children}
  </RouteLink>
)
