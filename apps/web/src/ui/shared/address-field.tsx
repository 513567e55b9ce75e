import { useState } from "react"

import { t } from "../../i18n/translate.ts"
import { Field } from "../kit/field.tsx"

/** Spaces around it are no mistake: whoever sends it takes them off. */
export const isAddress = (text: string): boolean => /^[^\s@]+@[^\s@]+$/.test(text.trim())

/** An email address. What is wrong with it is said when the field is left, in our words and not in the browser's. */
export const AddressField = ({
  label = t("field.address"),
  value,
  onChange,
  autoComplete = "username",
  focused = false,
}: {
  readonly label?: string
  readonly value: string
  readonly onChange: (address: string) => void
  readonly autoComplete?: "username" | "email"
  readonly focused?: boolean
}) => {
  const [left, setLeft] = useState(false)
  const wrong = left && value.trim() !== "" && !isAddress(value)
  return (
    <Field
      label={label}
      value={value}
      onChange={onChange}
      mode="email"
      autoComplete={autoComplete}
      name={autoComplete}
      required
      focused={focused}
      maxLength={254}
      onBlur={() => setLeft(true)}
      {...(wrong ? { error: t("field.address-wrong") } : {})}
    />
  )
}
