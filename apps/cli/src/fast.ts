import process from "node:process"
import { isatty } from "node:tty"

import { openChannel } from "./agent/channel.ts"
import { isPrivate, readAgentFile } from "./places.ts"
import { takeGlobals, VALUE_FLAGS } from "./settings.ts"
import { VERSION } from "./version.ts"

/** Commands that only read: a warm agent runs them whole, and this process loads neither the SDK nor the framework. */
export const FAST_COMMANDS: ReadonlySet<string> = new Set(["read", "get", "status", "ls", "history", "__complete"])

/** With these the command needs this process: its files, its secrets, its terminal. */
const OWN_PROCESS = [
  "--no-agent",
  "--secrets-stdin",
  "--secrets-fd",
  "--password-stdin",
  "--password-fd",
  "-o",
  "--output",
  "-h",
  "--help",
]

/**
 * Runs the command in the agent.
 * Returns  its exit code, or `undefined` when the command must run in this process
 */
export const runFast = async (argv: readonly string[]): Promise<number | undefined> => {
  if (argv.length === 1 && (argv[0] === "--version" || argv[0] === "-V" || argv[0] === "version")) {
    process.stdout.write(`kf ${VERSION}\n`)
    return 0
  }
  const name = commandOf(argv)
  if (name === undefined || !FAST_COMMANDS.has(name) || process.env["KF_NO_AGENT"]) return undefined
  const end = argv.indexOf("--")
  if (
    argv
      .slice(0, end === -1 ? undefined : end)
      .some((argument) => OWN_PROCESS.some((flag) => argument === flag || argument.startsWith(`${flag}=`)))
  )
    return undefined
  const globals = takeGlobals(argv, process.env)
  if (!globals.ok) return undefined
  const { folder } = globals.settings
  const file = readAgentFile(folder)
  if (file === undefined || file.version !== VERSION) return undefined
  if (!isPrivate(file.socket.slice(0, file.socket.lastIndexOf("/")))) return undefined
  const channel = await openChannel(file.socket, `kf ${name}`, folder)
  if (channel === undefined) return undefined
  if (channel.agentVersion !== VERSION || channel.agentFolder !== folder) {
    channel.close()
    return undefined
  }
  try {
    const answer = await channel.run({ run: argv, env: visibleEnvironment(), terminal: terminalShape() })
    if (answer.again) return undefined
    if (answer.stderr !== "") process.stderr.write(answer.stderr)
    if (answer.stdout !== "") process.stdout.write(answer.stdout)
    return answer.exit
  } catch {
    // The agent ended in the middle; nothing was changed, so this process starts another and repeats.
    return undefined
  } finally {
    channel.close()
  }
}

/** The first word that is neither a flag nor the value of a global flag. */
export const commandOf = (argv: readonly string[]): string | undefined => {
  for (let i = 0; i < argv.length; i++) {
    const argument = argv[i] ?? ""
    if (VALUE_FLAGS.includes(argument)) i++
    else if (!argument.startsWith("-")) return argument
  }
  return undefined
}

export const terminalShape = (): { stdin: boolean; stdout: boolean; stderr: boolean; columns: number } => ({
  stdin: isatty(0),
  stdout: isatty(1),
  stderr: isatty(2),
  columns: process.stdout.columns ?? process.stderr.columns ?? 80,
})

const SHOWN = ["NO_COLOR", "FORCE_COLOR", "TERM", "CI", "HOME", "XDG_DATA_HOME", "TZ", "LANG"]

const visibleEnvironment = (): Record<string, string> => {
  const env: Record<string, string> = {}
  for (const [name, value] of Object.entries(process.env)) {
    if (value !== undefined && (name.startsWith("KF_") || SHOWN.includes(name))) env[name] = value
  }
  return env
}
