import type { Dice } from "./target.ts"

/** Strings that parsers trip over. */
export const AWKWARD: readonly string[] = [
  "",
  "\0",
  "\n",
  "\r\n",
  "\t",
  " ",
  "\u00a0",
  "\u200b",
  "\u202e",
  "\ufeff",
  "\ufffd",
  "\ud800",
  "\udc00",
  "\u{1f511}",
  "e\u0301",
  "ﬀ",
  "İ",
  "ẞ",
  "%",
  "%00",
  "%zz",
  "%C3%28",
  "%F0%9F%94%91",
  "..",
  "/",
  "\\",
  "'",
  '"',
  "`",
  "=",
  "#",
  "?",
  "&",
  ":",
  "@",
  "[",
  "]]",
  "{",
  "}",
  "__proto__",
  "constructor",
  "toString",
  "null",
  "-1",
  "1e400",
  "9007199254740993",
  "0x10",
  "NaN",
]
const LONG = [200, 5_000, 70_000]

/** One to eight changes of a text; `words` are pieces that mean something to the format. */
export const mutateText = (dice: Dice, sample: string, words: readonly string[] = []): string => {
  let text = sample
  for (let i = 1 + dice.below(dice.chance(3) ? 8 : 2); i > 0; i--) text = changeText(dice, text, words)
  return text.slice(0, 300_000)
}

const changeText = (dice: Dice, text: string, words: readonly string[]): string => {
  const at = dice.below(text.length + 1)
  const to = Math.min(text.length, at + dice.below(1 + Math.min(40, text.length)))
  const piece = words.length > 0 && dice.chance(2) ? dice.pick(words) : dice.pick(AWKWARD)
  switch (dice.below(9)) {
    case 0:
      return text.slice(0, at) + piece + text.slice(at)
    case 1:
      return text.slice(0, at) + piece + text.slice(to)
    case 2:
      return text.slice(0, at) + text.slice(to)
    case 3:
      return text.slice(0, to) + text.slice(at, to) + text.slice(to)
    case 4:
      return text.slice(0, at) + String.fromCharCode(dice.below(dice.chance(2) ? 128 : 65_536)) + text.slice(at + 1)
    case 5:
      return dice.chance(2) ? text.toUpperCase() : text.toLowerCase()
    case 6:
      return text.slice(0, at)
    case 7: {
      // A pattern that backtracks shows itself only on long runs; they are rare because they are slow to make.
      if (!dice.chance(6)) return text.slice(0, at) + piece.repeat(1 + dice.below(20)) + text.slice(at)
      const unit = dice.chance(2) ? piece : (text[at] ?? " ")
      return text.slice(0, at) + unit.repeat(Math.ceil(dice.pick(LONG) / Math.max(1, unit.length))) + text.slice(at)
    }
    default: {
      const parts = text.split(/(?<=[\n/=;,.:-])/)
      const [i, j] = [dice.below(parts.length), dice.below(parts.length)]
      const swapped = parts.map((part, k) => (k === i ? (parts[j] ?? "") : k === j ? (parts[i] ?? "") : part))
      return swapped.join("")
    }
  }
}
