import { type ClipboardEvent, type ReactNode, type Ref, useState } from "react"
import { FieldError, Input, Label, Text, TextArea, TextField } from "react-aria-components"

import { t } from "../../i18n/translate.ts"
import { IconButton } from "./button.tsx"
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
  readonly placeholder?: string
  readonly maxLength?: number
  readonly onPaste?: (text: string, event: ClipboardEvent<HTMLInputElement | HTMLTextAreaElement>) => void
  readonly onBlur?: () => void
  readonly after?: ReactNode
  readonly ref?: Ref<HTMLInputElement & HTMLTextAreaElement>
}

/** One line or several, with its label, hint, error and what was said about it. */
export const Field = (props: FieldProps) => {
  const { label, value, note, hint, said, error, secret = false, lines, focused = false } = props
  const [shown, setShown] = useState(false)
  const invalid = error !== undefined && error !== null && error !== ""
  const shared = {
    className: "input",
    "data-mono": (props.mono ?? secret) ? "" : undefined,
    "data-code": props.code === true ? "" : undefined,
    ...(props.placeholder === undefined ? {} : { placeholder: props.placeholder }),
    ...(props.maxLength === undefined ? {} : { maxLength: props.maxLength }),
    spellCheck: false,
    autoCapitalize: "off",
    // A page begins where its first answer is typed.
    autoFocus: focused,
    onPaste: (event: ClipboardEvent<HTMLInputElement | HTMLTextAreaElement>) =>
      props.onPaste?.(event.clipboardData.getData("text/plain"), event),
  }
  return (
    <TextField
      className="field"
      value={value}
      onChange={props.onChange}
      isInvalid={invalid}
      isRequired={props.required ?? false}
      isDisabled={props.disabled ?? false}
      validationBehavior="aria"
      inputMode={props.mode ?? "text"}
      {...(props.name === undefined ? {} : { name: props.name })}
      {...(props.onBlur === undefined ? {} : { onBlur: props.onBlur })}
      autoComplete={props.autoComplete ?? "off"}
      type={secret && lines === undefined && !shown ? "password" : props.mode === "email" ? "email" : "text"}
    >
      <Label className="field-label">
        {props.ownLabel === true ? <bdi>{label}</bdi> : label}
        {note === undefined ? null : <span className="field-label-note">{note}</span>}
      </Label>
      <div className="input-line">
        {lines === undefined ? (
          <Input {...shared} {...(props.ref === undefined ? {} : { ref: props.ref })} />
        ) : (
          <TextArea
            {...shared}
            rows={lines}
            data-masked={secret && !shown ? "" : undefined}
            {...(props.ref === undefined ? {} : { ref: props.ref })}
          />
        )}
        {secret ? (
          <IconButton
            icon={shown ? "eye-off" : "eye"}
            name={t(shown ? "field.hide" : "field.show", { field: label })}
            pressed={shown}
            onPress={() => setShown(!shown)}
          />
        ) : null}
        {props.after}
      </div>
      {hint === undefined ? null : (
        <Text slot="description" className="field-hint">
          {hint}
        </Text>
      )}
      <span role="status">
        {said === undefined ? null : (
          <span className="field-said" data-tone={said.tone}>
            <Icon name={said.tone === "ok" ? "check" : said.tone === "warn" ? "alert" : "info"} size={16} />
            <span>{said.text}</span>
          </span>
        )}
      </span>
      <FieldError className="field-error">
        <Icon name="alert" size={16} />
        <span>{error}</span>
      </FieldError>
    </TextField>
  )
}
