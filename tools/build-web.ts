/**
 * `npm run build:web`: makes apps/web/dist, the web app as the server serves it, with manifest.json, which has the SHA-256
 * of each file. Closes with the digest of the manifest, by which two machines compare what they built.
 */
import { createHash } from "node:crypto"
import { readFileSync } from "node:fs"
import { join, relative } from "node:path"
import process from "node:process"

import { ROOT } from "./source.ts"
import { buildWebBundle, WEB_BUNDLE } from "./web-bundle.ts"

const built = await buildWebBundle()
const manifest = join(WEB_BUNDLE, "manifest.json")
const digest = createHash("sha256").update(readFileSync(manifest)).digest("hex")
const kB = (bytes: number): string => `${(bytes / 1000).toFixed(1)} kB`
process.stdout.write(`${built.files} files, ${kB(built.bytes)}, ${kB(built.compressedBytes)} compressed\n`)
process.stdout.write(`${relative(ROOT, manifest)} sha256 ${digest}\n`)
