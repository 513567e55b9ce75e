import type { ReactNode, Ref } from "react"
import { Button as AriaButton, Tooltip, TooltipTrigger } from "react-aria-components"
import { Link as RouteLink } from "wouter"

import { Icon, type IconName } from "./icon.tsx"

export type Tone = "plain" | "primary" | "danger" | "quiet" | "quiet-danger"

interface Pressable {
  readonly onPress?: (() => void) | undefined
  readonly disabled?: boolean | undefined
}

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
  slot,
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
  readonly slot?: string
}) => (
  <AriaButton
    className="button"
    data-tone={tone}
    type={submit && !pending ? "submit" : "button"}
    isDisabled={disabled}
    data-pending={pending ? "" : undefined}
    aria-disabled={pending}
    // A dialog begins where its safe answer is.
    // oxlint-disable-next-line jsx-a11y/no-autofocus
    autoFocus={focused}
    {...(onPress === undefined || pending ? {} : { onPress })}
    {...(name === undefined ? {} : { "aria-label": name })}
    {...(describedBy === undefined ? {} : { "aria-describedby": describedBy })}
    {...(pressed === undefined ? {} : { "aria-pressed": pressed })}
    {...(slot === undefined ? {} : { slot })}
  >
    {pending ? <Spinner /> : icon === undefined ? null : <Icon name={icon} size={16} />}
    {children}
  </AriaButton>
)

const Spinner = () => (
  <svg className="icon spinner" width="16" height="16" viewBox="0 0 20 20" aria-hidden="true">
    <path d="M10 3a7 7 0 1 1-7 7" />
  </svg>
)

/** An icon with its words in the accessible name and in a tooltip. */
export const IconButton = ({
  icon,
  name,
  onPress,
  disabled = false,
  pressed,
  shortcut,
  ref,
  slot,
}: Pressable & {
  readonly icon: IconName
  readonly name: string
  readonly pressed?: boolean
  readonly shortcut?: string | undefined
  readonly ref?: Ref<HTMLButtonElement>
  readonly slot?: string
}) => (
  <TooltipTrigger delay={500}>
    <AriaButton
      className="button"
      data-icon-only=""
      aria-label={name}
      isDisabled={disabled}
      {...(onPress === undefined ? {} : { onPress })}
      {...(pressed === undefined ? {} : { "aria-pressed": pressed })}
      {...(ref === undefined ? {} : { ref })}
      {...(slot === undefined ? {} : { slot })}
    >
      <Icon name={icon} />
    </AriaButton>
    <Tooltip className="tooltip" offset={6}>
      {name}
      {shortcut === undefined ? null : ` · ${shortcut}`}
    </Tooltip>
  </TooltipTrigger>
)

/** Looks like text, acts like a button. */
export const LinkButton = ({ children, onPress, disabled = false }: Pressable & { readonly children: ReactNode }) => (
  <AriaButton className="link-button" isDisabled={disabled} {...(onPress === undefined ? {} : { onPress })}>
    {children}
  </AriaButton>
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
