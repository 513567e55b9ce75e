import { readdirSync, readFileSync, writeFileSync } from "node:fs"
import { basename } from "node:path"

import { format, type FormatConfig } from "oxfmt"

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

const toCamelCase = (name: string): string =>
  name.replaceAll(/-([a-z0-9])/g, (_match, letter: string) => letter.toUpperCase())

/** As the formatter leaves it, so that neither check undoes the other. */
const formatted = async (path: string, text: string): Promise<string> => {
  const options = JSON.parse(readFileSync(new URL(".oxfmtrc.json", ROOT), "utf8")) as FormatConfig
  const result = await format(path, text, options)
  if (result.errors.length > 0) throw new Error(`${path}: ${result.errors[0]?.message}`)
  return result.code
}

const registryText = (registry: Registry): Promise<string> => {
  const names = readdirSync(new URL(`${registry.folder}/`, ROOT))
    .filter((file) => file.endsWith(".ts") && !file.endsWith(".test.ts") && file !== "index.ts")
    .map((file) => basename(file, ".ts"))
    .toSorted()
  const identifiers = names.map(toCamelCase)
  return formatted(
    `${registry.folder}/index.ts`,
    [
      "// Written by tools/registries.ts from this folder's listing. Add a file, then run it.",
      ...names.map((name, i) => `import { ${identifiers[i]} } from "./${name}.ts"`),
      "",
      `export { ${identifiers.join(", ")} }`,
      "",
      `export const ${registry.list} = [${identifiers.join(", ")}] as const`,
      "",
    ].join("\n"),
  )
}

const KINDS_PAGE = "docs/kinds.md"
const BEGIN = "<!-- kinds: written by tools/registries.ts -->"
const END = "<!-- end of kinds -->"

/** The registries must be written before the table is made: it imports them. */
const kindsPage = async (): Promise<string> => {
  const { kindsTable } = await import("../packages/items/src/registry.ts")
  const cell = (names: readonly string[]): string => names.map((name) => `\`${name}\``).join(" ")
  const kindRows = kindsTable().map((row) => {
    const required = row.fields.filter((field) => field.required).map((field) => field.name)
    const cells = [cell([row.kind]), row.label, row.version, row.credential ? "yes" : "no", row.class, cell(required)]
    return `| ${cells.join(" | ")} |`
  })
  const fieldRows = kindsTable().flatMap((row) =>
    row.fields.map((field) => {
      const cells = [cell([row.kind]), cell([field.name]), field.label, field.secret ? "yes" : "no"]
      return `| ${[...cells, cell(field.aliases), cell([...field.choices, ...field.refersTo])].join(" | ")} |`
    }),
  )
  const table = [
    "| Kind | Name | Version | Credential | Class | Required fields |",
    "| --- | --- | --- | --- | --- | --- |",
    ...kindRows,
    "",
    "| Kind | Field | Name | Secret | Other names | Choices, or kinds it refers to |",
    "| --- | --- | --- | --- | --- | --- |",
    ...fieldRows,
  ].join("\n")
  const page = readFileSync(new URL(KINDS_PAGE, ROOT), "utf8")
  const begin = page.indexOf(BEGIN)
  const end = page.indexOf(END)
  if (begin === -1 || end < begin) throw new Error(`${KINDS_PAGE} has lost the marks around its table`)
  return formatted(KINDS_PAGE, `${page.slice(0, begin)}${BEGIN}\n\n${table}\n\n${page.slice(end)}`)
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

for (const registry of REGISTRIES) settle(`${registry.folder}/index.ts`, await registryText(registry))
settle(KINDS_PAGE, await kindsPage())

if (stale.length === 0) console.log(`registries: ${REGISTRIES.length + 1} up to date`)
else if (check) {
  for (const path of stale) console.error(`${path} is stale: run node tools/registries.ts`)
  process.exitCode = 1
} else for (const path of stale) console.log(`wrote ${path}`)
