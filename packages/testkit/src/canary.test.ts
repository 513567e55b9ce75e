import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { processorTimer } from "./processor-time.ts"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, expect, test } from "vitest"
import { canaryOf, createCanarySearch, makeCanary, plantControls } from "./canary.ts"
import { createSeededRandom } from "./seeded-random.ts"

const random = createSeededRandom("canary")
const folder = mkdtempSync(join(tmpdir(), "canary-"))
afterAll(() => rmSync(folder, { recursive: true }))

test("a canary is 24 printable characters and never the same twice", () => {
  const [one, two] = [makeCanary("a", random), makeCanary("b", random)]
  expect(one.text).toMatch(/^kfc[a-z2-7]{21}$/)
  expect(one.text).not.toBe(two.text)
})

test("every planted control is found, in memory and in a file, and another canary in none of them", () => {
  const canary = makeCanary("secret", random)
  const search = createCanarySearch([canary])
  const other = createCanarySearch([makeCanary("other", random)])
  for (const { form, bytes } of plantControls(canary)) {
    expect(search.inBytes(bytes, form), form).not.toEqual([])
    expect(other.inBytes(bytes, form), form).toEqual([])
    const path = join(folder, "control")
    writeFileSync(path, bytes)
    expect(search.inPath(path).findings, form).not.toEqual([])
  }
})

test("the form, the place and the offset are told, the value is not", () => {
  const canary = makeCanary("the secret", random)
  const found = createCanarySearch([canary]).inBytes(Buffer.from(`12345${canary.text}`), "log")
  expect(found).toEqual([{ canary: "the secret", form: "raw", place: "log", offset: 5 }])
  expect(JSON.stringify(found)).not.toContain(canary.text)
})

test("bytes that are no text are found as well, also as JSON escapes", () => {
  const canary = canaryOf("key", random.bytes(32))
  const search = createCanarySearch([canary])
  for (const written of [
    Buffer.from(canary.bytes),
    Buffer.from(canary.bytes).toString("base64url"),
    JSON.stringify(canary.text),
    JSON.stringify({ kdf: Buffer.from(canary.bytes).toString("hex") }),
  ]) {
    expect(search.inBytes(Buffer.from(written as string), "x").length).toBeGreaterThan(0)
  }
  expect(() => canaryOf("pin", random.bytes(4))).toThrow("by chance")
})

test("a value across the border of two chunks of a large file is found once, at its place", () => {
  const canary = makeCanary("a", random)
  const bytes = Buffer.alloc(9 * 1024 * 1024, 0x2e)
  for (const at of [4 * 1024 * 1024 - 10, 8 * 1024 * 1024 + 3, bytes.length - 24]) bytes.write(canary.text, at)
  const path = join(folder, "large")
  writeFileSync(path, bytes)
  const tookMs = processorTimer()
  const report = createCanarySearch([canary, makeCanary("b", random)]).inPath(path)
  expect(report.findings.map((one) => one.offset)).toEqual([
    4 * 1024 * 1024 - 10,
    8 * 1024 * 1024 + 3,
    bytes.length - 24,
  ])
  expect(report).toMatchObject({ files: 1, sizeBytes: bytes.length })
  expect(tookMs()).toBeLessThan(3000)
})

test("a value broken by a line end on the border of two chunks is found", () => {
  const canary = makeCanary("a", random)
  const bytes = Buffer.alloc(5 * 1024 * 1024, 0x2e)
  bytes.write(`${canary.text.slice(0, 11)}\r\n${canary.text.slice(11)}`, 4 * 1024 * 1024 - 3)
  writeFileSync(join(folder, "wrapped"), bytes)
  const { findings } = createCanarySearch([canary]).inPath(join(folder, "wrapped"))
  expect(findings.map((one) => one.form)).toContain("raw, wrapped")
})

test("folders are searched through, hidden ones and names of files included; links are not followed", () => {
  const canary = makeCanary("a", random)
  const root = join(folder, "tree")
  mkdirSync(join(root, ".hidden"), { recursive: true })
  writeFileSync(join(root, ".hidden", "log"), `x${canary.text}`)
  writeFileSync(join(root, `${canary.text}.tmp`), "")
  symlinkSync(join(root, ".hidden"), join(root, "link"))
  const { findings, files } = createCanarySearch([canary]).inPath(root)
  expect(files).toBe(2)
  expect(findings.map((one) => one.place).sort()).toEqual([
    join(root, ".hidden", "log"),
    `name of ${join(root, `${canary.text}.tmp`)}`,
  ])
})

test("a path that does not exist is an error, not silence", () => {
  expect(() => createCanarySearch([makeCanary("a", random)]).inPath(join(folder, "nothing"))).toThrow("ENOENT")
})
