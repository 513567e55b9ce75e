import { createHash } from "node:crypto"
import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { brotliCompressSync, brotliDecompressSync } from "node:zlib"

import { afterEach, expect, test } from "vitest"

import { createWorld, type World } from "../testing/world.ts"
import { readWebBundle } from "./web-bundle.ts"

const PAGE = "<!doctype html><title>app</title>"
const SCRIPT = "export const a = 1\n"

/** A bundle as the build writes it. */
const bundle = (change: (folder: string) => void = () => undefined): string => {
  const folder = mkdtempSync(join(tmpdir(), "kf-web-"))
  mkdirSync(join(folder, "assets"))
  const files: Readonly<Record<string, string>> = {
    "/": PAGE,
    "/device.html": PAGE,
    "/assets/a-1.js": SCRIPT,
  }
  const listed = Object.entries(files).map(([path, text]) => {
    const file = join(folder, path === "/" ? "index.html" : path)
    writeFileSync(file, text)
    writeFileSync(`${file}.br`, brotliCompressSync(text))
    return [path, { sha256: createHash("sha256").update(text).digest("hex"), bytes: text.length }]
  })
  writeFileSync(join(folder, "unlisted.js"), "not in the manifest")
  const manifest = { format: "kf-web-manifest/1", version: "1", files: Object.fromEntries(listed) }
  writeFileSync(join(folder, "manifest.json"), JSON.stringify(manifest))
  change(folder)
  return folder
}

let world: World | undefined
afterEach(() => world?.close())

const get = async (url: string, headers: Readonly<Record<string, string>> = {}) => {
  const web = readWebBundle(bundle())
  if (!web.ok) throw new Error(web.error)
  world ??= await createWorld({ web: web.value })
  return world.app.inject({ method: "GET", url, headers })
}
afterEach(() => (world = undefined))

const directives = (policy: unknown): ReadonlyMap<string, string> =>
  new Map(
    String(policy)
      .split("; ")
      .map((one) => [one.split(" ")[0] ?? "", one.split(" ").slice(1).join(" ")]),
  )

test("the page stands at the root and at the address of every screen, and nowhere else", async () => {
  for (const url of ["/", "/item/itm_abc", "/settings/account/synchronization", "/add/exchange-key?x=1"]) {
    const reply = await get(url)
    expect([url, reply.statusCode, reply.body]).toEqual([url, 200, PAGE])
    expect(reply.headers["cache-control"]).toBe("no-cache")
  }
  for (const url of [
    "/api/v1/nothing",
    "/assets/none.js",
    "/unlisted.js",
    "/manifest.json",
    "/dev/x",
    "/v/x",
    "/.well-known/x",
  ])
    expect([url, (await get(url)).statusCode]).toEqual([url, 404])
})

test("the page runs its own scripts only, makes none from text, and is framed by nobody", async () => {
  const policy = directives((await get("/")).headers["content-security-policy"])
  expect(policy.get("default-src")).toBe("'none'")
  expect(policy.get("script-src")).toBe("'self' 'wasm-unsafe-eval'")
  expect(policy.get("style-src")).toMatch(/^'self' 'sha256-[\w+/]{43}='$/)
  expect(policy.get("trusted-types")).toBe("'none'")
  expect(policy.get("require-trusted-types-for")).toBe("'script'")
  expect(policy.get("frame-ancestors")).toBe("'none'")
  for (const [name, value] of policy)
    expect([name, value.replace("'wasm-unsafe-eval'", "")]).toEqual([
      name,
      expect.not.stringMatching(/unsafe|\*|http|data:|blob:/),
    ])
})

test("the frame that starts the worker loads nothing but scripts of its own, and only our page frames it", async () => {
  const reply = await get("/device.html")
  const policy = directives(reply.headers["content-security-policy"])
  expect(policy.get("frame-ancestors")).toBe("'self'")
  expect(policy.get("default-src")).toBe("'none'")
  expect(policy.has("style-src")).toBe(false)
  expect(reply.headers["cross-origin-opener-policy"]).toBe("same-origin")
})

test("a file whose name is its content is kept for ever, compressed where the browser takes that", async () => {
  const plain = await get("/assets/a-1.js")
  expect([plain.body, plain.headers["cache-control"]]).toEqual([SCRIPT, "public, max-age=31536000, immutable"])
  expect(plain.headers["content-type"]).toContain("text/javascript")
  const packed = await get("/assets/a-1.js", { "accept-encoding": "gzip, br;q=0.9" })
  expect(packed.headers["content-encoding"]).toBe("br")
  expect(brotliDecompressSync(packed.rawPayload).toString()).toBe(SCRIPT)
  expect(
    (await get("/assets/a-1.js", { "accept-encoding": "gzip, br;q=0" })).headers["content-encoding"],
  ).toBeUndefined()
  const again = await get("/assets/a-1.js", { "if-none-match": String(plain.headers["etag"]) })
  expect([again.statusCode, again.body]).toEqual([304, ""])
})

test("the pages that mails lead to stay the server's own", async () => {
  for (const url of ["/v/", "/address/", "/setup", "/errors"]) {
    const reply = await get(url)
    expect([url, reply.statusCode, reply.body === PAGE]).toEqual([url, 200, false])
  }
})

test("a bundle that is not what its manifest says is not served", () => {
  const oneByte = readWebBundle(
    bundle((folder) => writeFileSync(join(folder, "assets/a-1.js"), "export const a = 2\n")),
  )
  expect(oneByte).toEqual({ ok: false, error: expect.stringContaining("assets/a-1.js") })
  // What a browser gets is the compressed file: cut off, another one inside, or far more than the file has.
  const whole = brotliCompressSync(SCRIPT)
  for (const bytes of [
    whole.subarray(0, 5),
    brotliCompressSync(PAGE),
    brotliCompressSync(Buffer.alloc(1 << 20)),
    PAGE,
  ]) {
    const torn = readWebBundle(bundle((folder) => writeFileSync(join(folder, "assets/a-1.js.br"), bytes)))
    expect(torn).toEqual({ ok: false, error: expect.stringContaining("assets/a-1.js") })
  }
  const damaged = readWebBundle(bundle((folder) => writeFileSync(join(folder, "manifest.json"), "{")))
  expect(damaged).toEqual({ ok: false, error: expect.stringContaining("manifest.json") })
  const none = readWebBundle(mkdtempSync(join(tmpdir(), "kf-web-")))
  expect(none).toEqual({ ok: true, value: undefined })
})
