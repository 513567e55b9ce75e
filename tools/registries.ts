import { readdirSync, readFileSync, writeFileSync } from "node:fs"
import { basename } from "node:path"

/*
 * Writes what follows from a folder's listing, so that adding something is adding one file.
 *
 *   node tools/registries.ts            write the registries and the tables made from them
 *   node tools/registries.ts --check    name every stale one and exit 1
 */

interface Registry {
  /** Folder of one file per entry, relative to the repository. */
  readonly folder: string
  /** Name of the exported list. */
  readonly list: string
}

const REGISTRIES: readonly Registry[] = [
  { folder: "packages/items/src/kinds", list: "kinds" },
  { folder: "packages/importers/src/formats", list: "formats" },
]

const ROOT = new URL("../", import.meta.url)
const WIDTH = 120

const toCamelCase = (name: string): string => name.replaceAll(/-([a-z0-9])/g, (_match, letter: string) => letter.toUpperCase())

const registryText = (registry: Registry): string => {
  const names = readdirSync(new URL(`${registry.folder}/`, ROOT))
    .filter((file) => file.endsWith(".ts") && !file.endsWith(".test.ts") && file !== "index.ts")
    .map((file) => basename(file, ".ts"))
    .toSorted()
  const identifiers = names.map(toCamelCase)
  const oneLine = `export const ${registry.list} = [${identifiers.join(", ")}] as const`
  const manyLines = `export const ${registry.list} = [\n${identifiers.map((name) => `  ${name},\n`).join("")}] as const`
  return [
    "// Written by tools/registries.ts from this folder's listing. Add a file, then run it.",
    ...names.map((name, i) => `import { ${identifiers[i]} } from "./${name}.ts"`),
    "",
    `export { ${identifiers.join(", ")} }`.length <= WIDTH
      ? `export { ${identifiers.join(", ")} }`
      : `export {\n${identifiers.map((name) => `  ${name},\n`).join("")}}`,
    "",
    oneLine.length <= WIDTH ? oneLine : manyLines,
    "",
  ].join("\n")
}

const KINDS_PAGE = "docs/kinds.md"
const BEGIN = "<!-- kinds: written by tools/registries.ts -->"
const END = "<!-- end of kinds -->"

/** The registries must be written before the table is made: it imports them. */
const kindsPage = async (): Promise<string> => {
  const { kindsTable } = await import("../packages/items/src/registry.ts")
  const rows = kindsTable().map((row) => {
    const fields = row.fields.map((field) => {
      const marks = [field.required ? "required" : "", field.secret ? "secret" : ""].filter(Boolean).join(", ")
      return marks === "" ? `\`${field.name}\`` : `\`${field.name}\` (${marks})`
    })
    const aliases = row.fields.filter((field) => field.aliases.length > 0)
    const aliasText = aliases.map((field) => `\`${field.name}\`: ${field.aliases.map((a) => `\`${a}\``).join(" ")}`).join("; ")
    const cells = [
      `\`${row.kind}\``,
      row.label,
      String(row.version),
      row.credential ? "yes" : "no",
      row.class,
      fields.join(", ") || "any variable (secret)",
      aliasText || "none",
    ]
    return `| ${cells.join(" | ")} |`
  })
  const table = [
    "| Kind | Name | Version | Credential | Class | Fields | Other names of fields |",
    "| --- | --- | --- | --- | --- | --- | --- |",
    ...rows,
  ].join("\n")
  const page = readFileSync(new URL(KINDS_PAGE, ROOT), "utf8")
  const begin = page.indexOf(BEGIN)
  const end = page.indexOf(END)
  if (begin === -1 || end < begin) throw new Error(`${KINDS_PAGE} has lost the marks around its table`)
  return `${page.slice(0, begin)}${BEGIN}\n\n${table}\n\n${page.slice(end)}`
}

const check = process.argv.includes("--check")
const stale: string[] = []

const settle = (path: string, wanted: string): void => {
  const url = new URL(path, ROOT)
  let present = ""
  try {
    present = readFileSync(url, "utf8")
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error
  }
  if (present === wanted) return
  stale.push(path)
  if (!check) writeFileSync(url, wanted)
}

for (const registry of REGISTRIES) settle(`${registry.folder}/index.ts`, registryText(registry))
settle(KINDS_PAGE, await kindsPage())

if (stale.length === 0) console.log(`registries: ${REGISTRIES.length + 1} up to date`)
else if (check) {
  for (const path of stale) console.error(`${path} is stale: run node tools/registries.ts`)
  process.exitCode = 1
} else for (const path of stale) console.log(`wrote ${path}`)
