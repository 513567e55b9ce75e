import { createHash } from "node:crypto"

import { err, ok, type Result } from "@keyferry/base"
import { type Failure, failure } from "@keyferry/sdk/errors"
import { parseWebManifest, type WebFile } from "@keyferry/sdk/web-manifest"

import { type CommandSpec, textOption } from "../command.ts"
import { oneLine, usage } from "../failures.ts"
import { readTextFile } from "../field-input.ts"
import { count } from "../format.ts"

const TIMEOUT_MS = 30_000
/** More than any file of the app; a server that sends without end is not listened to for ever. */
const MAX_BYTES = 16 * 1024 * 1024

export const command: CommandSpec = {
  name: "verify-web",
  summary: "compare a server's web app with a manifest you trust",
  args: "<url>",
  options: [{ flags: "--manifest <file>", text: "manifest.json of a build that you made or trust: npm run build:web" }],
  more: [
    "Fetches every file that the manifest lists and compares its SHA-256. One changed byte is exit 11.",
    "It sees what the server sends to this program now; a server can send something else to a browser.",
  ],
  run: async (context, [url = ""], options) => {
    const origin = originOf(url)
    if (origin === undefined) return err(usage("Give the server's address, such as https://keys.example.org"))
    const path = textOption(options, "manifest")
    if (path === undefined) return err(usage("Say which manifest to compare with: --manifest FILE"))
    const text = readTextFile(path)
    if (!text.ok) return text
    const manifest = parseWebManifest(text.value)
    if (!manifest.ok) return err(failure("malformed", `${path} is no manifest of the web app.`))

    const changed: string[] = []
    for (const [file, expected] of manifest.value.files) {
      const same = await isServed(new URL(file, origin), expected)
      if (!same.ok) return same
      if (!same.value) changed.push(file)
    }
    if (changed.length > 0) return err(failure("web-app-changed", `${changed.map(oneLine).join(", ")} at ${origin}`))
    const { size } = manifest.value.files
    context.io.answer({ schema: "kf.verify-web/1", origin, version: manifest.value.version, files: size }, [
      `${origin} serves the ${count(size, "file")} of the manifest, version ${manifest.value.version}.`,
    ])
    return ok("done")
  },
}

const originOf = (text: string): string | undefined => {
  const url = URL.parse(text)
  return url !== null && /^https?:$/.test(url.protocol) && url.username === "" ? url.origin : undefined
}

/** A file that is missing, or comes by a redirect, is a changed one. Errors: network-unreachable. */
const isServed = async (url: URL, expected: WebFile): Promise<Result<boolean, Failure>> => {
  try {
    const response = await fetch(url, { redirect: "manual", signal: AbortSignal.timeout(TIMEOUT_MS) })
    if (response.status !== 200 || response.body === null) return ok(false)
    const hash = createHash("sha256")
    let bytes = 0
    for await (const chunk of response.body) {
      hash.update(chunk)
      bytes += chunk.length
      if (bytes > MAX_BYTES) return ok(false)
    }
    return ok(hash.digest("hex") === expected.sha256)
  } catch {
    // `fetch` tells no more than that there was no answer.
    return err(failure("network-unreachable"))
  }
}
