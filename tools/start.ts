/**
 * `npm start`: becomes the server of this checkout.
 * The server itself (apps/server/src/main.ts) starts the strongroom, prints everything and ends both; this file only
 * chooses the data folder and hands over. KEYFERRY_STARTED_AT_MS carries the moment the command began, so that
 * `ready in N s` counts what a person waited.
 */
import { spawn } from "node:child_process"
import { existsSync } from "node:fs"
import { constants } from "node:os"
import { join } from "node:path"
import process from "node:process"

const root = join(import.meta.dirname, "..")
const main = join(root, "apps", "server", "src", "main.ts")
const given = process.argv.slice(2)

if (!existsSync(main)) {
  process.stderr.write("apps/server/src/main.ts is missing from this checkout.\n")
  process.exit(1)
}

const folder = given.includes("--data-dir") ? [] : ["--data-dir", process.env["KF_DATA_DIR"] ?? join(root, ".keyferry")]
const args = ["--import", join(import.meta.dirname, "one-signal.ts"), main, "serve", ...folder, ...given]

if (process.execve !== undefined && process.platform !== "win32") {
  process.execve(process.execPath, [process.execPath, ...args], process.env)
}

const child = spawn(process.execPath, args, { stdio: "inherit" })
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => child.kill(signal))
child.once("close", (code, signal) => {
  process.exit(code ?? 128 + (signal === null ? 1 : constants.signals[signal]))
})
