import { createHash } from "node:crypto"
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { dirname, join, relative, sep } from "node:path"

import type { Plugin } from "esbuild"

/*
 * The server and the strongroom as few files each, for starting: `apps/<app>/dist`, made from the same sources that tests run.
 * Reading a thousand modules and taking the types out of them costs each process more than everything else that it does
 * before its first answer.
 */
const ROOT = join(import.meta.dirname, "..")
const APPS = ["server", "strongroom"] as const
export type BundledApp = (typeof APPS)[number]

/**
 * How Node runs the server, as the server runs the strongroom: room for young objects of three times 8 MiB at most. By
 * itself it takes 52 MiB under load and never gives it back; pushes are as fast with less (M3, S2).
 */
export const RUNTIME_ARGS = ["--max-semi-space-size=8"] as const

/** The file that Node is given; relative to the checkout. */
export const programOf = (app: BundledApp): string => `apps/${app}/dist/main.mjs`
const folderOf = (app: BundledApp): string => join(ROOT, "apps", app, "dist")
/** What it was made from. Written last: a bundle without it counts as missing. */
const stampOf = (app: BundledApp): string => join(folderOf(app), ".made-from")

const digestOfSources = (): string => {
  const folders = [
    ...readdirSync(join(ROOT, "packages")).map((name) => `packages/${name}`),
    ...APPS.map((a) => `apps/${a}`),
  ]
  const hash = createHash("sha256")
  const add = (path: string): void =>
    void hash.update(`${path}\0${readFileSync(join(ROOT, path)).toString("base64")}\n`)
  for (const folder of folders.toSorted()) {
    const found = readdirSync(join(ROOT, folder, "src"), { recursive: true, encoding: "utf8" })
    const sources = found.filter((name) => name.endsWith(".ts") && !name.endsWith(".test.ts"))
    for (const name of sources.toSorted()) add(`${folder}/src/${name.split(sep).join("/")}`)
    add(`${folder}/package.json`)
  }
  add("package-lock.json")
  add("tools/program-bundle.ts")
  return hash.digest("hex")
}

export const areProgramsCurrent = (digest: string = digestOfSources()): boolean =>
  APPS.every((app) => existsSync(stampOf(app)) && readFileSync(stampOf(app), "utf8") === digest)

/** A source finds what lies beside it (pages, package.json) from where the bundle lies. */
const places = (app: BundledApp): Plugin => ({
  name: "places",
  setup: (build) => {
    build.onLoad({ filter: /[/\\](?:apps|packages)[/\\][^/\\]+[/\\]src[/\\].*\.ts$/ }, ({ path }) => {
      const text = readFileSync(path, "utf8")
      if (!text.includes("import.meta.")) return undefined
      const from = (target: string): string => relative(folderOf(app), target).split(sep).join("/")
      const contents = text
        // Not import.meta.filename: what a program is started as is where it lies.
        .replaceAll("import.meta.dirname", `(import.meta.dirname + ${JSON.stringify(`/${from(dirname(path))}`)})`)
        .replaceAll("import.meta.url", `new URL(${JSON.stringify(from(path))}, import.meta.url)`)
      return { contents, loader: "ts" }
    })
  },
})

/** Errors: rejects with the bundler's own reasons. */
export const buildPrograms = async (): Promise<void> => {
  const digest = digestOfSources()
  // Loaded here: a start that finds current programs does not pay for the bundler.
  const { build } = await import("esbuild")
  for (const app of APPS) {
    rmSync(folderOf(app), { recursive: true, force: true })
    await build({
      entryPoints: { main: join(ROOT, "apps", app, "src", "main.ts") },
      outdir: folderOf(app),
      outExtension: { ".js": ".mjs" },
      bundle: true,
      // What is loaded only where it is used stays a file of its own.
      splitting: true,
      format: "esm",
      platform: "node",
      target: "node26",
      // The OPAQUE library's older form hides its names from a module that loads it later.
      mainFields: ["module", "main"],
      // Line breaks stay: a defect's place is written into the log.
      minifySyntax: true,
      legalComments: "none",
      // Libraries in the older module format ask for the built-ins of Node in their own way.
      banner: {
        js: 'import { createRequire as kfCreateRequire } from "node:module"; const require = kfCreateRequire(import.meta.url);',
      },
      // An addon that `pg` uses where somebody has installed it.
      external: ["pg-native"],
      plugins: [places(app)],
      logLevel: "error",
    })
    writeFileSync(stampOf(app), digest)
  }
}
