/**
 * Reading the repository's own sources for the checks of `npm run verify`.
 */
import { readdirSync, readFileSync } from "node:fs"
import { join, relative, sep } from "node:path"
import process from "node:process"
import { parseAst } from "vitest/node"

/** One finding of a check. `line` is 1-based; 0 where a whole file is meant. */
export interface Violation {
  readonly file: string
  readonly line: number
  readonly reason: string
}

export interface Source {
  /** Relative to the root, with forward slashes. */
  readonly path: string
  readonly text: string
  /** The ESTree program. Throws on a syntax error, which `types` reports better. */
  readonly program: () => Node
}

/** Just enough of ESTree: every node has a type and its place in the text. */
export interface Node {
  readonly type: string
  readonly start: number
  readonly end: number
  readonly [field: string]: unknown
}

export interface ImportOf {
  readonly specifier: string
  readonly line: number
  /** `import type`, `export type` or a type position: erased before the program runs. */
  readonly typeOnly: boolean
}

export const ROOT = join(import.meta.dirname, "..")
export const CODE_FOLDERS = ["packages", "apps", "tools", "spec", "adversarial", "e2e", "bench"]
const SKIPPED = new Set(["node_modules", "dist", "coverage", "__pycache__", "vectors"])

/** Paths of all files below the folders, relative to the root; hidden folders and generated ones are left out. */
export const listFiles = (root: string, folders: readonly string[], wanted: RegExp): readonly string[] => {
  const found: string[] = []
  const walk = (folder: string): void => {
    for (const entry of readDirectory(folder)) {
      if (entry.name.startsWith(".") || SKIPPED.has(entry.name)) continue
      const path = join(folder, entry.name)
      if (entry.isDirectory()) walk(path)
      else if (wanted.test(entry.name)) found.push(relative(root, path).split(sep).join("/"))
    }
  }
  for (const folder of folders) walk(join(root, folder))
  return found.sort()
}

export const createSource = (path: string, text: string): Source => {
  let parsed: Node | undefined
  return {
    path,
    text,
    program: () => (parsed ??= parseAst(text, { lang: path.endsWith("x") ? "tsx" : "ts" }) as unknown as Node),
  }
}

export const readSources = (root = ROOT, folders: readonly string[] = CODE_FOLDERS): readonly Source[] =>
  listFiles(root, folders, /\.(ts|tsx|mts)$/).map((path) => createSource(path, readFileSync(join(root, path), "utf8")))

export const lineAt = (text: string, offset: number): number => text.slice(0, offset).split("\n").length

export const isTestFile = (path: string): boolean =>
  /\.test\.tsx?$/.test(path) || /(^|\/)(conformance|fixtures?)(\.ts$|\/)/.test(path)

/** Calls `visit` for every node, parents before children. */
export const walkNodes = (node: Node, visit: (node: Node) => void): void => {
  visit(node)
  for (const value of Object.values(node)) {
    if (Array.isArray(value)) for (const part of value) if (isNode(part)) walkNodes(part, visit)
    if (isNode(value)) walkNodes(value, visit)
  }
}

export const isNode = (value: unknown): value is Node =>
  typeof value === "object" && value !== null && typeof (value as { type?: unknown }).type === "string"

/** The text of a string literal, or of a template without its placeholders; `undefined` for anything else. */
export const textOf = (node: unknown): string | undefined => {
  if (!isNode(node)) return undefined
  if (node.type === "Literal" && typeof node["value"] === "string") return node["value"]
  if (node.type !== "TemplateLiteral" || !Array.isArray(node["quasis"])) return undefined
  return node["quasis"].map((quasi: { value: { cooked: string } }) => quasi.value.cooked).join("…")
}

/** Every import, re-export, dynamic import and `import("…")` type of a file. */
export const importsOf = (source: Source): readonly ImportOf[] => {
  const found: ImportOf[] = []
  const add = (from: unknown, at: Node, typeOnly: boolean): void => {
    const specifier = textOf(from)
    if (specifier !== undefined) found.push({ specifier, line: lineAt(source.text, at.start), typeOnly })
  }
  walkNodes(source.program(), (node) => {
    if (node.type === "ImportDeclaration") add(node["source"], node, node["importKind"] === "type" || onlyTypes(node))
    if (node.type === "ExportNamedDeclaration" || node.type === "ExportAllDeclaration") {
      add(node["source"], node, node["exportKind"] === "type")
    }
    if (node.type === "ImportExpression") add(node["source"], node, false)
    if (node.type === "TSImportType") add(node["source"] ?? node["argument"], node, true)
  })
  return found
}

const onlyTypes = (node: Node): boolean => {
  const specifiers: unknown = node["specifiers"]
  return (
    Array.isArray(specifiers) &&
    specifiers.length > 0 &&
    specifiers.every((one: { importKind?: string }) => one.importKind === "type")
  )
}

/** Prints what a check found and sets the exit code; for `node tools/<check>.ts` by itself. */
export const report = (name: string, violations: readonly Violation[]): void => {
  for (const line of violations.map(formatViolation)) process.stdout.write(`${line}\n`)
  process.stdout.write(violations.length === 0 ? `${name}: ok\n` : `${name}: ${violations.length} found\n`)
  if (violations.length > 0) process.exitCode = 1
}

export const formatViolation = ({ file, line, reason }: Violation): string =>
  line > 0 ? `${file}:${line}: ${reason}` : `${file}: ${reason}`

const readDirectory = (folder: string): readonly { name: string; isDirectory: () => boolean }[] => {
  try {
    return readdirSync(folder, { withFileTypes: true })
  } catch (error) {
    // A folder that does not exist yet has nothing to check.
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return []
    throw error
  }
}
