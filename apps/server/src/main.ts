import { readFileSync } from "node:fs"
import { homedir } from "node:os"
import { basename, dirname, join, resolve } from "node:path"
import process from "node:process"

import { pino } from "pino"

import { type Config, describeSettings, readConfig } from "./config/config.ts"
import { readWebBundle } from "./http/web-bundle.ts"
import { parseOperatorCommand, runOperatorCommand } from "./operator/commands.ts"
import { confirmLoss } from "./operator/confirm-loss.ts"
import { type RunningServer, startServer, systemRandom } from "./start.ts"

/*
 * keyferry serve | invite | user ls | user reset-2fa ADDRESS | user freeze ADDRESS | device confirm CODE | loss ls |
 * loss accept ACCOUNT | kek rotate | config show | config docs
 * Reads words and settings, wires, and prints; everything else is in its module.
 */
const ROOT = join(import.meta.dirname, "..", "..", "..")
const startedAtMs = Number(process.env["KEYFERRY_STARTED_AT_MS"] ?? "") || Date.now() - process.uptime() * 1000

const HELP = `keyferry serve                      run the server and its strongroom
keyferry invite                     print a one-time sign-up link
keyferry user ls                    list accounts
keyferry user reset-2fa ADDRESS     open one sign-in without the second factor
keyferry user freeze ADDRESS        freeze an account; only its owner thaws it
keyferry device confirm CODE        confirm the device that shows this code
keyferry loss ls                    what a restored server has lost, and waits for devices to bring back
keyferry loss accept ACCOUNT        give it up: the account is served as it is (asks; --yes where nobody is there)
keyferry kek rotate                 replace the key of the outer layer, and destroy the old one
keyferry config show                every setting and where it comes from
keyferry config docs                the annotated configuration file
keyferry healthcheck                exit 0 when the server on this data folder is ready

Options: --config FILE, --data-dir FOLDER, --listen HOST:PORT, --json, and every setting as --group-name VALUE.
`

const version = (): string => {
  const parsed: unknown = JSON.parse(readFileSync(join(import.meta.dirname, "..", "package.json"), "utf8"))
  return typeof parsed === "object" && parsed !== null && "version" in parsed ? String(parsed.version) : "0"
}

const main = async (): Promise<number> => {
  const config = readConfig({ args: process.argv.slice(2), env: process.env })
  if (!config.ok) {
    for (const problem of config.error) process.stderr.write(`${problem}\n`)
    process.stderr.write("See keyferry --help\n")
    return 2
  }
  const words = config.value.words.filter((word) => !["--json", "--help", "--yes"].includes(word))
  const json = config.value.words.includes("--json")
  if (config.value.words.includes("--help") || words[0] === "help") {
    process.stdout.write(HELP)
    return 0
  }
  const folder = resolve(
    config.value.values.data_dir === ""
      ? join(process.env["XDG_DATA_HOME"] ?? join(homedir(), ".local", "share"), "keyferry-server")
      : config.value.values.data_dir,
  )
  if (words.length === 1 && words[0] === "serve") return serve(config.value, folder)
  if (words[0] === "config" && words[1] === "show" && words.length === 2) return showConfig(config.value, json)
  if (words[0] === "config" && words[1] === "docs" && words.length === 2) {
    process.stdout.write(describeSettings())
    return 0
  }
  if (words.length === 1 && words[0] === "version") {
    process.stdout.write(`${version()}\n`)
    return 0
  }
  if (words.length === 1 && words[0] === "healthcheck") return checkHealth(config.value)
  const request = parseOperatorCommand(words)
  if (request === undefined) {
    process.stderr.write(`${words.length === 0 ? "What should it do?" : `Not understood: ${words.join(" ")}`}\n${HELP}`)
    return 2
  }
  if (request.command === "loss-accept" && !config.value.words.includes("--yes")) {
    const refused = await confirmLoss(folder, request.account)
    if (refused !== undefined) return refused
  }
  const done = await runOperatorCommand(folder, request, json)
  process.stdout.write(done.out)
  process.stderr.write(done.error)
  return done.exitCode
}

const showConfig = ({ origins }: Config, json: boolean): number => {
  if (json) process.stdout.write(`${JSON.stringify(origins, undefined, 2)}\n`)
  else
    for (const { key, value, from } of origins)
      process.stdout.write(`${key.padEnd(18)}  ${value.padEnd(24)}  ${from}\n`)
  return 0
}

const checkHealth = async ({ values }: Config): Promise<number> => {
  const host = ["0.0.0.0", "::"].includes(values.listen.host) ? "localhost" : values.listen.host
  const answer = await fetch(`http://${host}:${values.listen.port}/readyz`, {
    signal: AbortSignal.timeout(5_000),
  }).catch(() => undefined)
  process.stdout.write(answer?.ok === true ? "ready\n" : "not ready\n")
  return answer?.ok === true ? 0 : 1
}

const serve = async ({ values, origins }: Config, folder: string): Promise<number> => {
  const levelIsDefault = origins.find((o) => o.key === "log.level")?.from === "default"
  // A person at a terminal wants to see the lines below, not one per request.
  const level = levelIsDefault && process.stderr.isTTY ? "warn" : values["log.level"]
  const log = pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      redact: { paths: ["*.token", "*.password", "*.address", "*.authorization"], remove: true },
    },
    pino.destination({ fd: 2, sync: true }),
  )
  const web = readWebBundle(join(ROOT, "apps", "web", "dist"))
  if (!web.ok) {
    process.stderr.write(`${web.error}\n`)
    return 1
  }
  const started = await startServer({
    settings: values,
    folder,
    version: version(),
    clock: { nowMs: () => Date.now() },
    random: systemRandom,
    log,
    web: web.value,
    strongroom: strongroomProgram(),
  })
  if (!started.ok) {
    process.stderr.write(`${started.error.detail}\n`)
    return started.error.exitCode
  }
  // Listening before it says that it is ready: whoever waited for that word may ask it to stop at once.
  const asked = untilAskedToStop()
  announce(started.value, folder)
  await asked
  const strongroomCode = await started.value.stop()
  process.stdout.write(`stopped: server 0, strongroom ${strongroomCode}\n`)
  return strongroomCode === 0 ? 0 : 1
}

/** As this program is: a source beside a source, and a bundle, which needs to read nothing but itself, beside a bundle. */
const strongroomProgram = (): { readonly entry: string; readonly programFolders: readonly string[] } => {
  const own = import.meta.filename
  const folder = join(ROOT, "apps", "strongroom")
  const entry = join(folder, basename(dirname(own)), basename(own))
  return own.endsWith(".ts")
    ? { entry, programFolders: [folder, ...["packages", "node_modules", "package.json"].map((n) => join(ROOT, n))] }
    : { entry, programFolders: [dirname(entry)] }
}

const announce = (server: RunningServer, folder: string): void => {
  const lines = [
    `Keyferry ${server.origin}`,
    ...(server.firstLink === undefined
      ? []
      : [`First account: ${server.firstLink}`, "  (works once, for one hour; becomes operator)  kf signup LINK"]),
    ...(server.mailbox === undefined ? [] : [`Mailbox: ${server.mailbox}`]),
    `Data: ${folder}`,
    ...(server.isNew ? [] : [`data kept: ${server.accounts} account${server.accounts === 1 ? "" : "s"}`]),
    `ready in ${((Date.now() - startedAtMs) / 1000).toFixed(1)} s`,
  ]
  process.stdout.write(`${lines.join("\n")}\n`)
}

const untilAskedToStop = (): Promise<void> =>
  new Promise((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
      process.on(signal, () => {
        // Asked twice: stop waiting. The strongroom ends with its channel.
        process.once(signal, () => process.exit(130))
        resolve()
      })
  })

process.exitCode = await main()
// Whatever still holds the process open is not needed any more.
process.exit()
