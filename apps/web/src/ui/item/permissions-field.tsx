import { t } from "../../i18n/translate.ts"
import { Checkbox } from "../kit/choice.tsx"

const PERMISSIONS = ["read", "trade", "transfer", "withdraw"] as const

/** What the exchange lets this key do. Kept as words in one field, in a fixed order; other words stay. */
export const PermissionsField = ({
  value,
  onChange,
}: {
  readonly value: string
  readonly onChange: (value: string) => void
}) => {
  const words = value
    .split(/[,\s]+/)
    .map((word) => word.trim().toLowerCase())
    .filter(Boolean)
  const others = words.filter((word) => !(PERMISSIONS as readonly string[]).includes(word))
  const set = (permission: string, on: boolean): void => {
    const next = PERMISSIONS.filter((known) => (known === permission ? on : words.includes(known)))
    onChange([...next, ...others].join(", "))
  }
  return (
    <fieldset className="field permissions" data-field="permissions">
      <legend className="field-label">{t("editor.permissions")}</legend>
      <div className="line">
        {PERMISSIONS.map((permission) => (
          <Checkbox key={permission} checked={words.includes(permission)} onChange={(on) => set(permission, on)}>
            {t(`permission.${permission}`)}
          </Checkbox>
        ))}
        {others.length > 0 ? (
          <span className="muted">
            <bdi>{others.join(", ").slice(0, 120)}</bdi>
          </span>
        ) : null}
      </div>
      <span className="field-hint">{t("editor.permissions-hint")}</span>
    </fieldset>
  )
}
