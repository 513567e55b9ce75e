import { execFile, spawnSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

import { build } from "esbuild"
import { afterAll, beforeAll, expect, test } from "vitest"

import { VERSION } from "../src/version.ts"
import { helpAt, packedHelp } from "./help.ts"
import { packKf } from "./pack.ts"

/* The packed file, in an empty home and away from this checkout. */

let home = ""
let file = ""

beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), "kf-packed-"))
  file = join(home, "kf.cjs")
  await packKf(build, file)
})

afterAll(() => {
  kf(["agent", "stop"])
  rmSync(home, { recursive: true, force: true })
})

const kf = (args: readonly string[], input = "") =>
  spawnSync(process.execPath, [file, ...args], {
    cwd: home,
    input,
    encoding: "utf8",
    env: { HOME: home, PATH: "" },
    timeout: 20_000,
  })

test("one executable file below a megabyte, with the notices of what is inside", () => {
  expect(statSync(file).mode & 0o777).toBe(0o755)
  expect(statSync(file).size).toBeLessThan(1_000_000)
  expect(readFileSync(file, "utf8")).toContain("Bundled license information")
})

test("it says its version, works with its own agent, and reads through it", () => {
  expect(kf(["--version"])).toMatchObject({ status: 0, stdout: `kf ${VERSION}\n` })
  const added = kf(
    ["add", "note", "Text", "text=-", "--secrets-stdin"],
    "password=correct horse battery staple\nfield:text=hello\n",
  )
  expect(added.stderr + added.stdout).toContain("Added “Text”")
  expect(kf(["read", "Text", "text"])).toMatchObject({ status: 0, stdout: "hello\n" })
  expect(kf(["--help"]).stdout).toContain("kf help codes")
  expect(kf(["no-such-command"]).status).toBe(2)
})

test("its help is that of the program at every width, and needs no program", async () => {
  const help = await packedHelp()
  expect(kf(["--help"])).toMatchObject({ status: 0, stdout: await helpAt(80), stderr: "" })
  expect(help.narrow).toBe(await helpAt(80))
  for (const columns of [help.wideColumns, help.wideColumns + 1, 400]) expect(await helpAt(columns)).toBe(help.wide)
  expect(await helpAt(help.wideColumns - 1)).not.toBe(help.wide)
  const head = join(home, "help.cjs")
  const whole = readFileSync(file, "utf8")
  writeFileSync(head, whole.slice(0, whole.lastIndexOf("/*kf-rest:")))
  for (const word of ["--help", "-h", "--version", "-V"])
    expect(spawnSync(process.execPath, [head, word], { encoding: "utf8" })).toMatchObject({ status: 0, stderr: "" })
  // `kf --help | head -1`
  const cut = spawnSync("sh", ["-c", `"$0" "$1" --help | head -1`, process.execPath, file], { encoding: "utf8" })
  expect(cut).toMatchObject({ status: 0, stderr: "", stdout: expect.stringContaining("kf") })
})

test("the fast path loads nothing of the rest", () => {
  // A file cut off behind the fast path still answers what the agent knows.
  const whole = readFileSync(file, "utf8")
  const head = join(home, "head.cjs")
  const cut = whole.slice(0, whole.lastIndexOf("/*kf-rest:"))
  return import("node:fs").then(({ writeFileSync }) => {
    writeFileSync(head, cut)
    return new Promise<void>((resolve, reject) => {
      execFile(process.execPath, [head, "read", "Text", "text"], { env: { HOME: home, PATH: "" } }, (error, stdout) => {
        if (error !== null) reject(error)
        else {
          expect(stdout).toBe("hello\n")
          resolve()
        }
      })
    })
  })
})
