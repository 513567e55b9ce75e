import { spawn } from "node:child_process"
import { createHash } from "node:crypto"
import { mkdtempSync, writeFileSync } from "node:fs"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import process from "node:process"

import { afterEach, expect, test } from "vitest"

const KF = join(import.meta.dirname, "..", "..", "bin", "kf.mjs")
interface Ended {
  readonly exit: number
  readonly stdout: string
  readonly stderr: string
}

const FILES: Readonly<Record<string, string>> = { "/": "<!doctype html>", "/assets/index-abc.js": "let a = 1\n" }
const stops: (() => void)[] = []
afterEach(() => {
  for (const stop of stops.splice(0)) stop()
})

/** A real server of these files. */
const serve = async (files: Readonly<Record<string, string>>): Promise<string> => {
  const server = createServer((request, reply) => {
    const body = files[request.url ?? ""]
    reply.writeHead(body === undefined ? 404 : 200).end(body)
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  stops.push(() => server.close())
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

const manifestOf = (files: Readonly<Record<string, string>>): string => {
  const path = join(mkdtempSync(join(tmpdir(), "kf-manifest-")), "manifest.json")
  const listed = Object.entries(files).map(([name, text]) => [
    name,
    { sha256: createHash("sha256").update(text).digest("hex"), bytes: text.length },
  ])
  writeFileSync(
    path,
    JSON.stringify({ format: "kf-web-manifest/1", version: "1.2.3", files: Object.fromEntries(listed) }),
  )
  return path
}

/** The real program in an empty home. */
const verify = (url: string, manifest: string, ...more: readonly string[]): Promise<Ended> =>
  new Promise((resolve) => {
    const child = spawn(process.execPath, [KF, "verify-web", url, "--manifest", manifest, ...more], {
      env: { PATH: process.env["PATH"], HOME: mkdtempSync(join(tmpdir(), "kf-home-")), NO_COLOR: "1" },
    })
    let stdout = ""
    let stderr = ""
    child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()))
    child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()))
    child.once("close", (code) => resolve({ exit: code ?? -1, stdout, stderr }))
  })

test("the files of the manifest are exit 0, whatever path the address has", async () => {
  const url = await serve(FILES)
  const run = await verify(`${url}/item/5`, manifestOf(FILES))
  expect([run.exit, run.stdout]).toEqual([0, `${url} serves the 2 files of the manifest, version 1.2.3.\n`])
})

test("one changed byte, a missing file, and a page behind a redirect are exit 11 with the file's name", async () => {
  const manifest = manifestOf(FILES)
  const changed = await verify(await serve({ ...FILES, "/assets/index-abc.js": "let a = 2\n" }), manifest)
  expect(changed.exit).toBe(11)
  expect(changed.stderr).toContain("/assets/index-abc.js")
  const missing = await verify(await serve({ "/assets/index-abc.js": "let a = 1\n" }), manifest, "--json")
  expect([missing.exit, JSON.parse(missing.stderr)]).toEqual([
    11,
    expect.objectContaining({ code: "web-app-changed", detail: expect.stringMatching(/^\/ at http/) }),
  ])
})

test("no answer is no verdict", async () => {
  const run = await verify("http://127.0.0.1:9", manifestOf(FILES))
  expect(run.exit).toBe(7)
})

test("a file that is no manifest is refused before anything is fetched", async () => {
  const path = join(mkdtempSync(join(tmpdir(), "kf-manifest-")), "manifest.json")
  for (const text of [
    "",
    "{}",
    JSON.stringify({ format: "kf-web-manifest/1", version: "1", files: { "/../x": {} } }),
  ]) {
    writeFileSync(path, text)
    expect((await verify("http://127.0.0.1:9", path)).exit).toBe(1)
  }
})
