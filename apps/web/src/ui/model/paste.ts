import { type FieldSpec, findFieldSpec, foldFieldName } from "@keyferry/items"

/*
 * What people really paste into one field: two lines of a shell profile, a `.env`, or the JSON that an exchange lets them
 * download. Recognised only where at least two values find a field; anything else stays what was pasted.
 */
export interface SplitPaste {
  readonly values: Readonly<Record<string, string>>
  readonly form: "lines" | "json"
}

export const splitPaste = (text: string, specs: readonly FieldSpec[]): SplitPaste | undefined => {
  const json = pairsOfJson(text)
  const pairs = json ?? pairsOfLines(text)
  if (pairs === undefined) return undefined
  const values: Record<string, string> = {}
  for (const [name, value] of pairs) {
    const spec = fieldOf(name, specs)
    if (spec !== undefined && values[spec.name] === undefined) values[spec.name] = value
  }
  return Object.keys(values).length >= 2 ? { values, form: json === undefined ? "lines" : "json" } : undefined
}

const pairsOfJson = (text: string): readonly (readonly [string, string])[] | undefined => {
  if (!text.trim().startsWith("{")) return undefined
  try {
    const parsed: unknown = JSON.parse(text)
    if (typeof parsed !== "object" || parsed === null) return undefined
    return Object.entries(parsed).flatMap(([name, value]) =>
      typeof value === "string" || typeof value === "number" ? [[name, String(value)] as const] : [],
    )
  } catch {
    // Not JSON after all; it may still be lines.
    return undefined
  }
}

const LINE = /^\s*(?:export\s+|set\s+|\$env:)?([A-Za-z_][\w.-]*)\s*[=:]\s*(.+?)\s*;?\s*$/

const pairsOfLines = (text: string): readonly (readonly [string, string])[] | undefined => {
  if (/-----BEGIN /.test(text)) return undefined
  const lines = text.split(/\r?\n/).filter((line) => line.trim() !== "" && !line.trim().startsWith("#"))
  const pairs = lines.flatMap((line) => {
    const [, name, value] = LINE.exec(line) ?? []
    return name === undefined || value === undefined ? [] : [[name, unquote(value)] as const]
  })
  return pairs.length >= 2 && pairs.length === lines.length ? pairs : undefined
}

const unquote = (value: string): string => /^(["'])(.*)\1$/.exec(value)?.[2] ?? value

/** `BINANCE_API_SECRET`, `secretKey` and `apiSecret` all mean the field `secret`. */
const fieldOf = (name: string, specs: readonly FieldSpec[]): FieldSpec | undefined => {
  const known = findFieldSpec(specs, name)
  if (known !== undefined) return known
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
