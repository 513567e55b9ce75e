import { useState } from "react"

import { t } from "../../i18n/translate.ts"
import { LinkButton } from "../kit/button.tsx"
import { Field } from "../kit/field.tsx"
import { makePassword, MIN_PASSWORD_LENGTH, strengthOf } from "../model/strength.ts"

/** Whether a chosen password may be sent; the SDK has the last word. */
export const isPasswordReady = (password: string): boolean => [...password].length >= MIN_PASSWORD_LENGTH

/** A new password, typed once, seen on demand, with an estimate in words and a generator. */
export const NewPassword = ({
  label,
  value,
  onChange,
  focused = false,
}: {
  readonly label: string
  readonly value: string
  readonly onChange: (value: string) => void
  readonly focused?: boolean
}) => {
  const [made, setMade] = useState<string>()
  const { level, years } = strengthOf(value)
  const long = years < 1 ? "hours" : years < 100 ? "years" : years < 100_000 ? "centuries" : "ages"
  return (
    <div className="stack-tight">
      <Field
        label={label}
        hint={t("password.hint")}
        value={value}
        onChange={onChange}
        secret
        focused={focused}
        autoComplete="new-password"
        name="new-password"
        {...(made !== undefined && made === value
          ? { said: { tone: "info" as const, text: t("password.made", { password: made }) } }
          : {})}
      />
      <div className="strength" data-level={level}>
        <span className="strength-bar" aria-hidden="true">
          {[1, 2, 3, 4].map((step) => (
            <i key={step} data-lit={step <= level ? "" : undefined} />
          ))}
        </span>
        <span role="status">
          {value === ""
            ? t("password.empty")
            : [...value].length < MIN_PASSWORD_LENGTH
              ? t("password.short", { n: MIN_PASSWORD_LENGTH - [...value].length })
              : t("password.strength", { level: ["none", "weak", "fair", "good", "strong"][level] ?? "weak", long })}
        </span>
      </div>
      <div>
        <LinkButton
          onPress={() => {
            const password = makePassword()
            setMade(password)
            onChange(password)
          }}
        >
          {t("password.generate")}
        </LinkButton>
      </div>
    </div>
  )
}
