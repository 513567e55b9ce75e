import { createHash } from "node:crypto"
import { existsSync, readFileSync } from "node:fs"
import { extname, join } from "node:path"
import { brotliDecompressSync } from "node:zlib"

import { err, ok, type Result } from "@keyferry/base"
import { parseWebManifest } from "@keyferry/protocol"

/** One file of the web app, read once at the start. */
export interface ServedFile {
  readonly body: Buffer
  readonly brotli: Buffer | undefined
  readonly type: string
  readonly etag: string
  /** Its name changes with its content, so it may be kept for ever. */
  readonly immutable: boolean
}

export interface WebBundle {
  readonly page: ServedFile
  /** By path; the page itself is not among them. */
  readonly files: ReadonlyMap<string, ServedFile>
}

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
  ".png": "image/png",
  ".json": "application/json",
  ".wasm": "application/wasm",
  ".webmanifest": "application/manifest+json",
  ".woff2": "font/woff2",
}

/**
 * Reads the bundle that the manifest of this folder lists, and nothing else that lies there. `undefined`: there is none.
 * Errors: a sentence, for a bundle that is not what its manifest says; half of a web app is worse than none.
 */
export const readWebBundle = (folder: string): Result<WebBundle | undefined, string> => {
  const manifestPath = join(folder, "manifest.json")
  if (!existsSync(manifestPath)) return ok(undefined)
  const manifest = parseWebManifest(readFileSync(manifestPath, "utf8"))
  if (!manifest.ok) return err(`${manifestPath} is damaged; build it again: npm run build:web`)
  const files = new Map<string, ServedFile>()
  for (const [path, { sha256 }] of manifest.value.files) {
    const file = path === "/" ? "/index.html" : path
    const body = existsSync(join(folder, file)) ? readFileSync(join(folder, file)) : undefined
    const brotliPath = join(folder, `${file}.br`)
    const brotli = existsSync(brotliPath) ? readFileSync(brotliPath) : undefined
    // The compressed file is what a browser gets: torn or left over, it would be another program than the manifest names.
    if (body === undefined || sha256Of(body) !== sha256 || (brotli !== undefined && !isSameInside(brotli, body)))
      return err(`${join(folder, file)} is not what its manifest says; build it again: npm run build:web`)
    files.set(path, {
      body,
      brotli,
      type: TYPES[extname(file)] ?? "application/octet-stream",
      etag: `"${sha256.slice(0, 32)}"`,
      immutable: path.startsWith("/assets/"),
    })
  }
  const page = files.get("/")
  files.delete("/")
  return ok(page === undefined ? undefined : { page, files })
}

const sha256Of = (bytes: Buffer): string => createHash("sha256").update(bytes).digest("hex")

const isSameInside = (brotli: Buffer, body: Buffer): boolean => {
  try {
    return brotliDecompressSync(brotli, { maxOutputLength: body.length + 1 }).equals(body)
  } catch {
    // Cut off, no brotli at all, or more inside than the file has.
    return false
  }
}
