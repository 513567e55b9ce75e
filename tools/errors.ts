/**
 * The error table (packages/protocol/src/errors.ts) ↔ docs/errors.md ↔ the code that answers with it ↔ tests.
 * `node tools/errors.ts` checks; `--write` renews the document.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import process from "node:process"
import type { ErrorEntry } from "../packages/protocol/src/errors.ts"
import { isTestFile, lineAt, readSources, report, ROOT, type Source, type Violation, walkNodes } from "./source.ts"

type Table = Readonly<Record<string, ErrorEntry>>
const TABLE = "packages/protocol/src/errors.ts"
const DOC = "docs/errors.md"

export const renderErrors = (table: Table): string => `# Errors

Every failure that is told to somebody has a code. The table is written from \`${TABLE}\` by \`node tools/errors.ts --write\`;
the sentences are those that \`kf\` and the server print.

- **HTTP**: the status a server answers with; – where only a device meets it.
- **Retry**: what a program may do by itself: never, later (after the time given), after-sync, after-rekey, after-login.
- **Exit**: the exit code of \`kf\`.

| Code | HTTP | Retry | Exit | Sentence | What it means for your keys | What to do |
|---|---|---|---|---|---|---|
${Object.entries(table)
  .map(
    ([code, one]) =>
      `| \`${code}\` | ${one.status === 0 ? "–" : one.status} | ${one.retry} | ${one.exit} | ${cell(one.sentence)} | ${cell(one.keys)} | ${cell(one.action)} |`,
  )
  .join("\n")}
`

export const checkErrors = (table: Table, document: string, sources: readonly Source[]): readonly Violation[] => {
  const found: Violation[] = []
  if (document !== renderErrors(table))
    found.push({ file: DOC, line: 0, reason: "stale: node tools/errors.ts --write" })

  const used = new Set<string>()
  const tested = new Set<string>()
  let tableText = ""
  for (const source of sources) {
    if (source.path === TABLE) tableText = source.text
    if (source.path === TABLE || source.path.startsWith("tools/")) continue
    const known = isTestFile(source.path) || /^(adversarial|e2e)\//.test(source.path) ? tested : used
    for (const text of literalsOf(source)) known.add(text)
  }
  const testText = [...tested].join("\n")
  for (const code of Object.keys(table)) {
    const line = lineOfCode(tableText, code)
    if (!used.has(code)) found.push({ file: TABLE, line, reason: `nothing answers with ${code}` })
    // A code may stand inside a title, or in what a test expects to be printed.
    if (!new RegExp(`(?<![a-z-])${code}(?![a-z-])`).test(testText)) {
      found.push({ file: TABLE, line, reason: `no test meets ${code}` })
    }
  }
  return found
}

export const findErrorViolations = async (root = ROOT): Promise<readonly Violation[]> => {
  const path = join(root, DOC)
  return checkErrors(await readTable(), existsSync(path) ? readFileSync(path, "utf8") : "", readSources(root))
}

/** Imported when asked for, so that this file also loads in a checkout where the table does not parse. */
const readTable = async (): Promise<Table> => (await import("../packages/protocol/src/errors.ts")).errors

const literalsOf = (source: Source): readonly string[] => {
  const found: string[] = []
  walkNodes(source.program(), (node) => {
    if (node.type === "Literal" && typeof node["value"] === "string") found.push(node["value"])
    if (node.type === "TemplateElement") found.push((node["value"] as { raw: string }).raw)
    // `{ malformed: … }` and `errors.malformed` name a code without quotes.
    if (node.type === "Property" || node.type === "MemberExpression") {
      const key = (node["key"] ?? node["property"]) as { type?: string; name?: string }
      if (key.type === "Identifier" && key.name !== undefined) found.push(key.name)
    }
  })
  return found
}

const lineOfCode = (text: string, code: string): number => {
  const at = text.search(new RegExp(`^\\s*"?${code}"?:`, "m"))
  return at < 0 ? 0 : lineAt(text, at + 2)
}

const cell = (text: string): string => text.replaceAll("|", "\\|")

if (import.meta.main) {
  if (process.argv.includes("--write")) writeFileSync(join(ROOT, DOC), renderErrors(await readTable()))
  report("errors", await findErrorViolations())
}
