import { t } from "../../i18n/translate.ts"
import { Field } from "../kit/field.tsx"
import { ScanButton } from "./scanner.tsx"

/** Typed with or without dashes, pasted, or scanned. `onScanned`: goes on at once with what the camera saw. */
export const KitCodeField = ({
  value,
  onChange,
  onScanned,
}: {
  readonly value: string
  readonly onChange: (code: string) => void
  readonly onScanned?: ((code: string) => void) | undefined
}) => (
  <Field
    label={t("field.kit-code")}
    hint={t("field.kit-code-hint")}
    value={value}
    onChange={onChange}
    mono
    lines={2}
    oneAnswer
    after={
      <ScanButton
        name={t("field.scan")}
        label={t("kit.scan")}
        instead={t("kit.scan-type")}
        onText={(text) => {
          onChange(text)
          onScanned?.(text)
        }}
      />
    }
  />
)
