import { spawn } from "node:child_process"
import { existsSync } from "node:fs"
import { constants } from "node:os"
import { join } from "node:path"
import process from "node:process"

const ROOT = join(import.meta.dirname, "..")

/** The data folder of this checkout, unless the caller has named another. */
export const DATA_FOLDER = process.env["KF_DATA_DIR"] ?? join(ROOT, ".keyferry")

/**
 * Turns this process into another program of the repository: same process id, same terminal, its exit code is ours.
 * Where the system cannot do that, the program runs as a child and gets our signals.
 */
export const become = (program: string, args: readonly string[], runtimeArgs: readonly string[] = []): void => {
  const main = join(ROOT, program)
  if (!existsSync(main)) {
    process.stderr.write(`${program} is missing from this checkout.\n`)
    process.exit(1)
  }
  const line = [...runtimeArgs, main, ...args]
  if (process.execve !== undefined && process.platform !== "win32") {
    process.execve(process.execPath, [process.execPath, ...line], process.env)
  }
  const child = spawn(process.execPath, line, { stdio: "inherit" })
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => child.kill(signal))
  child.once("close", (code, signal) => {
    process.exit(code ?? 128 + (signal === null ? 1 : constants.signals[signal]))
  })
}

export const withDataFolder = (args: readonly string[]): readonly string[] =>
  args.includes("--data-dir") ? args : [...args, "--data-dir", DATA_FOLDER]
