import { WORDS } from "@keyferry/sdk/words"

/*
 * How many guesses a password stands, roughly: words of the list count ten bits each, runs and repeats count little.
 * It is an estimate for a sentence, not a gate; the gate is the SDK's.
 */
export type StrengthLevel = 0 | 1 | 2 | 3 | 4

export interface Strength {
  readonly level: StrengthLevel
  /** log2 of the guesses. */
  readonly bits: number
  /** Years at ten thousand guesses a second, each of which costs an Argon2id. */
  readonly years: number
}

export const MIN_PASSWORD_LENGTH = 12

const COMMON =
  /password|passwort|qwert|asdf|letmein|welcome|dragon|monkey|iloveyou|admin|keyferry|bitcoin|trading|football|sunshine|princess/gi

const wordBits = (text: string): number | undefined => {
  const words = text.toLowerCase().split(/[\s\-_.,]+/)
  if (words.length < 3 || !words.every((word) => WORDS.includes(word))) return undefined
  return new Set(words).size * Math.log2(WORDS.length)
}

export const strengthOf = (password: string): Strength => {
  const bits = wordBits(password) ?? letterBits(password.replaceAll(COMMON, "x"))
  const years = 2 ** (bits - 1) / 1e4 / 31_557_600
  const level: StrengthLevel =
    password === ""
      ? 0
      : [...password].length < MIN_PASSWORD_LENGTH || bits < 40
        ? 1
        : bits < 50
          ? 2
          : bits < 64
            ? 3
            : 4
  return { level, bits, years }
}

const letterBits = (text: string): number => {
  const pool =
    (/[a-z]/.test(text) ? 26 : 0) +
    (/[A-Z]/.test(text) ? 26 : 0) +
    (/\d/.test(text) ? 10 : 0) +
    (/[^A-Za-z0-9]/.test(text) ? 24 : 0)
  let counted = 0
  let before = Number.NaN
  for (const letter of text) {
    const unit = letter.codePointAt(0) ?? 0
    counted += Math.abs(unit - before) <= 1 ? 0.25 : 1
    before = unit
  }
  // What people choose is far from chance: three bits a letter at most unless it looks random.
  const random = new Set(text).size / Math.max(1, [...text].length) > 0.7 && /\d/.test(text) && /[A-Z]/.test(text)
  return counted * Math.min(Math.log2(Math.max(2, pool)), random ? 6 : 3.2)
}

/** Six words of the list, from the browser's own randomness, without a bias. */
export const makePassword = (words = 6): string => {
  const chosen: string[] = []
  const numbers = new Uint16Array(1)
  const fair = Math.floor(65_536 / WORDS.length) * WORDS.length
  while (chosen.length < words) {
    crypto.getRandomValues(numbers)
    const [n = 0] = numbers
    if (n < fair) chosen.push(WORDS[n % WORDS.length] ?? "")
  }
  return chosen.join(" ")
}
