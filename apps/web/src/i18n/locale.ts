/*
 * The language of the page. It is chosen once, before the first message; changing it loads the page again, so that no
 * screen is ever in two languages.
 */
export type Locale = "en" | "en-XA" | "ar-XB"

export const LOCALES: readonly Locale[] = ["en", "en-XA", "ar-XB"]

let locale: Locale = "en"

export const currentLocale = (): Locale => locale

export const isRightToLeft = (): boolean => locale === "ar-XB"

/** For `Intl`: the pseudo-languages count and date like English. */
export const intlLocale = (): string => (locale === "en" ? "en-GB" : "en")

export const chooseLocale = (chosen: string): void => {
  locale = LOCALES.find((known) => known === chosen) ?? "en"
  document.documentElement.lang = locale === "ar-XB" ? "ar" : "en"
  document.documentElement.dir = isRightToLeft() ? "rtl" : "ltr"
}
