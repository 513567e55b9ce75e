import { err, ok, utf8ToText } from "@keyferry/base"
import { type FieldValue, kindByName } from "@keyferry/items"

import type { Format, Unmapped } from "../format.ts"

/*
 * A `.env` file, as the common loaders read it:
 *
 *   # comment
 *   NAME=value # comment          unquoted: up to the comment, trimmed
 *   export NAME='as it is'        single and back quotes: as it is, over several lines
 *   NAME="two\nlines"             double quotes: \n and \r are line breaks
 *   NAME: value
 *
 * A quote with a backslash before it does not close, and the backslash stays. A later assignment of a name wins.
 */
const MAX_ENV_BYTES = 1024 * 1024
const ASSIGNMENT = /^[^\S\n]*(?:export[^\S\n]+)?([\w.-]+)(?:[^\S\n]*=|:(?=[^\S\n]))[^\S\n]*/
const VARIABLE = /^[A-Za-z_][A-Za-z0-9_]*$/

/** One file becomes one `env-set`: variables in their order, comments as notes. */
export const dotenv: Format = {
  name: "dotenv",
  label: "Environment file (.env)",
  detect: (bytes) => {
    const text = bytes.length <= MAX_ENV_BYTES ? utf8ToText(bytes) : undefined
    if (text === undefined || text.includes("\0")) return false
    const { variables, unmapped } = parseEnv(clean(text))
    return variables.size > 0 && !unmapped.some((line) => line.why === "not-an-assignment")
  },
  parse: async (bytes, options) => {
    if (bytes.length > MAX_ENV_BYTES) return err({ code: "import-too-large", limitBytes: MAX_ENV_BYTES })
    const text = utf8ToText(bytes)
    if (text === undefined || text.includes("\0")) return err({ code: "import-unrecognised" })
    const { variables, comments, unmapped } = parseEnv(clean(text))
    if (variables.size === 0) return err({ code: "import-unrecognised" })
    const name = options.fileName ?? ".env"
    const item = {
      kind: "env-set",
      version: kindByName("env-set")?.latest ?? 1,
      title: name,
      fields: new Map<string, FieldValue>([...variables].map(([key, value]) => [key, { value, secret: true }])),
      tags: [],
      createdMs: options.nowMs,
      updatedMs: options.nowMs,
      notes: comments.join("\n"),
      alternatives: [],
      unknownKeys: new Map(),
      unknownFlags: new Map(),
      from: { source: "dotenv", id: name },
    }
    return ok({ items: [item], history: [], unmapped })
  },
}

const clean = (text: string): string => text.replace(/^\ufeff/, "").replaceAll(/\r\n?/g, "\n")

interface ParsedEnv {
  readonly variables: ReadonlyMap<string, string>
  readonly comments: readonly string[]
  readonly unmapped: readonly Unmapped[]
}

export const parseEnv = (text: string): ParsedEnv => {
  const variables = new Map<string, string>()
  const comments: string[] = []
  const unmapped: Unmapped[] = []
  let at = 0
  let line = 1
  while (at < text.length) {
    const lineEnd = endOfLine(text, at)
    const whole = text.slice(at, lineEnd)
    const place = `line ${line}`
    let end = lineEnd
    const match = ASSIGNMENT.exec(whole)
    if (whole.trim().startsWith("#")) {
      comments.push(whole.trim().replace(/^#\s?/, ""))
    } else if (match !== null) {
      const name = match[1] ?? ""
      const value = readValue(text, at + match[0].length, lineEnd)
      end = value.end
      if (!VARIABLE.test(name)) unmapped.push({ at: place, why: "not-a-variable-name" })
      else {
        if (variables.has(name)) unmapped.push({ at: place, why: "assigned-again" })
        variables.set(name, value.text)
        if (value.comment !== "") comments.push(`${name}: ${value.comment}`)
      }
    } else if (whole.trim() !== "") {
      unmapped.push({ at: place, why: "not-an-assignment" })
    }
    for (let i = at; i <= end && i < text.length; i++) if (text[i] === "\n") line++
    at = end + 1
  }
  return { variables, comments, unmapped }
}

interface ReadValue {
  readonly text: string
  readonly comment: string
  /** Offset of the line break after it, or the length of the text. */
  readonly end: number
}

const readValue = (text: string, at: number, lineEnd: number): ReadValue => {
  const quote = text[at] ?? ""
  const quoted = quote === "'" || quote === '"' || quote === "`" ? readQuoted(text, at, quote) : undefined
  if (quoted !== undefined) return quoted
  const raw = text.slice(at, lineEnd)
  const hash = raw.indexOf("#")
  const value = (hash === -1 ? raw : raw.slice(0, hash)).trim()
  return { text: value, comment: hash === -1 ? "" : raw.slice(hash + 1).trim(), end: lineEnd }
}

/** `undefined` where no quote closes before a comment or the end of a line: then the quote is part of the value. */
const readQuoted = (text: string, at: number, quote: string): ReadValue | undefined => {
  for (let close = text.indexOf(quote, at + 1); close !== -1; close = text.indexOf(quote, close + 1)) {
    if (text[close - 1] === "\\") continue
    const end = endOfLine(text, close)
    const rest = text.slice(close + 1, end).trim()
    if (rest !== "" && !rest.startsWith("#")) return undefined
    const inner = text.slice(at + 1, close)
    const value = quote === '"' ? inner.replaceAll("\\n", "\n").replaceAll("\\r", "\r") : inner
    return { text: value, comment: rest.slice(1).trim(), end }
  }
  return undefined
}

const endOfLine = (text: string, at: number): number => {
  const end = text.indexOf("\n", at)
  return end === -1 ? text.length : end
}
