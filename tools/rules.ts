/**
 * Rules of spec/*.md ↔ titles of tests, both ways.
 * A rule is a line `- **RC4** text`; a test names it in its title: `"[RC4] a moved record does not open"`.
 */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import {
  isNode,
  lineAt,
  listFiles,
  readSources,
  report,
  ROOT,
  type Source,
  textOf,
  type Violation,
  walkNodes,
} from "./source.ts"

interface Place {
  readonly id: string
  readonly file: string
  readonly line: number
}

export const rulesOf = (path: string, text: string): readonly Place[] =>
  text.split("\n").flatMap((line, at) => {
    const id = line.match(/^\s*(?:[-*] )?\*\*([A-Z]{2}\d+)\*\*/)?.[1]
    return id === undefined ? [] : [{ id, file: path, line: at + 1 }]
  })

/** Ids in the titles of `test`, `it` and `describe`, also with `.each` and friends. */
export const idsInTitles = (source: Source): readonly Place[] => {
  const found: Place[] = []
  walkNodes(source.program(), (node) => {
    if (node.type !== "CallExpression" || !["test", "it", "describe"].includes(rootName(node["callee"]))) return
    const title = Array.isArray(node["arguments"]) ? textOf(node["arguments"][0]) : undefined
    for (const [, ids] of title?.matchAll(/\[([A-Z]{2}\d+(?:[ ,]+[A-Z]{2}\d+)*)\]/g) ?? []) {
      for (const id of ids?.split(/[ ,]+/) ?? [])
        found.push({ id, file: source.path, line: lineAt(source.text, node.start) })
    }
  })
  return found
}

export const checkRules = (rules: readonly Place[], titles: readonly Place[]): readonly Violation[] => {
  const firstById = new Map<string, Place>()
  const found: Violation[] = []
  for (const rule of rules) {
    const first = firstById.get(rule.id)
    if (first === undefined) firstById.set(rule.id, rule)
    else found.push({ ...rule, reason: `${rule.id} is already ${first.file}:${first.line}` })
  }
  const tested = new Set(titles.map((title) => title.id))
  for (const rule of firstById.values()) {
    if (!tested.has(rule.id)) found.push({ ...rule, reason: `no test title carries [${rule.id}]` })
  }
  for (const title of titles) {
    if (!firstById.has(title.id)) found.push({ ...title, reason: `[${title.id}] is no rule of spec/` })
  }
  return found
}

export const findRuleViolations = (root = ROOT): readonly Violation[] => {
  const specs = listFiles(root, ["spec"], /\.md$/)
  const sources = readSources(root)
  return checkRules(
    specs.flatMap((path) => rulesOf(path, readFileSync(join(root, path), "utf8"))),
    sources.flatMap(idsInTitles),
  )
}

/** `test.each(rows)("…")` and `describe.concurrent("…")` are about `test` and `describe`. */
const rootName = (callee: unknown): string => {
  let node: unknown = callee
  while (isNode(node) && node.type !== "Identifier") node = node["callee"] ?? node["object"] ?? node["tag"]
  return isNode(node) ? String(node["name"]) : ""
}

if (import.meta.main) report("rules", findRuleViolations())
