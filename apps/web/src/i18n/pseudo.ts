import type { Message, MessagePart } from "./icu.ts"

/*
 * Two languages that nobody speaks. `en-XA` puts accents on every letter and adds two fifths, so that text outside the
 * catalogues and boxes that are too narrow show at a glance; `ar-XB` runs from right to left.
 */
export type PseudoLocale = "en-XA" | "ar-XB"

const ACCENTED: Readonly<Record<string, string>> = {
  a: "á", b: "ḅ", c: "ç", d: "ḍ", e: "é", f: "ƒ", g: "ĝ", h: "ĥ", i: "í", j: "ĵ", k: "ķ", l: "ļ", m: "ɱ", n: "ñ", o: "ó",
  p: "þ", q: "ɋ", r: "ŕ", s: "š", t: "ţ", u: "ú", v: "ṽ", w: "ŵ", x: "ẋ", y: "ý", z: "ž",
  A: "Á", B: "Ɓ", C: "Ç", D: "Ð", E: "É", F: "Ƒ", G: "Ĝ", H: "Ĥ", I: "Í", J: "Ĵ", K: "Ķ", L: "Ļ", M: "Ḿ", N: "Ñ", O: "Ó",
  P: "Þ", Q: "Ǫ", R: "Ŕ", S: "Š", T: "Ţ", U: "Û", V: "Ṽ", W: "Ŵ", X: "Ẋ", Y: "Ý", Z: "Ž",
} // prettier-ignore

const RIGHT_TO_LEFT_OVERRIDE = "\u202e"
const POP = "\u202c"

export const pseudoText = (locale: PseudoLocale, text: string): string => {
  if (!/\p{L}/u.test(text)) return text
  if (locale === "ar-XB") {
    const [, before = "", words = "", after = ""] = /^(\s*)([^]*?)(\s*)$/.exec(text) ?? []
    return `${before}${RIGHT_TO_LEFT_OVERRIDE}${words}${POP}${after}`
  }
  const accented = [...text].map((letter) => ACCENTED[letter] ?? letter).join("")
  const words = text.trim().length
  if (words < 4) return accented
  const trailing = /\s*$/.exec(accented)?.[0] ?? ""
  return `${accented.trimEnd()}${"~".repeat(Math.ceil(words * 0.4))}${trailing}`
}

export const pseudoMessage = (locale: PseudoLocale, message: Message): Message =>
  message.map((part): MessagePart => {
    if (part.type === "text") return { type: "text", text: pseudoText(locale, part.text) }
    if (part.type !== "plural" && part.type !== "select") return part
    const options = Object.entries(part.options).map(([name, inner]) => [name, pseudoMessage(locale, inner)] as const)
    return { ...part, options: Object.fromEntries(options) }
  })
