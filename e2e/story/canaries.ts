import { type Canary, canaryOf, makeCanary, type SeededRandom } from "@keyferry/testkit"

/** Makes what is secret in the story, and remembers all of it for the search at the end. */
export interface Secrets {
  /** 24 characters that appear nowhere else. */
  readonly word: (name: string) => string
  /** Characters of one alphabet in the lengths that a shape wants. */
  readonly shaped: (name: string, alphabet: string, ...lengths: readonly number[]) => string
  /** Something that was made elsewhere. */
  readonly keep: (name: string, bytes: Uint8Array | string) => void
  readonly all: () => readonly Canary[]
}

export const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
export const UPPER_HEX = "0123456789ABCDEF"
export const LOWER_HEX = "0123456789abcdef"

export const createSecrets = (random: SeededRandom): Secrets => {
  const canaries: Canary[] = []
  const keep = (name: string, bytes: Uint8Array | string): void => {
    canaries.push(canaryOf(name, typeof bytes === "string" ? Buffer.from(bytes) : bytes))
  }
  return Object.freeze({
    word: (name: string) => {
      const made = makeCanary(name, random)
      canaries.push(made)
      return made.text
    },
    shaped: (name: string, alphabet: string, ...lengths: readonly number[]) => {
      const text = lengths
        .map((length) => Array.from({ length }, () => alphabet[random.integer(alphabet.length)] ?? "").join(""))
        .join("-")
      keep(name, text)
      return text
    },
    keep,
    all: () => canaries,
  })
}
