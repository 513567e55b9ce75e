/**
 * `npm run pack:kf`: makes dist/kf.mjs, the whole command in one file for any machine with Node 24 or newer.
 * The file is then started from an empty folder, so that nothing of this checkout can help it.
 */
import { spawnSync } from "node:child_process"
import { chmodSync, copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import process from "node:process"
import { build, type Plugin } from "esbuild"
import { ROOT } from "./source.ts"

const OLDEST_NODE = 24
const entry = join(ROOT, "apps", "cli", "src", "main.ts")
const target = join(ROOT, "dist", "kf.mjs")

/** Runs before everything else in the file. */
const BANNER = `#!/usr/bin/env node
import { createRequire as kfCreateRequire } from "node:module";
const require = kfCreateRequire(import.meta.url);
if (Number.parseInt(process.versions.node, 10) < ${OLDEST_NODE}) {
  process.stderr.write("kf needs Node ${OLDEST_NODE} or newer; this is Node " + process.versions.node + ".\\n");
  process.exit(12);
}`

/**
 * Imports of Node's own modules become calls. As imports they are looked up before the first line of the file runs, and an
 * old Node would answer with a stack trace about a missing name where it should say which version is needed.
 */
const lateBuiltins: Plugin = {
  name: "late-builtins",
  setup: (bundle) => {
    bundle.onResolve({ filter: /^node:/ }, ({ path }) => ({ path, namespace: "late" }))
    bundle.onLoad({ filter: /.*/, namespace: "late" }, ({ path }) => ({
      contents: `module.exports = process.getBuiltinModule(${JSON.stringify(path)})`,
      loader: "js",
    }))
  },
}

const fail = (sentence: string): never => {
  process.stderr.write(`pack:kf: ${sentence}\n`)
  process.exit(1)
}

if (!existsSync(entry)) fail("apps/cli/src/main.ts is missing")

const { version } = JSON.parse(readFileSync(join(ROOT, "apps", "cli", "package.json"), "utf8")) as { version: string }
await build({
  entryPoints: [entry],
  outfile: target,
  bundle: true,
  format: "esm",
  platform: "node",
  // Old enough that an older Node parses the file and reaches the sentence above.
  target: "node20",
  // A native addon cannot be packed; where it is not installed, kf keeps device keys in a file.
  external: ["@napi-rs/keyring"],
  define: { "import.meta.main": "true" },
  banner: { js: BANNER },
  plugins: [lateBuiltins],
  sourcemap: false,
  legalComments: "eof",
  logLevel: "error",
}).catch(() => fail("esbuild could not bundle it; its reasons are above"))
chmodSync(target, 0o755)

const empty = mkdtempSync(join(tmpdir(), "pack-kf-"))
try {
  const copy = join(empty, "kf.mjs")
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
process.stdout.write(`dist/kf.mjs: kf ${version}, ${kilobytes} kB, needs Node ${OLDEST_NODE} or newer\n`)
