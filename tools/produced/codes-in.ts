/** Names under which a failure's code stands in results, answers, statuses and logs. */
const NAMES = new Set(["code", "error", "lockCode", "what", "reason"])
const MAX_DEPTH = 8

/**
 * The codes of the table that a produced value holds: a text that is one, a field that names one, or a printed text with one in
 * it. A code of one plain word (`busy`) counts in a printed text only as the value of a field.
 */
export const codesIn = (value: unknown, table: ReadonlySet<string>): readonly string[] => {
  const found = new Set<string>()
  const look = (one: unknown, depth: number): void => {
    if (typeof one === "string") {
      for (const code of codesInText(one, table)) found.add(code)
      return
    }
    if (typeof one !== "object" || one === null || depth > MAX_DEPTH || ArrayBuffer.isView(one)) return
    if (one instanceof Error) look(one.message, depth + 1)
    const entries: Iterable<readonly [unknown, unknown]> =
      one instanceof Map ? one : one instanceof Set ? [...one].map((part) => ["", part] as const) : Object.entries(one)
    for (const [name, part] of entries) {
      // In a field of some other meaning it is no failure: events, for one, have kinds of the same name.
      const isNamed = Array.isArray(one) || one instanceof Set || NAMES.has(String(name))
      if (typeof part === "string" && !isNamed && table.has(part)) continue
      look(part, depth + 1)
    }
  }
  look(value, 0)
  return [...found]
}

const codesInText = (text: string, table: ReadonlySet<string>): readonly string[] => {
  if (table.has(text)) return [text]
  const words = [...text.matchAll(/(?<![a-z0-9-])[a-z0-9]+(?:-[a-z0-9]+)+(?![a-z0-9-])/g)].map(([word]) => word)
  const fields = [...text.matchAll(/"(?:code|what)":\s?"([a-z-]+)"/g)].map(([, code = ""]) => code)
  return [...words, ...fields].filter((word) => table.has(word))
}
