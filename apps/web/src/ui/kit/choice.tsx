import type { ReactNode } from "react"
import { Label, Radio, RadioGroup, Switch as AriaSwitch } from "react-aria-components"

export interface Option<V extends string> {
  readonly value: V
  readonly label: ReactNode
  readonly hint?: ReactNode
  readonly disabled?: boolean
}

export const RadioChoice = <V extends string>({
  label,
  options,
  value,
  onChange,
  hideLabel = false,
}: {
  readonly label: string
  readonly options: readonly Option<V>[]
  readonly value: V | undefined
  readonly onChange: (value: V) => void
  readonly hideLabel?: boolean
}) => (
  <RadioGroup className="choices" value={value ?? null} onChange={(chosen) => onChange(chosen as V)}>
    <Label className={hideLabel ? "unseen" : "field-label"}>{label}</Label>
    {options.map((option) => (
      <Radio key={option.value} className="choice" value={option.value} isDisabled={option.disabled ?? false}>
        <span className="choice-mark" data-round="" />
        <span className="choice-text">
          <span>{option.label}</span>
          {option.hint === undefined ? null : <span className="field-hint">{option.hint}</span>}
        </span>
      </Radio>
    ))}
  </RadioGroup>
)

/** A plain element, because a list draws one for each row. */
export const Checkbox = ({
  children,
  hint,
  checked,
  partly = false,
  onChange,
  disabled = false,
  name,
}: {
  readonly children?: ReactNode
  readonly hint?: ReactNode
  readonly checked: boolean
  readonly partly?: boolean
  readonly onChange: (checked: boolean) => void
  readonly disabled?: boolean
  readonly name?: string
}) => (
  <label
    className="choice"
    data-selected={checked ? "" : undefined}
    data-indeterminate={partly ? "" : undefined}
    data-disabled={disabled ? "" : undefined}
  >
    <input
      type="checkbox"
      className="unseen"
      ref={(input) => {
        if (input !== null) input.indeterminate = partly
      }}
      checked={checked}
      disabled={disabled}
      onChange={(event) => onChange(event.target.checked)}
      {...(name === undefined ? {} : { "aria-label": name })}
    />
    <span className="choice-mark">
      {checked || partly ? (
        <svg width="12" height="12" viewBox="0 0 12 12" className="icon" aria-hidden="true">
          <path d={partly ? "M2.5 6h7" : "M2 6.5 4.8 9 10 3.2"} strokeWidth="2" />
        </svg>
      ) : null}
    </span>
    {children === undefined ? null : (
      <span className="choice-text">
        <span>{children}</span>
        {hint === undefined ? null : <span className="field-hint">{hint}</span>}
      </span>
    )}
  </label>
)

/** Its words are a state ("Synced"), never a command. */
export const Switch = ({
  children,
  hint,
  on,
  onChange,
  disabled = false,
}: {
  readonly children: ReactNode
  readonly hint?: ReactNode
  readonly on: boolean
  readonly onChange: (on: boolean) => void
  readonly disabled?: boolean
}) => (
  <AriaSwitch className="switch" isSelected={on} onChange={onChange} isDisabled={disabled}>
    <span className="switch-track" />
    <span className="switch-text">
      <span>{children}</span>
      {hint === undefined ? null : <span className="field-hint">{hint}</span>}
    </span>
  </AriaSwitch>
)
