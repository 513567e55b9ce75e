import { execFile } from "node:child_process"
import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"

import { afterAll, expect, test } from "vitest"

const ROOT = join(import.meta.dirname, "..", "..", "..")
const folder = mkdtempSync(join(tmpdir(), "kf-sample-"))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** The first fenced TypeScript of a document. */
const firstSample = (path: string): string => {
  const sample = /^```ts\n(.*?)^```$/ms.exec(readFileSync(path, "utf8"))?.[1]
  if (sample === undefined) throw new Error(`${path} has no sample`)
  return sample
}

test("the ten lines of docs/sdk.md run in an empty folder, without a server, and leave nothing readable", async () => {
  const sample = firstSample(join(ROOT, "docs", "sdk.md"))
  expect(sample.split("\n").filter((line) => line.trim() !== "").length).toBeLessThanOrEqual(10)
  symlinkSync(join(ROOT, "node_modules"), join(folder, "node_modules"))
  writeFileSync(join(folder, "sample.ts"), sample)
  const { stdout, stderr } = await promisify(execFile)(process.execPath, ["sample.ts"], { cwd: folder })
  expect(stderr.replaceAll(/^.*(ExperimentalWarning|--trace-warnings).*\n/gm, "")).toBe("")
  expect(stdout).toBe("1 Wi-Fi local [ { name: 'text', value: 'example-1', secret: true } ]\n")
  const kept = readdirSync(join(folder, "keys"))
  expect(kept).toContain("device.db")
  for (const name of kept) {
    const bytes = readFileSync(join(folder, "keys", name))
    for (const planted of ["example-1", "Wi-Fi", "correct horse"]) expect(bytes.includes(planted)).toBe(false)
  }
})
