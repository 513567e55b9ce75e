import { en } from "./en/index.ts"
import { formatParts, type Message, parseMessage } from "./icu.ts"
import { currentLocale, intlLocale } from "./locale.ts"
import { pseudoMessage, pseudoText } from "./pseudo.ts"

export type MessageId = keyof typeof en
export type Arguments = Readonly<Record<string, string | number>>

const parsed = new Map<MessageId, Message>()

const messageOf = (id: MessageId): Message => {
  const known = parsed.get(id)
  if (known !== undefined) return known
  const message = parseMessage(en[id])
  const locale = currentLocale()
  const shown = locale === "en" ? message : pseudoMessage(locale, message)
  parsed.set(id, shown)
  return shown
}

let formats: { readonly plural: (n: number) => string; readonly number: (n: number) => string } | undefined
const formatsNow = (): NonNullable<typeof formats> => {
  if (formats !== undefined) return formats
  const rules = new Intl.PluralRules("en")
  const numbers = new Intl.NumberFormat(intlLocale())
  formats = { plural: (n) => rules.select(n), number: (n) => numbers.format(n) }
  return formats
}

/** The text of a message in the language of the page. */
export const t = (id: MessageId, args: Arguments = {}): string =>
  formatParts<string>(messageOf(id), args, formatsNow()).join("")

/** English text that another package's table owns: labels of fields and kinds, sentences of errors. */
export const fromTable = (text: string): string => {
  const locale = currentLocale()
  return locale === "en" ? text : pseudoText(locale, text)
}
