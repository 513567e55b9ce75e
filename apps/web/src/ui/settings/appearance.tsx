import { type Locale, LOCALES } from "../../i18n/locale.ts"
import { t } from "../../i18n/translate.ts"
import { type Preferences, setPreferences, usePreferences } from "../data/preferences.ts"
import { RadioChoice } from "../kit/choice.tsx"
import { Card } from "../kit/pieces.tsx"

export const AppearanceSettings = () => {
  const { theme, density, locale } = usePreferences()
  return (
    <>
      <Card>
        <RadioChoice<Preferences["theme"]>
          label={t("appearance.theme")}
          value={theme}
          onChange={(chosen) => setPreferences({ theme: chosen })}
          options={[
            { value: "system", label: t("appearance.system") },
            { value: "light", label: t("appearance.light") },
            { value: "dark", label: t("appearance.dark") },
          ]}
        />
      </Card>
      <Card>
        <RadioChoice<Preferences["density"]>
          label={t("appearance.density")}
          value={density}
          onChange={(chosen) => setPreferences({ density: chosen, densityOffered: true })}
          options={[
            { value: "comfortable", label: t("appearance.comfortable") },
            { value: "compact", label: t("appearance.compact") },
          ]}
        />
      </Card>
      <Card>
        <RadioChoice<Locale>
          label={t("appearance.language")}
          value={LOCALES.find((known) => known === locale) ?? "en"}
          onChange={(chosen) => {
            setPreferences({ locale: chosen })
            // One language at a time: everything is drawn again.
            location.reload()
          }}
          options={LOCALES.map((known) => ({ value: known, label: t(`appearance.${known}`) }))}
        />
      </Card>
    </>
  )
}
