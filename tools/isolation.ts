/**
 * `npm run isolation`: starts the strongroom exactly as the server does, in an empty folder, and prints each way out that it
 * tried on itself at start, with the denial. Closes with `N denied, M not denied`.
 * Source   spec/strongroom.md ST1, ST2
 */
import { spawn } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import process from "node:process"
import { startStrongroom } from "../apps/server/src/strongroom/process.ts"
import { ROOT } from "./source.ts"

interface WayOut {
  readonly what: "way-out"
  readonly way: string
  readonly denied: boolean
  readonly answer: string
}

/** The strongroom writes its log to our standard error, so a process of its own stands between. */
const startAndStop = async (folder: string): Promise<number> => {
  const silent = { error: () => undefined, warn: () => undefined, info: () => undefined, debug: () => undefined }
  const started = await startStrongroom({
    entry: join(ROOT, "apps", "strongroom", "src", "main.ts"),
    folder,
    programFolders: ["apps/strongroom", "packages", "node_modules", "package.json"].map((path) => join(ROOT, path)),
    args: ["--data-dir", folder],
    log: silent as unknown as Parameters<typeof startStrongroom>[0]["log"],
  })
  return started.ok ? started.value.stop() : started.error.exitCode
}

const observe = async (folder: string): Promise<{ readonly code: number; readonly lines: readonly string[] }> => {
  const child = spawn(process.execPath, [import.meta.filename, "--start-in", folder], {
    stdio: ["ignore", "ignore", "pipe"],
  })
  let text = ""
  child.stderr.setEncoding("utf8").on("data", (part: string) => (text += part))
  const code = await new Promise<number>((resolve) => child.once("close", (exit) => resolve(exit ?? 1)))
  return { code, lines: text.split("\n").filter((line) => line !== "") }
}

const parseWayOut = (line: string): WayOut | undefined => {
  try {
    const entry = JSON.parse(line) as Partial<WayOut>
    return entry.what === "way-out" ? (entry as WayOut) : undefined
  } catch {
    // Not a line of its log.
    return undefined
  }
}

const report = async (): Promise<number> => {
  const folder = mkdtempSync(join(tmpdir(), "kf-isolation-"))
  try {
    const { code, lines } = await observe(folder)
    const ways = lines.map(parseWayOut).filter((way) => way !== undefined)
    const width = Math.max(0, ...ways.map(({ way }) => way.length))
    for (const { way, denied, answer } of ways) {
      process.stdout.write(`${denied ? "denied    " : "NOT DENIED"}  ${way.padEnd(width)}  ${answer}\n`)
    }
    const open = ways.filter(({ denied }) => !denied).length
    if (code !== 0) process.stdout.write(`The strongroom ended with exit code ${code}:\n${lines.join("\n")}\n`)
    if (ways.length === 0) process.stdout.write("It tried no way out: that is a failure.\n")
    process.stdout.write(`${ways.length - open} denied, ${open} not denied\n`)
    return code === 0 && open === 0 && ways.length > 0 ? 0 : 1
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const at = process.argv.indexOf("--start-in")
process.exitCode = at < 0 ? await report() : await startAndStop(process.argv[at + 1] ?? "")
