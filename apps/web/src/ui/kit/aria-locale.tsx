import type { ReactNode } from "react"
import { I18nProvider } from "react-aria-components"

import { isRightToLeft } from "../../i18n/locale.ts"

/** Tells React Aria the language and direction of the page. Around whatever uses it: the pages before the vault do not. */
export const AriaLocale = ({ children }: { readonly children: ReactNode }) => (
  <I18nProvider locale={isRightToLeft() ? "ar" : "en-GB"}>{children}</I18nProvider>
)
