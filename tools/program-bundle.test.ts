import { readdirSync } from "node:fs"
import { dirname, join } from "node:path"
import process from "node:process"
import { beforeAll, expect, test } from "vitest"

import { createHome, runProcess, startProcess } from "../packages/testkit/src/processes.ts"
import { areProgramsCurrent, buildPrograms, programOf } from "./program-bundle.ts"

const ROOT = join(import.meta.dirname, "..")
const home = createHome("program-bundle")

beforeAll(async () => {
  if (!areProgramsCurrent()) await buildPrograms()
})

test("the bundled server starts the bundled strongroom, which may read nothing but itself, and both end well", async () => {
  await using server = startProcess({
    command: process.execPath,
    args: [
      join(ROOT, programOf("server")),
      "serve",
      "--data-dir",
      join(home.path, "data"),
      "--listen",
      "127.0.0.1:0",
      "--log-level",
      "info",
    ],
    home,
  })
  await server.waitForLine(/ready in/)
  const port = /Keyferry http:\/\/[^:]+:(\d+)/.exec(server.stdout())?.[1]
  for (const path of ["/readyz", "/", "/setup", "/api/openapi.json"])
    expect((await fetch(`http://127.0.0.1:${port}${path}`)).status, path).toBe(200)
  const log = server.stderr()
  expect(log).toContain('"what":"way-out"')
  expect(log).not.toContain('"denied":false')
  server.signal("SIGTERM")
  await server.expectExit(0)
})

test("what a program loads only where it is used is there", async () => {
  for (const app of ["server", "strongroom"] as const) {
    const folder = dirname(join(ROOT, programOf(app)))
    const parts = readdirSync(folder).filter((name) => name.endsWith(".mjs") && name !== "main.mjs")
    expect(parts.length).toBeGreaterThan(1)
    const load = parts.map((name) => `await import(${JSON.stringify(join(folder, name))})`).join("\n")
    const done = await runProcess({ command: process.execPath, args: ["--input-type=module", "-e", load], home })
    expect(done).toMatchObject({ code: 0 })
  }
})

test("programs of other sources are not current", () => {
  expect(areProgramsCurrent()).toBe(true)
  expect(areProgramsCurrent("0".repeat(64))).toBe(false)
})
