import { Command, CommanderError, Option } from "commander"

import { err } from "@keyferry/base"
import { failure } from "@keyferry/sdk/errors"

import type { Catalogue, CommandSpec, Ending, OptionValues } from "./command.ts"
import { commands, isCommandName } from "./commands/index.ts"
import type { Context } from "./context.ts"
import { exitOf, usage } from "./failures.ts"
import type { Io } from "./io.ts"
import { VERSION } from "./version.ts"

export interface ProgramPorts {
  readonly io: Io
  readonly context: (who: string, catalogue: Catalogue) => Context
}

const GLOBAL_HELP = `
Everywhere:
  --profile NAME     another account or server on this machine
  --json[=FIELDS]    one JSON document on stdout; errors as JSON on stderr
  --quiet, -q        no sentences beside the answer
  --no-input         never ask; a missing answer is exit 4 or 9
  --yes              yes to every question that has a safe default
  --timeout SECONDS  give up after this time, exit 124
  --no-agent         work in this process; the vault is locked again when it ends
  --secrets-stdin    secrets as name=value lines on stdin (--secrets-fd N: from a descriptor)
  --password-stdin   the password alone on stdin (--password-fd N: from a descriptor)

Exit codes and names of secrets: kf help codes, kf help secrets`

/** Runs one command line whose global flags were taken out, and gives the exit code. */
export const runProgram = async (argv: readonly string[], ports: ProgramPorts): Promise<number> => {
  const { io } = ports
  const name = argv.find((argument) => !argument.startsWith("-"))
  let exit = 0
  const finish = (ending: Ending): void => {
    if (ending.ok) exit = ending.value === "done" ? 0 : ending.value
    else {
      io.fail(ending.error)
      exit = exitOf(ending.error)
    }
  }
  const program = new Command("kf")
  program
    .description("Keyferry carries your credentials between your devices; the server holds only ciphertext.")
    .usage("<command> [arguments] [flags]")
    .version(`kf ${VERSION}`, "-V, --version", "print the version")
    .helpOption("-h, --help", "print help for a command")
    .helpCommand(false)
    .exitOverride()
    .configureOutput({
      writeOut: io.write,
      // Said once, by us, in our own form.
      writeErr: () => undefined,
      getOutHelpWidth: () => io.terminal.columns,
      getOutHasColors: () => io.color,
    })
    .showHelpAfterError(false)
    .showSuggestionAfterError(true)
    .addHelpText("after", GLOBAL_HELP)
  if (name !== undefined && !isCommandName(name)) {
    finish(err(usage(`There is no ${isWord(name) ? `command “${name}”` : "such command"}.${suggestion(name)}`)))
    return exit
  }
  const wanted = name === undefined ? Object.keys(commands) : [name]
  for (const each of wanted) {
    if (isCommandName(each)) addCommand(program, await commands[each](), `kf ${each}`, ports, finish)
  }
  if (name === undefined && argv.length === 0) {
    io.write(program.helpInformation() + GLOBAL_HELP + "\n")
    return 0
  }
  try {
    await program.parseAsync([...argv], { from: "user" })
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    if (error.exitCode === 0 || error.code === "commander.helpDisplayed") return 0
    if (error.code === "commander.help") return exitOf(failure("usage-wrong"))
    finish(err(usage(sentence(error))))
  }
  return exit
}

const addCommand = (
  parent: Command,
  spec: CommandSpec,
  path: string,
  ports: ProgramPorts,
  finish: (ending: Ending) => void,
): void => {
  const command = parent.command(`${spec.name}${spec.args === undefined ? "" : ` ${spec.args}`}`, {
    hidden: spec.hidden === true,
  })
  command.summary(spec.summary).description(spec.summary).allowExcessArguments(false)
  for (const option of spec.options ?? []) {
    const made = new Option(option.flags, option.text)
    if (option.repeat === true)
      made.argParser((value: string, before: readonly string[] | undefined) => [...(before ?? []), value])
    command.addOption(option.choices === undefined ? made : made.choices([...option.choices]))
  }
  if (spec.more !== undefined) command.addHelpText("after", `\n${spec.more.join("\n")}`)
  for (const sub of spec.subcommands ?? []) addCommand(command, sub, `${path} ${sub.name}`, ports, finish)
  const { run } = spec
  if (run === undefined) {
    const names = (spec.subcommands ?? []).filter((sub) => sub.hidden !== true).map((sub) => sub.name)
    command.action(() => finish(err(usage(`${path} needs one of: ${names.join(", ")}.`))))
    command.allowExcessArguments(true)
    return
  }
  command.action(async (...given: unknown[]) => {
    // commander gives each argument, then the options, then itself.
    const options = given.at(-2) as OptionValues
    const args = given.slice(0, -2).flatMap((argument) => (Array.isArray(argument) ? argument : [argument]))
    finish(
      await run(
        ports.context(path, catalogueFor(ports)),
        args.filter((argument) => typeof argument === "string"),
        options,
      ),
    )
  })
}

const catalogueFor = (ports: ProgramPorts): Catalogue => ({
  names: Object.keys(commands).filter((name) => !name.startsWith("_")),
  load: async (name) => (isCommandName(name) ? commands[name]() : undefined),
  help: (name) => runProgram(name === undefined ? ["--help"] : [name, "--help"], ports),
})

/**
 * The framework's complaint without the words that were typed: one of them may be a secret in the wrong place.
 * Names of flags and arguments are ours and stay.
 */
const sentence = (error: CommanderError): string => {
  const plain = error.message
    .replace(/^error: /, "")
    .replaceAll("\n", " ")
    .trim()
  if (error.code === "commander.excessArguments") return `${capital(plain.replace(/( but got \d+).*$/, "$1"))}.`
  if (error.code === "commander.invalidArgument")
    return capital(plain.replace(/ argument '.*' is invalid/, " was given something else"))
  const safe = plain.replace(/^unknown option '(.*)'/, (whole, word: string) =>
    /^--?[a-z][a-z-]{0,30}$/.test(word) ? whole : "unknown option",
  )
  return `${capital(safe)}${/[.?)]$/.test(safe) ? "" : "."}`
}

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1)

/** What a mistyped command looks like; anything longer or stranger is not repeated. */
const isWord = (text: string): boolean => /^[a-z][a-z0-9-]{0,11}$/.test(text)

const suggestion = (typed: string): string => {
  const near = Object.keys(commands).filter((name) => !name.startsWith("_") && distance(name, typed) <= 2)
  return near.length === 0 ? "" : ` Did you mean ${near.join(" or ")}?`
}

/** How many letters differ, counting a swap of neighbours as one (restricted Damerau-Levenshtein). */
const distance = (a: string, b: string): number => {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, j) => j)]
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1]
      const above = rows[i - 1] ?? []
      let best = Math.min((above[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (above[j - 1] ?? 0) + (same ? 0 : 1))
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        best = Math.min(best, (rows[i - 2]?.[j - 2] ?? 0) + 1)
      row.push(best)
    }
    rows.push(row)
  }
  return rows[a.length]?.[b.length] ?? Number.MAX_SAFE_INTEGER
}
