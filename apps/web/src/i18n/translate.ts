import { early } from "./en/early.ts"
import type { en } from "./en/index.ts"
import { type Arguments, formatMessage, type Formats, type Message, parseMessage } from "./icu.ts"
import { currentLocale, intlLocale } from "./locale.ts"
import { pseudoMessage, pseudoText } from "./pseudo.ts"

export type MessageId = keyof typeof en
const parsed = new Map<MessageId, Message>()
let texts: Partial<Readonly<Record<MessageId, string>>> = early

/** Texts that come with a later script. */
export const addTexts = (more: typeof texts): void => {
  texts = { ...texts, ...more }
}

const messageOf = (id: MessageId): Message => {
  const known = parsed.get(id)
  if (known !== undefined) return known
  const text = texts[id]
  if (text === undefined) throw new Error(`the text ${id} is not here yet`)
  const message = parseMessage(text)
  const locale = currentLocale()
  const shown = locale === "en" ? message : pseudoMessage(locale, message)
  parsed.set(id, shown)
  return shown
}

/** What turns the direction of the text around it: letters of right-to-left scripts and the marks for it. */
const TURNS = /[\u0590-\u08ff\u200f\u202a-\u202e\u2066-\u2069\ufb1d-\ufefc]/

let formats: Formats | undefined
const formatsNow = (): Formats => {
  if (formats !== undefined) return formats
  const rules = new Intl.PluralRules("en")
  const numbers = new Intl.NumberFormat(intlLocale())
  const always = currentLocale() !== "en"
  formats = {
    plural: (n) => rules.select(n),
    number: (n) => numbers.format(n),
    isolate: (text) => (always || TURNS.test(text) ? `\u2068${text}\u2069` : text),
  }
  return formats
}

/** The text of a message in the language of the page. */
export const t = (id: MessageId, args: Arguments = {}): string => formatMessage(messageOf(id), args, formatsNow())

/** English text that another package's table owns: labels of fields and kinds, sentences of errors. */
export const fromTable = (text: string): string => {
  const locale = currentLocale()
  return locale === "en" ? text : pseudoText(locale, text)
}
