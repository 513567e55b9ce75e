import { readFileSync } from "node:fs"

import { err, ok, type Result } from "@keyferry/base"
import { parse as parseToml } from "smol-toml"

import { settings, type Setting, type SettingKey, type Settings } from "./settings.ts"

export interface Origin {
  readonly key: SettingKey
  /** Printable: secrets are named, not shown. */
  readonly value: string
  /** `flag --listen`, `environment KF_LISTEN`, `file …`, `default`. */
  readonly from: string
}

export interface Config {
  readonly values: Settings
  readonly origins: readonly Origin[]
  /** What stands after the flags. */
  readonly words: readonly string[]
}

export interface ConfigSources {
  readonly args: readonly string[]
  readonly env: Readonly<Record<string, string | undefined>>
  readonly readFile?: (path: string) => string
}

type Given = Readonly<Record<string, { readonly text: string; readonly from: string }>>

const KEYS = Object.keys(settings) as SettingKey[]
const flagOf = (key: string): string => `--${key.replaceAll(/[._]/g, "-")}`
const envOf = (key: string): string => `KF_${key.replaceAll(".", "_").toUpperCase()}`

/** Words of the commands themselves; everything else that begins with two dashes is a setting. */
const FLAGS: ReadonlySet<string> = new Set(["--json", "--help", "--yes"])

/** Flag over environment over file over default. Errors: a list of sentences, one per mistake. */
export const readConfig = ({ args, env, readFile = readText }: ConfigSources): Result<Config, readonly string[]> => {
  const problems: string[] = []
  const flags = readFlags(args, problems)
  const fromEnv = readEnvironment(env, readFile, problems)
  const path = flags.given["config"]?.text ?? env["KF_CONFIG"]
  const fromFile = path === undefined ? {} : readTomlFile(path, readFile, problems)

  const values: Record<string, unknown> = {}
  const origins: Origin[] = []
  for (const key of KEYS) {
    const definition = settings[key] as Setting<unknown>
    const given = flags.given[key] ?? fromEnv[key] ?? fromFile[key]
    const value = given === undefined ? definition.initial : definition.parse(given.text)
    if (given !== undefined && value === undefined)
      problems.push(`${given.from}: ${key} expects ${definition.expects}.`)
    if (flags.given[key] !== undefined && definition.secret === true && hasPassword(flags.given[key].text))
      problems.push(`${key} holds a password: set ${envOf(key)}_FILE instead of a flag, which others can read.`)
    values[key] = value
    origins.push({ key, value: printable(definition, value), from: given?.from ?? "default" })
  }
  return problems.length > 0
    ? err(problems)
    : ok(Object.freeze({ values: Object.freeze(values) as unknown as Settings, origins, words: flags.words }))
}

/** The annotated file of all settings, made from what validates. */
export const describeSettings = (): string =>
  KEYS.map((key) => {
    const { about, expects, initial } = settings[key] as Setting<unknown>
    const value = printable({ secret: false }, initial)
    return `# ${about}\n# ${expects} · ${flagOf(key)} · ${envOf(key)}\n# ${key} = ${JSON.stringify(value)}\n`
  }).join("\n")

const readText = (path: string): string => readFileSync(path, "utf8")

const readFlags = (args: readonly string[], problems: string[]): { given: Given; words: readonly string[] } => {
  const given: Record<string, { text: string; from: string }> = {}
  const words: string[] = []
  const byFlag = new Map<string, string>([...KEYS.map((key) => [flagOf(key), key] as const), ["--config", "config"]])
  for (let i = 0; i < args.length; i++) {
    const arg = args[i] ?? ""
    if (!arg.startsWith("--") || FLAGS.has(arg)) {
      words.push(arg)
      continue
    }
    const [flag = "", inline] = arg.split(/=(.*)/s)
    const key = byFlag.get(flag)
    if (key === undefined) {
      problems.push(`${flag} is no option.${suggest(flag, [...byFlag.keys()])}`)
      continue
    }
    const text = inline ?? args[++i]
    if (text === undefined) problems.push(`${flag} needs a value.`)
    else given[key] = { text, from: `flag ${flag}` }
  }
  return { given, words }
}

const readEnvironment = (env: ConfigSources["env"], readFile: (path: string) => string, problems: string[]): Given => {
  const given: Record<string, { text: string; from: string }> = {}
  const known = new Map<string, string>([...KEYS.map((key) => [envOf(key), key] as const), ["KF_CONFIG", "config"]])
  for (const [name, text] of Object.entries(env)) {
    if (!name.startsWith("KF_") || text === undefined) continue
    const fromFile = name.endsWith("_FILE")
    const key = known.get(fromFile ? name.slice(0, -"_FILE".length) : name)
    if (key === undefined) {
      // `kf` shares the prefix, so only what looks like one of ours is a mistake.
      const close = suggest(name, [...known.keys()])
      if (close !== "") problems.push(`environment ${name} is no setting.${close}`)
      continue
    }
    if (!fromFile) {
      given[key] = { text, from: `environment ${name}` }
      continue
    }
    try {
      given[key] = { text: readFile(text).trim(), from: `environment ${name}` }
    } catch {
      problems.push(`environment ${name}: the file cannot be read.`)
    }
  }
  return given
}

const readTomlFile = (path: string, readFile: (path: string) => string, problems: string[]): Given => {
  const given: Record<string, { text: string; from: string }> = {}
  const walk = (table: object, prefix: string): void => {
    for (const [name, value] of Object.entries(table)) {
      const key = `${prefix}${name}`
      if (typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Date)) {
        walk(value as object, `${key}.`)
        continue
      }
      if (!KEYS.some((known) => known === key)) {
        problems.push(`file ${path}: ${key} is no setting.${suggest(key, KEYS)}`)
        continue
      }
      given[key] = { text: Array.isArray(value) ? value.join(",") : String(value), from: `file ${path}` }
    }
  }
  try {
    walk(parseToml(readFile(path)), "")
  } catch (error) {
    problems.push(`file ${path} cannot be read: ${error instanceof Error ? (error.message.split("\n")[0] ?? "") : "?"}`)
  }
  return given
}

const hasPassword = (text: string): boolean => (URL.parse(text)?.password ?? "") !== ""

const printable = (definition: { readonly secret?: boolean }, value: unknown): string => {
  if (value === undefined) return ""
  if (definition.secret === true) return "<set>"
  if (Array.isArray(value)) return value.join(",")
  if (typeof value === "object" && value !== null && "host" in value && "port" in value)
    return `${String(value.host)}:${String(value.port)}`
  return typeof value === "string" || typeof value === "number" ? String(value) : ""
}

const suggest = (name: string, known: readonly string[]): string => {
  const [best] = known.map((key) => ({ key, d: distance(name, key) })).toSorted((a, b) => a.d - b.d)
  return best !== undefined && best.d <= 2 ? ` Did you mean ${best.key}?` : ""
}

/** Edit distance (Levenshtein). */
const distance = (a: string, b: string): number => {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++)
      next[j] = Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1))
    row = next
  }
  return row[b.length] ?? 0
}
