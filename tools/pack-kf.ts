/**
 * `npm run pack:kf`: makes dist/kf.cjs, the whole command in one file for any machine with Node 24 or newer.
 * The file is then started from an empty folder, so that nothing of this checkout can help it.
 */
import { spawnSync } from "node:child_process"
import { copyFileSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import process from "node:process"

import { build } from "esbuild"

import { OLDEST_NODE, packKf } from "../apps/cli/pack/pack.ts"
import { ROOT } from "./source.ts"

const target = join(ROOT, "dist", "kf.cjs")

const fail = (sentence: string): never => {
  process.stderr.write(`pack:kf: ${sentence}\n`)
  process.exit(1)
}

const { version } = JSON.parse(readFileSync(join(ROOT, "apps", "cli", "package.json"), "utf8")) as { version: string }
await packKf(build, target).catch((error: unknown) =>
  fail(error instanceof Error ? error.message : "esbuild could not bundle it"),
)

const empty = mkdtempSync(join(tmpdir(), "pack-kf-"))
try {
  const copy = join(empty, "kf.cjs")
  copyFileSync(target, copy)
  const { status, stdout, stderr } = spawnSync(process.execPath, [copy, "--version"], {
    cwd: empty,
    env: { HOME: empty, PATH: "" },
    encoding: "utf8",
    timeout: 20_000,
  })
  if (status !== 0 || !stdout.includes(version)) {
    fail(`the packed file does not answer --version with ${version} but with exit ${status}: ${stdout}${stderr}`)
  }
} finally {
  rmSync(empty, { recursive: true, force: true })
}
const kilobytes = Math.round(statSync(target).size / 1024)
process.stdout.write(`dist/kf.cjs: kf ${version}, ${kilobytes} kB, needs Node ${OLDEST_NODE} or newer\n`)
