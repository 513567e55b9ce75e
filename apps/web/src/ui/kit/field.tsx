import { type ClipboardEvent, type KeyboardEvent, type ReactNode, type Ref, useId, useState } from "react"

import { t } from "../../i18n/translate.ts"
import { Icon } from "./icon.tsx"

export interface Said {
  readonly tone: "ok" | "warn" | "info"
  readonly text: ReactNode
}

export interface FieldProps {
  readonly label: string
  /** The label is what a person wrote. */
  readonly ownLabel?: boolean
  readonly value: string
  readonly onChange: (value: string) => void
  readonly note?: ReactNode
  readonly hint?: ReactNode
  /** What was noticed or done to what was typed; announced. */
  readonly said?: Said | undefined
  readonly error?: ReactNode
  readonly required?: boolean
  readonly disabled?: boolean
  readonly autoComplete?: string
  readonly mode?: "text" | "numeric" | "email" | "url"
  readonly name?: string
  readonly focused?: boolean
  readonly mono?: boolean
  readonly code?: boolean
  /** Hidden until the person asks to see it. */
  readonly secret?: boolean
  readonly lines?: number
  /** Several lines high, one answer: Enter sends it as from a single line. */
  readonly oneAnswer?: boolean
  readonly placeholder?: string
  readonly maxLength?: number
  readonly onPaste?: (text: string, event: ClipboardEvent<HTMLInputElement | HTMLTextAreaElement>) => void
  readonly onBlur?: () => void
  readonly after?: ReactNode
  readonly ref?: Ref<HTMLInputElement & HTMLTextAreaElement>
}

/**
 * One line or several, with its label, hint, error and what was said about it. Plain elements: the pages before the vault
 * load nothing for it.
 */
export const Field = (props: FieldProps) => {
  const { label, note, hint, said, error, secret = false, lines, focused = false } = props
  const [shown, setShown] = useState(false)
  const id = useId()
  const invalid = error !== undefined && error !== null && error !== ""
  const described = [hint === undefined ? "" : `${id}-hint`, invalid ? `${id}-error` : ""].filter((part) => part !== "")
  const shared = {
    id,
    className: "input",
    "data-mono": (props.mono ?? secret) ? "" : undefined,
    "data-code": props.code === true ? "" : undefined,
    value: props.value,
    onChange: (event: { readonly target: { readonly value: string } }) => props.onChange(event.target.value),
    ...(props.name === undefined ? {} : { name: props.name }),
    ...(props.onBlur === undefined ? {} : { onBlur: props.onBlur }),
    ...(props.placeholder === undefined ? {} : { placeholder: props.placeholder }),
    ...(props.maxLength === undefined ? {} : { maxLength: props.maxLength }),
    ...(props.ref === undefined ? {} : { ref: props.ref }),
    ...(props.required === true ? { "aria-required": true } : {}),
    ...(invalid ? { "aria-invalid": true } : {}),
    ...(described.length === 0 ? {} : { "aria-describedby": described.join(" ") }),
    disabled: props.disabled ?? false,
    inputMode: props.mode ?? "text",
    autoComplete: props.autoComplete ?? "off",
    spellCheck: false,
    autoCapitalize: "off",
    // A page begins where its first answer is typed.
    autoFocus: focused,
    onPaste: (event: ClipboardEvent<HTMLInputElement | HTMLTextAreaElement>) =>
      props.onPaste?.(event.clipboardData.getData("text/plain"), event),
  } as const
  return (
    <div className="field" data-invalid={invalid ? "" : undefined}>
      <label className="field-label" htmlFor={id}>
        {props.ownLabel === true ? <bdi>{label}</bdi> : label}
        {note === undefined ? null : <span className="field-label-note">{note}</span>}
      </label>
      <div className="input-line">
        {lines === undefined ? (
          <input type={secret && !shown ? "password" : "text"} {...shared} />
        ) : (
          <textarea
            rows={lines}
            data-masked={secret && !shown ? "" : undefined}
            {...shared}
            {...(props.oneAnswer === true ? { onKeyDown: sendOnEnter } : {})}
          />
        )}
        {secret ? <ShowToggle field={label} shown={shown} onToggle={() => setShown(!shown)} /> : null}
        {props.after}
      </div>
      {hint === undefined ? null : (
        <span id={`${id}-hint`} className="field-hint">
          {hint}
        </span>
      )}
      <span role="status">
        {said === undefined ? null : (
          <span className="field-said" data-tone={said.tone}>
            <Icon name={said.tone === "ok" ? "check" : said.tone === "warn" ? "alert" : "info"} size={16} />
            <span>{said.text}</span>
          </span>
        )}
      </span>
      {invalid ? (
        <span id={`${id}-error`} className="field-error">
          <Icon name="alert" size={16} />
          <span>{error}</span>
        </span>
      ) : null}
    </div>
  )
}

const sendOnEnter = (event: KeyboardEvent<HTMLTextAreaElement>): void => {
  if (event.key !== "Enter" || event.nativeEvent.isComposing) return
  event.preventDefault()
  const { form } = event.currentTarget
  // As from a single line: a button that is off sends nothing.
  form?.querySelector<HTMLButtonElement>("button[type=submit]")?.click()
}

const ShowToggle = ({
  field,
  shown,
  onToggle,
}: {
  readonly field: string
  readonly shown: boolean
  readonly onToggle: () => void
}) => {
  const name = t(shown ? "field.hide" : "field.show", { field })
  return (
    <button
      type="button"
      className="button"
      data-icon-only=""
      aria-label={name}
      title={name}
      aria-pressed={shown}
      onClick={onToggle}
    >
      <Icon name={shown ? "eye-off" : "eye"} />
    </button>
  )
}
