import { exchangeById, type FieldSpec, findFieldSpec, foldFieldName, toExchangeId } from "@keyferry/items"

/*
 * What people really paste into one field: what an exchange's page shows, two lines of a shell profile, a `.env`, the JSON that
 * an exchange lets them download or a bot's settings. Recognised only where at least two values find a field; anything else
 * stays what was pasted.
 */
export interface SplitPaste {
  readonly values: Readonly<Record<string, string>>
  /** The exchange that the names begin with, as in `BYBIT_API_KEY`. */
  readonly exchange?: string
  readonly form: "lines" | "json"
}

/** `into` is the field that has the focus: two values without any name go there and into the next. */
export const splitPaste = (text: string, specs: readonly FieldSpec[], into?: string): SplitPaste | undefined => {
  const json = pairsOfJson(text)
  const pairs = json ?? pairsOfLines(text) ?? pairsBelowLabels(text, specs) ?? pairsInOrder(text, specs, into)
  if (pairs === undefined) return undefined
  const values: Record<string, string> = {}
  // What is named as the field is comes before what only resembles it: a bot has a `name` beside its `key`.
  for (const find of [findFieldSpec, resembling])
    for (const [name, value] of pairs) {
      const spec = find(specs, name)
      if (spec !== undefined && values[spec.name] === undefined) values[spec.name] = value
    }
  if (Object.keys(values).length < 2) return undefined
  const exchange = exchangeOf(pairs)
  return { values, form: json === undefined ? "lines" : "json", ...(exchange === undefined ? {} : { exchange }) }
}

const exchangeOf = (pairs: readonly (readonly [string, string])[]): string | undefined => {
  const [first] = new Set(pairs.map(([name]) => /^([A-Za-z0-9]+)_/.exec(name)?.[1]))
  const id = toExchangeId(first?.toLowerCase() ?? "")
  return exchangeById(id) === undefined ? undefined : id
}

const pairsOfJson = (text: string): readonly (readonly [string, string])[] | undefined => {
  if (!text.trim().startsWith("{")) return undefined
  try {
    return leavesOf(JSON.parse(text), 0)
  } catch {
    // Not JSON after all; it may still be lines.
    return undefined
  }
}

/** A bot keeps its keys within its settings, some levels down. */
const MOST_LEVELS = 4

const leavesOf = (value: unknown, level: number): readonly (readonly [string, string])[] =>
  typeof value === "object" && value !== null && level < MOST_LEVELS
    ? Object.entries(value).flatMap(([name, inner]) =>
        typeof inner === "string" || typeof inner === "number"
          ? [[name, String(inner)] as const]
          : leavesOf(inner, level + 1),
      )
    : []

const ASSIGNMENT = /^\s*(?:export\s+|set\s+|\$env:)?["']?([A-Za-z_][\w.-]*)["']?\s*[=:]\s*(.+?)\s*[;,]?\s*$/
/** As a page shows it: "API Key: …", or the two cells of a row. */
const LABELLED = /^\s*([A-Za-z][A-Za-z ]{1,30}?)\s*(?:[:=：]\s*|\t\s*)(\S+)\s*$/

const linesOf = (text: string): readonly string[] =>
  text.split(/\r?\n/).filter((line) => line.trim() !== "" && !line.trim().startsWith("#"))

const pairsOfLines = (text: string): readonly (readonly [string, string])[] | undefined => {
  if (/-----BEGIN /.test(text)) return undefined
  const lines = linesOf(text)
  const pairs = lines.flatMap((line) => {
    const [, name, value] = ASSIGNMENT.exec(line) ?? LABELLED.exec(line) ?? []
    return name === undefined || value === undefined ? [] : [[name, unquote(value)] as const]
  })
  return pairs.length >= 2 && pairs.length === lines.length ? pairs : undefined
}

const LABEL = /^[A-Za-z][A-Za-z ]{1,30}:?$/

/** A label on one line and its value on the next, as a page gives them when both are marked with the pointer. */
const pairsBelowLabels = (
  text: string,
  specs: readonly FieldSpec[],
): readonly (readonly [string, string])[] | undefined => {
  const isField = (label: string): boolean =>
    findFieldSpec(specs, label.replace(":", "")) !== undefined ||
    resembling(specs, label.replace(":", "")) !== undefined
  const lines = linesOf(text).map((line) => line.trim())
  const pairs = lines.flatMap((line, at) => {
    const value = lines[at + 1]
    const isLabel = at % 2 === 0 && LABEL.test(line) && isField(line)
    return isLabel && value !== undefined && /^\S+$/.test(value) ? [[line.replace(":", ""), value] as const] : []
  })
  return pairs.length >= 2 && pairs.length * 2 === lines.length ? pairs : undefined
}

const IN_ORDER = ["key", "secret", "passphrase"]

/** In one field their line breaks would be lost, and two values would look like one. */
const pairsInOrder = (
  text: string,
  specs: readonly FieldSpec[],
  into: string | undefined,
): readonly (readonly [string, string])[] | undefined => {
  const names = IN_ORDER.filter((name) => specs.some((spec) => spec.name === name))
  const lines = text
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter(Boolean)
  if (into !== names[0] || lines.length > names.length || !lines.every((line) => /^\S{8,}$/.test(line)))
    return undefined
  return lines.map((line, at) => [names[at] ?? "", line] as const)
}

const unquote = (value: string): string => /^(["'])(.*)\1$/.exec(value)?.[2] ?? value

/** `BINANCE_API_SECRET`, `secretKey` and `apiSecret` all mean the field `secret`. */
const resembling = (specs: readonly FieldSpec[], name: string): FieldSpec | undefined => {
  const folded = foldFieldName(name)
  const has = (field: string): FieldSpec | undefined => specs.find((spec) => spec.name === field)
  if (/passphrase|password$/.test(folded)) return has("passphrase")
  if (/secret|privatekey|signingkey/.test(folded)) return has("secret") ?? has("private-key") ?? has("token")
  if (/wallet|address/.test(folded)) return has("wallet-address")
  if (/uid|userid/.test(folded)) return has("uid")
  if (/subaccount/.test(folded)) return has("sub-account")
  if (/token/.test(folded)) return has("token")
  if (/(?:api|access)key(?:id)?$|keyname$|^key$|^name$|apikey/.test(folded)) return has("key") ?? has("id")
  return undefined
}
