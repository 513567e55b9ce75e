/**
 * Puts the command into one file: `#!`, the fast path as a CommonJS script (which Node starts sooner than a module), and
 * everything else compressed in a comment behind it, so that a command which the agent answers reads past it.
 */
import { chmodSync, mkdirSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { brotliCompressSync, constants } from "node:zlib"

import { packedHelp } from "./help.ts"

/** What is used of esbuild's `build`; the caller brings it, because it is no part of the command. */
export type Build = (options: {
  readonly entryPoints: string[]
  readonly outfile: string
  readonly bundle: true
  readonly write: false
  readonly format: "cjs" | "iife"
  readonly platform: "node"
  readonly target: string
  readonly minify: true
  readonly external: string[]
  readonly sourcemap: false
  readonly logLevel: "error"
  readonly legalComments: "external"
  readonly globalName?: string
  readonly define?: Record<string, string>
}) => Promise<{ readonly outputFiles: { readonly path: string; readonly text: string }[] }>
type Options = Parameters<Build>[0]

export const OLDEST_NODE = 24
const SOURCES = join(import.meta.dirname, "..", "src")

const COMMON: Omit<Options, "entryPoints" | "target"> = {
  bundle: true,
  write: false,
  format: "cjs",
  platform: "node",
  minify: true,
  // A native addon cannot be packed; where it is not installed, kf keeps device keys in a file.
  external: ["@napi-rs/keyring"],
  sourcemap: false,
  logLevel: "error",
  legalComments: "external",
  outfile: "kf.js",
}

const BANNER = `#!/usr/bin/env node
if (Number.parseInt(process.versions.node, 10) < ${OLDEST_NODE}) {
  process.stderr.write("kf needs Node ${OLDEST_NODE} or newer; this is Node " + process.versions.node + ".\\n");
  process.exit(12);
}
`
const MARK = ["/*kf-", "rest:"] as const

/** Writes the file and makes it executable. Rejects with esbuild's own reasons. */
export const packKf = async (build: Build, target: string): Promise<void> => {
  const rest = await bundle(build, {
    ...COMMON,
    entryPoints: [join(SOURCES, "rest.ts")],
    target: `node${OLDEST_NODE}`,
  })
  const head = await bundle(build, {
    ...COMMON,
    entryPoints: [join(SOURCES, "packed", "head.ts")],
    globalName: "kf",
    format: "iife",
    // Old enough that an older Node parses the file and reaches the sentence above.
    target: "node18",
    define: { KF_REST_MARK: JSON.stringify(MARK), KF_HELP: JSON.stringify(await packedHelp()) },
  })
  const packed = brotliCompressSync(rest.code, { params: { [constants.BROTLI_PARAM_SIZE_HINT]: rest.code.length } })
  // Notices of the libraries inside stay readable.
  const notices = `/*\n${rest.notices.replaceAll("*/", "* /")}*/\n`
  mkdirSync(dirname(target), { recursive: true })
  writeFileSync(
    target,
    `${BANNER}${head.code}kf.start(__filename);\n${notices}${MARK.join("")}${packed.toString("base64")}*/\n`,
  )
  chmodSync(target, 0o755)
}

const bundle = async (build: Build, options: Options): Promise<{ readonly code: string; readonly notices: string }> => {
  const { outputFiles } = await build(options)
  const code = outputFiles.find(({ path }) => path.endsWith(".js"))
  if (code === undefined) throw new Error("esbuild gave no file")
  return { code: code.text, notices: outputFiles.find(({ path }) => path.endsWith(".LEGAL.txt"))?.text ?? "" }
}
