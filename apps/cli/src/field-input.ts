import { closeSync, fstatSync, openSync, readFileSync } from "node:fs"

import { err, ok, type Result } from "@keyferry/base"
import {
  buildFields,
  type FieldProblem,
  type FieldReason,
  type FieldSpec,
  findFieldSpec,
  type Kind,
} from "@keyferry/items"
import { failure, type Failure } from "@keyferry/sdk/errors"

import type { Context } from "./context.ts"
import { oneLine, usage } from "./failures.ts"
import type { FieldValue } from "./keyferry.ts"

/** `name=value` as it was typed. */
export type FieldEntry = readonly [name: string, value: string]

export interface FieldWords {
  /** Words without `=`, in order. */
  readonly plain: readonly string[]
  readonly entries: readonly FieldEntry[]
}

/** Tells `name=value` words from others: a name begins with a letter or underscore and holds no space. */
export const splitFieldWords = (words: readonly string[]): FieldWords => {
  const plain: string[] = []
  const entries: FieldEntry[] = []
  for (const word of words) {
    const match = /^([A-Za-z_][A-Za-z0-9_./-]*)=([^]*)$/.exec(word)
    if (match?.[1] === undefined) plain.push(word)
    else entries.push([match[1], match[2] ?? ""])
  }
  return { plain, entries }
}

/**
 * Reads what the right-hand sides stand for: `-` is stdin (or `field:NAME` of the secrets), `@path` a file, `@@…` a value
 * that begins with @. A secret written out in the arguments is refused: other users of the machine can see those.
 */
export const readFieldEntries = (
  context: Context,
  kind: Kind | undefined,
  entries: readonly FieldEntry[],
  existing: ReadonlyMap<string, boolean> = new Map(),
): Result<readonly FieldEntry[], Failure> => {
  const known: Record<string, string> = {}
  for (const [name, value] of entries) known[findFieldSpec(kind?.fields ?? [], name)?.name ?? name] = value
  const read: FieldEntry[] = []
  const seen = new Set<string>()
  for (const [name, raw] of entries) {
    const spec = kind === undefined ? undefined : specFor(kind, known, name)
    const own = spec?.name ?? name
    if (seen.has(own)) return err(usage(`The field “${oneLine(own)}” is given twice.`))
    seen.add(own)
    const secret = existing.get(own) ?? spec?.secret ?? true
    const value = readValue(context, own, raw, secret)
    if (!value.ok) return value
    // The line break that ends every file is not part of a value of one line.
    const text = value.value
    const single = spec?.multiline !== true && text.indexOf("\n") === text.length - 1
    read.push([own, raw !== text && single ? text.replace(/\r?\n$/, "") : text])
  }
  return ok(read)
}

export const specFor = (kind: Kind, known: Readonly<Record<string, string>>, name: string): FieldSpec =>
  findFieldSpec(kind.fieldsFor(known), name) ?? findFieldSpec(kind.fields, name) ?? kind.customField(name)

const readValue = (context: Context, name: string, raw: string, secret: boolean): Result<string, Failure> => {
  if (raw === "-") {
    const given = context.secrets.given(`field:${name}`)
    if (!given.ok) return given
    if (given.value !== undefined) return ok(given.value)
    if (context.settings.secrets?.form === "lines") return err(usage(`The secrets have no line field:${name}=….`))
    return context.secrets.stdin(`${name}=-`)
  }
  if (raw.startsWith("@@")) return secret ? refuseSecret(name) : ok(raw.slice(1))
  if (raw.startsWith("@")) return readTextFile(raw.slice(1))
  // An empty value takes a field out: nothing secret about that.
  return secret && raw !== "" ? refuseSecret(name) : ok(raw)
}

const refuseSecret = (name: string): Result<never, Failure> =>
  err(
    usage(
      `“${oneLine(name)}” is secret, and arguments are visible to other programs: use ${name}=- or ${name}=@FILE, or leave it out to be asked.`,
    ),
  )

const MAX_FILE_BYTES = 1024 * 1024

export const readTextFile = (path: string): Result<string, Failure> => {
  const bytes = readSmallFile(path, MAX_FILE_BYTES)
  if (!bytes.ok) return bytes
  try {
    return ok(new TextDecoder("utf-8", { fatal: true }).decode(bytes.value))
  } catch {
    return err(usage(`${oneLine(path)} is not UTF-8 text.`))
  }
}

export const readSmallFile = (path: string, limit: number): Result<Uint8Array, Failure> => {
  let fd: number
  try {
    fd = openSync(path, "r")
  } catch {
    return err(failure("not-found", `The file ${oneLine(path)} cannot be read.`))
  }
  try {
    const found = fstatSync(fd)
    if (!found.isFile() && !found.isFIFO() && !found.isCharacterDevice())
      return err(usage(`${oneLine(path)} is not a file.`))
    if (found.size > limit)
      return err(failure("too-large", `${oneLine(path)} is larger than ${Math.floor(limit / 1024)} KiB.`))
    return ok(readFileSync(fd))
  } finally {
    closeSync(fd)
  }
}

const REASONS: Readonly<Record<FieldReason, string>> = {
  missing: "is missing",
  "unknown-field": "is not a field of this kind",
  "not-text": "is not text",
  "control-character": "has an invisible control character in it",
  newline: "has a line break in it",
  "space-inside": "has a space in the middle",
  "too-long": "is longer than 60,000 characters",
  "not-a-choice": "is not one of the values it can have",
  "not-a-number": "is not a number in range",
  "not-a-url": "is not a web address, or has a password inside it",
  "not-a-date": "is not a date such as 2027-03-01",
  "not-an-item-id": "is not the id of an item",
  "not-a-private-key": "is not a private key in PEM form",
  "not-a-public-key": "is not a public key",
  "not-an-otp": "is not an otpauth:// address or base32 secret",
  "not-a-variable-name": "is not a name for a variable",
  "not-an-address": "is not a host name or IP address",
  swapped: "holds what belongs into the other field: key and secret are swapped",
  "main-wallet-key": "is the key of the main wallet, which could withdraw everything; use an agent's key",
  "secret-not-allowed": "would be a secret in a kind that travels where credentials may not",
  "own-and-shared": "must be empty when members use their own credential",
}

/** The field and the reason, never the value. */
export const fieldFailure = (
  problem: FieldProblem,
  kind: Kind | undefined,
  known: Readonly<Record<string, string>> = {},
): Failure => {
  const spec = kind === undefined ? undefined : specFor(kind, known, problem.field)
  const choices = problem.reason === "not-a-choice" && spec?.choices !== undefined ? `: ${spec.choices.join(", ")}` : ""
  return failure("credential-malformed", `“${oneLine(problem.field)}” ${REASONS[problem.reason]}${choices}.`)
}

/** Cleans and checks the fields of a new item; what was changed is said. */
export const cleanFields = (
  context: Context,
  kind: Kind,
  entries: readonly FieldEntry[],
): Result<readonly FieldValue[], Failure> => {
  const built = buildFields(kind, entries)
  if (!built.ok) return err(fieldFailure(built.error, kind, Object.fromEntries(entries)))
  for (const { field, what } of built.value.notices) {
    context.io.say(
      what === "trimmed" ? `Spaces at the ends of “${field}” were cut.` : `Line breaks in “${field}” were restored.`,
    )
  }
  return ok([...built.value.fields].map(([name, field]) => ({ name, value: field.value, secret: field.secret })))
}

/** The lines of a `.env` file as fields: comments and `export` are left out, quotes are taken off. */
export const parseDotenv = (text: string): readonly FieldEntry[] => {
  const entries: FieldEntry[] = []
  // The unquoted rest of a line is taken whole and cut afterwards: looking for its end in the pattern is quadratic.
  const line =
    /^[ \t]*(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_.-]*)[ \t]*=[ \t]*(?:("(?:\\[^]|[^"\\])*"|'[^']*'|`[^`]*`)[ \t]*(?:#[^\n]*)?$|([^\n]*))/gm
  for (const [, name, quoted, rest = ""] of text.replaceAll("\r\n", "\n").matchAll(line)) {
    if (name !== undefined) entries.push([name, unquote(quoted ?? (rest.split("#", 1)[0] ?? "").trimEnd())])
  }
  return entries
}

const unquote = (raw: string): string => {
  if (raw.startsWith('"') && raw.endsWith('"') && raw.length > 1) {
    return raw.slice(1, -1).replaceAll(/\\([nrt"\\$])/g, (_, c: string) => ({ n: "\n", r: "\r", t: "\t" })[c] ?? c)
  }
  return /^(['`])[^]*\1$/.test(raw) && raw.length > 1 ? raw.slice(1, -1) : raw
}
