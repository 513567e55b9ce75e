/**
 * Who may import whom. `node tools/layers.ts` checks; `--write` renews the tables in docs/architecture.md.
 * Source   docs/architecture.md, "Dependency direction"
 */
import { readFileSync, writeFileSync } from "node:fs"
import { join, posix } from "node:path"
import process from "node:process"
import { arrows, forbidden, insideApps, type Package, packages } from "./layer-table.ts"
import { importsOf, isTestFile, readSources, report, ROOT, type Source, type Violation } from "./source.ts"

/** Folders beside packages and apps. They are development only, and nothing may import them. */
const OUTER = ["tools", "spec", "adversarial", "e2e", "bench"]
const DOC = "docs/architecture.md"

export const checkLayers = (sources: readonly Source[], declared: Declared): readonly Violation[] => {
  const found: Violation[] = []
  for (const source of sources) {
    for (const { specifier, line, typeOnly } of importsOf(source)) {
      const reason = whyNot(source.path, specifier, declared)
      if (reason !== undefined)
        found.push({ file: source.path, line, reason: `${reason}${typeOnly ? " (a type is an arrow too)" : ""}` })
    }
  }
  return [...found, ...cycles(sources)]
}

/** Names of dependencies per package, from its package.json; `""` is the root's. */
export type Declared = ReadonlyMap<string, ReadonlySet<string>>

export const readDeclared = (root = ROOT): Declared => {
  const names = new Map<string, ReadonlySet<string>>()
  const read = (key: string, path: string): void => {
    const json = JSON.parse(readFileSync(join(root, path, "package.json"), "utf8")) as Record<
      string,
      object | undefined
    >
    const parts = ["dependencies", "devDependencies", "optionalDependencies", "peerDependencies"]
    names.set(key, new Set(parts.flatMap((part) => Object.keys(json[part] ?? {}))))
  }
  read("", ".")
  for (const [name, one] of Object.entries(packages)) if (one.exists !== false) read(name, one.folder)
  return names
}

const whyNot = (path: string, specifier: string, declared: Declared): string | undefined => {
  const from = packageOf(path)
  if (specifier.startsWith(".")) return whyNotRelative(path, from, posix.join(posix.dirname(path), specifier))
  if (specifier.startsWith("node:")) return whyNotNode(path, from, specifier)
  const own = specifier.match(/^@keyferry\/([a-z-]+)(\/.*)?$/)
  return own === null
    ? whyNotOutside(path, from, specifier, declared)
    : whyNotPackage(path, from, own[1] ?? "", specifier)
}

const whyNotPackage = (path: string, from: string | undefined, to: string, specifier: string): string | undefined => {
  const target = packages[to]
  if (target === undefined) return `there is no package ${to}`
  if (from === to) return `inside ${to}, import the file itself, not the package`
  if (specifier.includes("hazmat")) return forbidden.hazmat
  if (from === undefined) {
    return target.app && path.startsWith("tools/") ? forbidden.app : undefined
  }
  const listed = arrows.find((arrow) => arrow.from.includes(from) && arrow.to.includes(to))
  const reason = target.app ? forbidden.app : to === "testkit" ? forbidden.testkit : listed?.reason
  const testMay = isTestFile(path) && !target.app
  if (testMay || packages[from]?.may.includes(to)) return undefined
  return `${from} → ${to}: ${reason ?? `not among the arrows of ${DOC}; ${from} may import ${packages[from]?.may.join(", ") || "nothing"}`}`
}

const whyNotRelative = (path: string, from: string | undefined, target: string): string | undefined => {
  const to = packageOf(target)
  if (from !== to) {
    if (from === undefined && to !== undefined && OUTER.some((folder) => path.startsWith(`${folder}/`)))
      return undefined
    if (to === undefined && isTestFile(path)) return undefined
    return `${from ?? path} → ${target}: other packages are reached by their name, and what lies beside them is not reached at all`
  }
  for (const rule of insideApps) {
    if (from !== rule.app || isTestFile(path)) continue
    const [fromPart, toPart] = [partOf(path), partOf(target)]
    if (fromPart === rule.from && rule.to.includes(toPart))
      return `${rule.app}: ${rule.from} → ${toPart}: ${rule.reason}`
  }
  return undefined
}

const whyNotNode = (path: string, from: string | undefined, specifier: string): string | undefined => {
  const one = from === undefined ? undefined : packages[from]
  if (one === undefined || isTestFile(path) || one.node === "everywhere") return undefined
  if (one.node.some((prefix) => path.startsWith(`${one.folder}/${prefix}`))) return undefined
  return `${from} → ${specifier}: ${from === "engine" ? forbidden.engineInOut : forbidden.node}`
}

const whyNotOutside = (
  path: string,
  from: string | undefined,
  specifier: string,
  declared: Declared,
): string | undefined => {
  const name = specifier
    .split("/")
    .slice(0, specifier.startsWith("@") ? 2 : 1)
    .join("/")
  // Tests and tools are never published, so what any package here depends on is theirs too.
  if (from === undefined || isTestFile(path)) {
    const known = [...declared.values()].some((names) => names.has(name))
    return known ? undefined : `${name} is not a dependency of any package.json here`
  }
  const one: Package | undefined = packages[from]
  if (!declared.get(from)?.has(name)) return `${name} is not a dependency in ${one?.folder}/package.json`
  const behind = one?.behind[name]
  if (behind !== undefined && !path.startsWith(`${one?.folder}/${behind}`)) {
    return `${from} → ${name}: this library stays behind ${behind}, so that it can be replaced`
  }
  return undefined
}

const packageOf = (path: string): string | undefined =>
  Object.entries(packages).find(([, one]) => path.startsWith(`${one.folder}/`))?.[0]

/** The folder below src, or the file's own name: `http`, `store`, `main.ts`. */
const partOf = (path: string): string => path.replace(/^(?:apps|packages)\/[^/]+\/src\//, "").split("/")[0] ?? ""

/** Cycles of files whose imports stay at run time; each is told once, by its first file. */
const cycles = (sources: readonly Source[]): readonly Violation[] => {
  const known = new Set(sources.map((source) => source.path))
  const next = new Map(
    sources.map((source) => [
      source.path,
      importsOf(source)
        .filter((one) => !one.typeOnly && one.specifier.startsWith("."))
        .map((one) => posix.join(posix.dirname(source.path), one.specifier))
        .filter((path) => known.has(path)),
    ]),
  )
  const found = new Map<string, Violation>()
  const done = new Set<string>()
  const visit = (path: string, trail: readonly string[]): void => {
    const at = trail.indexOf(path)
    if (at >= 0) {
      const ring = trail.slice(at)
      const key = [...ring].sort().join(" ")
      found.set(key, { file: ring[0] ?? path, line: 0, reason: `import cycle: ${[...ring, path].join(" → ")}` })
      return
    }
    if (done.has(path)) return
    for (const to of next.get(path) ?? []) visit(to, [...trail, path])
    done.add(path)
  }
  for (const path of next.keys()) visit(path, [])
  return [...found.values()]
}

/** The two tables as docs/architecture.md shows them. */
export const renderTables = (): string => {
  const may = Object.entries(packages).map(
    ([name, one]) =>
      `| ${name} | ${one.may.join(", ") || "nothing"} | ${one.outside} | ${one.node === "everywhere" ? "yes" : one.node.length === 0 ? "no" : `only ${one.node.map((p) => `\`${p}\``).join(", ")}`} |`,
  )
  const never = [
    ...arrows.map((arrow) => `| ${arrow.from.join(", ")} → ${arrow.to.join(", ")} | ${arrow.reason} |`),
    `| engine → anything with input or output | ${forbidden.engineInOut} |`,
    `| anything → \`crypto/hazmat\`, except crypto | ${forbidden.hazmat} |`,
    `| anything → an app | ${forbidden.app} |`,
    `| production → testkit | ${forbidden.testkit} |`,
    ...insideApps.map((rule) => `| in ${rule.app}: ${rule.from} → ${rule.to.join(", ")} | ${rule.reason} |`),
  ]
  return [
    "| Package | May import | Outside dependencies | Node built-ins |",
    "|---|---|---|---|",
    ...may,
    "",
    "| Forbidden arrow | Reason |",
    "|---|---|",
    ...never,
  ].join("\n")
}

const BEGIN = "<!-- written by tools/layers.ts -->"
const END = "<!-- end -->"

export const checkDocument = (text: string): readonly Violation[] =>
  text.includes(`${BEGIN}\n\n${renderTables()}\n\n${END}`)
    ? []
    : [{ file: DOC, line: 0, reason: "its tables of arrows are stale: node tools/layers.ts --write" }]

if (import.meta.main) {
  const path = join(ROOT, DOC)
  const text = readFileSync(path, "utf8")
  if (process.argv.includes("--write")) {
    const [before, after] = [text.split(BEGIN)[0], text.split(END)[1]]
    writeFileSync(path, `${before}${BEGIN}\n\n${renderTables()}\n\n${END}${after}`)
  }
  report("layers", [...checkLayers(readSources(), readDeclared()), ...checkDocument(readFileSync(path, "utf8"))])
}
