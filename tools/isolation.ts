/**
 * `npm run isolation`: starts the strongroom exactly as the server does, in an empty folder, and prints each way out that it
 * tried on itself at start, with the denial. Closes with `N denied, M not denied`.
 * Source   spec/strongroom.md ST1, ST2
 */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import process from "node:process"
import { startStrongroom } from "../apps/server/src/strongroom/process.ts"
import { ROOT } from "./source.ts"

interface Entry {
  readonly what?: string
  readonly way?: string
  readonly denied?: boolean
  readonly answer?: string
  readonly message?: string
}

/** Starts and stops it, and gives its exit code with everything it logged. */
const observe = async (folder: string): Promise<{ readonly code: number; readonly entries: readonly Entry[] }> => {
  const entries: Entry[] = []
  const keep = (entry: Entry, message?: string): void => void entries.push({ ...entry, message: message ?? "" })
  const log = { debug: keep, info: keep, warn: keep, error: keep }
  const started = await startStrongroom({
    entry: join(ROOT, "apps", "strongroom", "src", "main.ts"),
    folder,
    programFolders: ["apps/strongroom", "packages", "node_modules", "package.json"].map((path) => join(ROOT, path)),
    args: ["--data-dir", folder],
    log: log as unknown as Parameters<typeof startStrongroom>[0]["log"],
  })
  return { code: started.ok ? await started.value.stop() : started.error.exitCode, entries }
}

const report = async (): Promise<number> => {
  const folder = mkdtempSync(join(tmpdir(), "kf-isolation-"))
  try {
    const { code, entries } = await observe(folder)
    const ways = entries.filter(({ what }) => what === "way-out")
    const width = Math.max(0, ...ways.map(({ way }) => way?.length ?? 0))
    for (const { way = "", denied, answer } of ways) {
      process.stdout.write(`${denied === true ? "denied    " : "NOT DENIED"}  ${way.padEnd(width)}  ${answer}\n`)
    }
    const open = ways.filter(({ denied }) => denied !== true).length
    if (code !== 0) {
      process.stdout.write(`The strongroom ended with exit code ${code}.\n`)
      for (const entry of entries) if (entry.what !== "way-out") process.stdout.write(`  ${entry.message}\n`)
    }
    if (ways.length === 0) process.stdout.write("It tried no way out: that is a failure.\n")
    process.stdout.write(`${ways.length - open} denied, ${open} not denied\n`)
    return code === 0 && open === 0 && ways.length > 0 ? 0 : 1
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

process.exitCode = await report()
