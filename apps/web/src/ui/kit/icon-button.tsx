import type { Ref } from "react"
import { Button as AriaButton, Tooltip, TooltipTrigger } from "react-aria-components"

import { Icon, type IconName } from "./icon.tsx"

/** An icon with its words in the accessible name and in a tooltip. */
export const IconButton = ({
  icon,
  name,
  onPress,
  disabled = false,
  pressed,
  shortcut,
  ref,
}: {
  readonly onPress?: (() => void) | undefined
  readonly disabled?: boolean | undefined
  readonly icon: IconName
  readonly name: string
  readonly pressed?: boolean
  readonly shortcut?: string | undefined
  readonly ref?: Ref<HTMLButtonElement>
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
    >
      <Icon name={icon} />
    </AriaButton>
    <Tooltip className="tooltip" offset={6}>
      {name}
      {shortcut === undefined ? null : ` · ${shortcut}`}
    </Tooltip>
  </TooltipTrigger>
)
