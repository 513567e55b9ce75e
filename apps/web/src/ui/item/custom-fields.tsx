import { useState } from "react"

import type { FieldReason, Kind } from "@keyferry/items"

import { t } from "../../i18n/translate.ts"
import { Button } from "../kit/button.tsx"
import { IconButton } from "../kit/icon-button.tsx"
import { Field } from "../kit/field.tsx"
import { REASONS } from "./reasons.ts"

/** Fields that no kind names: variables of an environment set, and what a person added. */
export const CustomFields = ({
  kind,
  names,
  values,
  onSet,
  onReplace,
  problem,
}: {
  readonly kind: Kind
  readonly names: readonly string[]
  readonly values: Readonly<Record<string, string>>
  readonly onSet: (name: string, value: string) => void
  readonly onReplace: (values: Readonly<Record<string, string>>) => void
  readonly problem: { readonly field: string; readonly reason: FieldReason } | undefined
}) => {
  const [name, setName] = useState("")
  const env = kind.kind === "env-set"
  const addMany = (text: string): boolean => {
    const lines = text.split(/\r?\n/).flatMap((line) => {
      const [, key, value] = /^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*?)\s*$/.exec(line) ?? []
      return key === undefined ? [] : [[key, (value ?? "").replace(/^(["'])(.*)\1$/, "$2")] as const]
    })
    if (lines.length === 0) return false
    onReplace({ ...values, ...Object.fromEntries(lines) })
    return true
  }
  const add = (): void => {
    if (name.trim() === "" || values[name.trim()] !== undefined) return
    onSet(name.trim(), "")
    setName("")
  }
  return (
    <fieldset className="about-key">
      <legend>{t(env ? "editor.variables" : "editor.more-fields")}</legend>
      {names.map((field) => (
        <Field
          key={field}
          label={field.slice(0, 200)}
          ownLabel
          value={values[field] ?? ""}
          onChange={(value) => onSet(field, value)}
          secret={kind.credential}
          mono
          error={problem?.field === field ? t(REASONS[problem.reason]) : undefined}
          after={
            <IconButton
              icon="close"
              name={t("editor.remove-field", { field: field.slice(0, 80) })}
              onPress={() => {
                const { [field]: _gone, ...rest } = values
                onReplace(rest)
              }}
            />
          }
        />
      ))}
      <Field
        label={t(env ? "editor.variable-name" : "editor.field-name")}
        hint={env ? t("editor.variable-hint") : undefined}
        value={name}
        onChange={setName}
        mono
        onPaste={(text, event) => {
          if (env && addMany(text)) event.preventDefault()
        }}
        after={<Button onPress={add}>{t("editor.add-field")}</Button>}
      />
    </fieldset>
  )
}
