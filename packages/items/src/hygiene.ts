import { err, ok, type Result } from "@keyferry/base"

import { fieldProblem, type FieldProblem, type FieldSpec } from "./field.ts"

/** The most a single value may hold; an item as a whole is bounded again when it is sealed. */
export const MAX_VALUE_LENGTH = 60_000

export interface NormalisedField {
  readonly value: string
  /** Something at the ends was cut; say so to the person. */
  readonly trimmed: boolean
  /** Written-out `\n` in a PEM block became line breaks, as exchanges' JSON downloads need. */
  readonly lineBreaksRestored: boolean
}

/**
 * Cleans one typed or pasted value before it is checked and sealed.
 * Errors   credential-malformed: not-text (half a surrogate pair), control-character, newline, space-inside,
 *          too-long, not-a-choice, and what the field's own check says
 */
export const normaliseField = (spec: FieldSpec, raw: string): Result<NormalisedField, FieldProblem> => {
  if (!raw.isWellFormed()) return err(fieldProblem(spec.name, "not-text"))
  // Also what a file has that was converted twice: cleaning a value again must not change it.
  // The look behind keeps a long run of \r from being tried from each of its places.
  const unified = raw.replaceAll(/(?<!\r)\r+\n/g, "\n")
  const restored = spec.multiline === undefined ? unified : restoreLineBreaks(unified)
  const trimmed = trimFor(spec, restored)
  const value = spec.canonical?.(trimmed) ?? trimmed
  if (value.length > MAX_VALUE_LENGTH) return err(fieldProblem(spec.name, "too-long"))
  const allowsLines = spec.multiline === true || (spec.multiline === "pem" && isPemBlock(value))
  if (!allowsLines && /[\n\r]/.test(value)) return err(fieldProblem(spec.name, "newline"))
  if (hasControlCharacter(value)) return err(fieldProblem(spec.name, "control-character"))
  if (spec.input === "token" && !allowsLines && /\s/.test(value)) return err(fieldProblem(spec.name, "space-inside"))
  if (value !== "") {
    if (spec.choices !== undefined && !spec.choices.includes(value)) return err(fieldProblem(spec.name, "not-a-choice"))
    const reason = spec.check?.(value)
    if (reason !== undefined) return err(fieldProblem(spec.name, reason))
  }
  return ok({
    value,
    trimmed: trimmed.trimEnd() !== restored.trimEnd() || trimmed.length < restored.length,
    lineBreaksRestored: restored !== unified,
  })
}

export const isPemBlock = (text: string): boolean =>
  /^-----BEGIN [A-Z0-9 ]+-----\n[^]*\n-----END [A-Z0-9 ]+-----\n?$/.test(text)

const restoreLineBreaks = (text: string): string =>
  /-----BEGIN [A-Z0-9 ]+-----\\n/.test(text) && !text.trim().includes("\n") ? text.replaceAll("\\n", "\n") : text

// White space of every script, and the invisible characters that web pages put around copied keys.
const isOuterSpace = (unit: string | undefined): boolean =>
  unit !== undefined && /[\s\u200b-\u200d\u2060\ufeff]/.test(unit)

const trimEnds = (text: string): string => {
  let start = 0
  let end = text.length
  while (start < end && isOuterSpace(text[start])) start++
  while (end > start && isOuterSpace(text[end - 1])) end--
  return text.slice(start, end)
}

const trimLineBreaks = (text: string): string => {
  let end = text.length
  while (end > 0 && (text[end - 1] === "\n" || text[end - 1] === "\r")) end--
  return text.slice(0, end)
}

const trimFor = (spec: FieldSpec, text: string): string => {
  if (isPemBlock(text.trim())) return `${text.trim()}\n`
  if (spec.input !== "exact") return spec.multiline === true ? text : trimEnds(text)
  // A password may begin or end with a space; a line break at its end came from the pipe or the paste.
  return spec.multiline === undefined ? trimLineBreaks(text) : text
}

// Tab and line breaks are the only control characters that belong in text.
const hasControlCharacter = (text: string): boolean => {
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    if ((unit < 32 && unit !== 9 && unit !== 10 && unit !== 13) || unit === 127) return true
  }
  return false
}
