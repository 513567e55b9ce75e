import { createHash } from "node:crypto"
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join, relative, sep } from "node:path"
import process from "node:process"
import { brotliCompressSync, constants } from "node:zlib"

import { encodeWebManifest, type WebFile } from "../packages/protocol/src/web-manifest.ts"

/*
 * The web app as the server serves it: apps/web/dist with every file, its Brotli form beside it, and manifest.json with
 * the digest of each. The same sources and lock file make the same bytes on any machine.
 */
const ROOT = join(import.meta.dirname, "..")
export const WEB_FOLDER = join(ROOT, "apps", "web")
export const WEB_BUNDLE = join(WEB_FOLDER, "dist")
const MANIFEST = join(WEB_BUNDLE, "manifest.json")
/** What the bundle was made from; beside the manifest, not in it, because nobody else needs it. */
const MADE_FROM = join(WEB_BUNDLE, ".made-from")

const sha256 = (bytes: Uint8Array | string): string => createHash("sha256").update(bytes).digest("hex")

const filesBelow = (folder: string): readonly string[] =>
  existsSync(join(ROOT, folder))
    ? readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => relative(ROOT, join(entry.parentPath, entry.name)).split(sep).join("/"))
    : []

/** One digest over everything that the bundle is made from. */
export const digestOfSources = (): string => {
  const names = readdirSync(join(ROOT, "packages"))
  const folders = ["apps/web/src", "apps/web/public", ...names.map((name) => `packages/${name}/src`)]
  const paths = [
    ...folders.flatMap(filesBelow).filter((path) => !/\.test\.tsx?$/.test(path)),
    "apps/web/index.html",
    "apps/web/device.html",
    "apps/web/vite.config.ts",
    "apps/web/gallery/fonts.ts",
    "apps/web/wasm-as-file.ts",
    "apps/web/package.json",
    "package-lock.json",
  ]
  const hash = createHash("sha256")
  for (const path of paths.toSorted()) hash.update(`${path}\0${sha256(readFileSync(join(ROOT, path)))}\n`)
  return hash.digest("hex")
}

export const isBundleCurrent = (): boolean =>
  existsSync(MANIFEST) && existsSync(MADE_FROM) && readFileSync(MADE_FROM, "utf8") === digestOfSources()

export interface Built {
  readonly files: number
  readonly bytes: number
  readonly compressedBytes: number
}

export interface BuildWish {
  /** Where it goes; apps/web/dist unless a test says otherwise. */
  readonly folder?: string
  /** Pages beside the two that are shipped, for tests. */
  readonly pages?: readonly string[]
}

/** Errors: rejects with the bundler's own reasons. */
export const buildWebBundle = async ({ folder = WEB_BUNDLE, pages = [] }: BuildWish = {}): Promise<Built> => {
  const madeFrom = digestOfSources()
  const manifest = join(folder, "manifest.json")
  rmSync(manifest, { force: true })
  // Loaded here: a start that finds a current bundle does not pay for the bundler.
  const { build } = await import("vite")
  // The bundler and the libraries ask for it; the shell of whoever builds has no say in the bytes.
  const shellHas = process.env["NODE_ENV"]
  process.env["NODE_ENV"] = "production"
  const input = [...["index.html", "device.html"].map((page) => join(WEB_FOLDER, page)), ...pages]
  await build({
    root: WEB_FOLDER,
    configFile: join(WEB_FOLDER, "vite.config.ts"),
    logLevel: "error",
    build: { outDir: folder, emptyOutDir: true, rolldownOptions: { input } },
  }).finally(() => {
    if (shellHas === undefined) delete process.env["NODE_ENV"]
    else process.env["NODE_ENV"] = shellHas
  })
  const files = new Map<string, WebFile>()
  let bytes = 0
  let compressedBytes = 0
  const list = (path: string): void => {
    const content = readFileSync(join(folder, path))
    const compressed = brotliCompressSync(content, { params: { [constants.BROTLI_PARAM_SIZE_HINT]: content.length } })
    writeFileSync(join(folder, `${path}.br`), compressed)
    files.set(path === "index.html" ? "/" : `/${path}`, { sha256: sha256(content), bytes: content.length })
    bytes += content.length
    compressedBytes += compressed.length
  }
  for (const path of readdirSync(folder, { recursive: true, encoding: "utf8" }).toSorted())
    if (/\.[a-z0-9]+$/i.test(path)) list(path)
  await buildServiceWorker(join(folder, "sw.js"), files)
  list("sw.js")
  const { version } = JSON.parse(readFileSync(join(WEB_FOLDER, "package.json"), "utf8")) as { version: string }
  writeFileSync(join(folder, ".made-from"), madeFrom)
  // Last: a bundle without it counts as missing.
  writeFileSync(manifest, encodeWebManifest({ version, files }))
  return { files: files.size, bytes, compressedBytes }
}

/** It knows the digest of every other file, so it is made when they are. */
const buildServiceWorker = async (target: string, files: ReadonlyMap<string, WebFile>): Promise<void> => {
  const { build } = await import("esbuild")
  const shell = JSON.stringify(Object.fromEntries([...files].map(([path, file]) => [path, file.sha256])))
  await build({
    entryPoints: [join(WEB_FOLDER, "src", "shell", "service-worker.ts")],
    outfile: target,
    bundle: true,
    minify: true,
    format: "iife",
    target: "es2023",
    define: { KF_SHELL: shell, KF_SHELL_ID: JSON.stringify(sha256(shell).slice(0, 16)) },
    logLevel: "error",
  })
}
