import { t } from "../../i18n/translate.ts"
import { Field } from "../kit/field.tsx"

/** The password that is in use, asked for again before something that matters. */
export const PasswordField = ({
  value,
  onChange,
  focused = false,
}: {
  readonly value: string
  readonly onChange: (value: string) => void
  readonly focused?: boolean
}) => (
  <Field
    label={t("field.password")}
    value={value}
    onChange={onChange}
    secret
    autoComplete="current-password"
    name="password"
    focused={focused}
  />
)
