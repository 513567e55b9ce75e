import { homedir } from "node:os"
import { join } from "node:path"

/**
 * What applies to every command. Precedence: flag, then environment `KF_…`, then default.
 * No import of this file may be slow: the fast path reads it first.
 */
export interface Settings {
  readonly profile: string
  /** Where the profile's store, its agent file and its log lie. */
  readonly folder: string
  readonly server: string | undefined
  readonly vault: string | undefined
  readonly json: boolean
  readonly jsonFields: readonly string[]
  readonly quiet: boolean
  readonly noInput: boolean
  readonly yes: boolean
  readonly noAgent: boolean
  readonly timeoutMs: number | undefined
  /** Where secrets come from instead of a prompt. */
  readonly secrets: SecretSource | undefined
}

export interface SecretSource {
  /** `lines`: name=value lines. `password`: the whole input is the password. */
  readonly form: "lines" | "password"
  readonly fd: number
}

export type Environment = Readonly<Record<string, string | undefined>>

export type Globals =
  | { readonly ok: true; readonly settings: Settings; readonly rest: readonly string[] }
  | { readonly ok: false; readonly problem: string }

export const VALUE_FLAGS: readonly string[] = [
  "--profile",
  "--server",
  "--vault",
  "--timeout",
  "--secrets-fd",
  "--password-fd",
]
const PLAIN_FLAGS = [
  "--json",
  "--quiet",
  "-q",
  "--no-input",
  "--yes",
  "--no-agent",
  "--secrets-stdin",
  "--password-stdin",
]

/** Takes the global flags out of the arguments, wherever they stand before `--`. */
export const takeGlobals = (argv: readonly string[], env: Environment): Globals => {
  const rest: string[] = []
  const values = new Map<string, string>()
  const plain = new Set<string>()
  let jsonFields: readonly string[] = []
  for (let i = 0; i < argv.length; i++) {
    const argument = argv[i] ?? ""
    if (argument === "--") {
      rest.push(...argv.slice(i))
      break
    }
    const equals = argument.indexOf("=")
    const flag = argument.startsWith("--") && equals > 0 ? argument.slice(0, equals) : argument
    if (VALUE_FLAGS.includes(flag)) {
      const value = equals > 0 && flag !== argument ? argument.slice(equals + 1) : argv[++i]
      if (value === undefined || value === "") return { ok: false, problem: `${flag} needs a value.` }
      values.set(flag, value)
    } else if (flag === "--json" && flag !== argument) {
      plain.add("--json")
      jsonFields = argument
        .slice(equals + 1)
        .split(",")
        .filter(Boolean)
    } else if (PLAIN_FLAGS.includes(argument)) {
      plain.add(argument === "-q" ? "--quiet" : argument)
    } else {
      rest.push(argument)
    }
  }
  const profile = values.get("--profile") ?? env["KF_PROFILE"] ?? "default"
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(profile)) {
    return { ok: false, problem: "A profile's name has letters, digits, dots, dashes and underscores only." }
  }
  const timeout = values.get("--timeout") ?? env["KF_TIMEOUT"]
  if (timeout !== undefined && !/^[1-9]\d{0,5}$/.test(timeout)) {
    return { ok: false, problem: "--timeout takes a number of seconds." }
  }
  const secrets = secretSource(values, plain)
  if (typeof secrets === "string") return { ok: false, problem: secrets }
  return {
    ok: true,
    rest,
    settings: {
      profile,
      folder: profileFolder(profile, env),
      server: values.get("--server") ?? env["KF_SERVER"],
      vault: values.get("--vault") ?? env["KF_VAULT"],
      json: plain.has("--json"),
      jsonFields,
      quiet: plain.has("--quiet"),
      noInput: plain.has("--no-input") || isOn(env["KF_NO_INPUT"]),
      yes: plain.has("--yes"),
      noAgent: plain.has("--no-agent") || isOn(env["KF_NO_AGENT"]),
      timeoutMs: timeout === undefined ? undefined : Number(timeout) * 1000,
      secrets,
    },
  }
}

/** `${XDG_DATA_HOME:-~/.local/share}/keyferry/<profile>` */
export const profileFolder = (profile: string, env: Environment): string => {
  const dataHome = env["XDG_DATA_HOME"]
  // The XDG rule: a path that is not absolute counts as not set.
  const base = dataHome?.startsWith("/") === true ? dataHome : join(env["HOME"] ?? homedir(), ".local", "share")
  return join(base, "keyferry", profile)
}

const isOn = (value: string | undefined): boolean => value !== undefined && value !== "" && value !== "0"

const secretSource = (
  values: ReadonlyMap<string, string>,
  plain: ReadonlySet<string>,
): SecretSource | undefined | string => {
  const found: SecretSource[] = []
  for (const [flag, form] of [
    ["--secrets-fd", "lines"],
    ["--password-fd", "password"],
  ] as const) {
    const value = values.get(flag)
    if (value === undefined) continue
    if (!/^\d{1,4}$/.test(value)) return `${flag} takes the number of an open file descriptor.`
    found.push({ form, fd: Number(value) })
  }
  if (plain.has("--secrets-stdin")) found.push({ form: "lines", fd: 0 })
  if (plain.has("--password-stdin")) found.push({ form: "password", fd: 0 })
  return found.length > 1
    ? "Only one of --secrets-stdin, --secrets-fd, --password-stdin and --password-fd can be used."
    : found[0]
}
