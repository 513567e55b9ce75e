import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import process from "node:process"
import { setTimeout as wait } from "node:timers/promises"
import { afterEach, beforeEach, expect, test } from "vitest"
import { createHome, type FinishedProcess, runProcess, startProcess } from "../packages/testkit/src/processes.ts"

const home = createHome("bootstrap")
let root = ""
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "checkout-"))
  mkdirSync(join(root, "tools"))
  copyFileSync(join(import.meta.dirname, "bootstrap.mjs"), join(root, "tools", "bootstrap.mjs"))
  writeFileSync(join(root, "package-lock.json"), lock("1.0.0"))
  writeFileSync(
    join(root, "tools", "hello.ts"),
    "console.log(`hello ${process.argv.slice(2).join()}`)\nprocess.exitCode = 3",
  )
})
afterEach(() => rmSync(root, { recursive: true }))

const lock = (version: string, more: object = {}): string =>
  JSON.stringify({
    packages: {
      "": {},
      "packages/a": {},
      "node_modules/left": { version },
      "node_modules/other-platform": { version, optional: true },
      ...more,
    },
  })

/** Stands for npm: what it does when it is asked to install. */
const npm = (code: string): Readonly<Record<string, string>> => {
  const path = join(root, "fake-npm.js")
  writeFileSync(
    path,
    `const { writeFileSync, mkdirSync } = require("node:fs"); const args = process.argv.slice(2);\n${code}`,
  )
  return { npm_execpath: path, npm_node_execpath: process.execPath }
}
const installs = (version: string): string =>
  `mkdirSync("node_modules", { recursive: true }); writeFileSync("node_modules/asked", args.join(" "));
   writeFileSync("node_modules/.package-lock.json", ${JSON.stringify(JSON.stringify({ packages: { "node_modules/left": { version } } }))})`

const bootstrap = (
  environment: Readonly<Record<string, string>>,
  ...args: readonly string[]
): Promise<FinishedProcess> =>
  runProcess({ command: process.execPath, args: [join(root, "tools", "bootstrap.mjs"), ...args], home, environment })

test("a fresh clone is installed without install scripts, then the tool runs with its arguments and exit code", async () => {
  const first = await bootstrap(npm(installs("1.0.0")), "hello", "a", "b")
  expect(first).toMatchObject({ code: 3, stdout: "hello a,b\n" })
  expect(first.stderr).toContain("nothing is installed yet")
  expect(first.stderr).toMatch(/installed 1 packages in \d+\.\d s/)
  const second = await bootstrap(npm("process.exit(1)"), "hello")
  expect(second).toMatchObject({ code: 3, stdout: "hello \n", stderr: "" })
})

test("another version in the lock file is installed; files that were only touched are not", async () => {
  await bootstrap(npm(installs("1.0.0")), "hello")
  writeFileSync(join(root, "package-lock.json"), lock("1.0.0"))
  expect((await bootstrap(npm("process.exit(1)"), "hello")).stderr).toBe("")
  writeFileSync(join(root, "package-lock.json"), lock("2.0.0"))
  expect((await bootstrap(npm(installs("2.0.0")), "hello")).stderr).toContain(
    "left is not the version of the lock file",
  )
})

test("an installation that stays incomplete is an error", async () => {
  const finished = await bootstrap(npm(installs("0.9.0")), "hello")
  expect(finished).toMatchObject({ code: 1, stdout: "" })
  expect(finished.stderr).toContain("not complete: left is not the version")
})

test.each([
  ["npm error code ENOTFOUND", "the npm registry did not answer"],
  ["npm error code EUSAGE", "package-lock.json does not match package.json"],
  ["npm error code ENOSPC", "the disk is full"],
  ["npm error code EACCES", "not writable for you"],
  ["npm error strange", "npm error strange\nnpm ci ended with exit code 7"],
])("%s is told as one sentence", async (said, sentence) => {
  const finished = await bootstrap(npm(`console.error(${JSON.stringify(said)}); process.exit(7)`), "hello")
  expect(finished.code).toBe(1)
  expect(finished.stderr).toContain(sentence)
})

test("a missing npm and a missing tool are told", async () => {
  expect((await bootstrap({ PATH: root }, "hello")).stderr).toContain("npm is missing: install Node 20 or newer")
  for (const name of ["nothing", "../hello", ""]) expect((await bootstrap({}, name)).code).toBe(2)
  expect(existsSync(join(root, "node_modules"))).toBe(false)
})

const listening = `
let n = 0
process.once("SIGINT", () => { n += 1; setTimeout(() => { console.log("stopped after " + n); process.exit(0) }, 300) })
setInterval(() => undefined, 1000)
console.log("ready " + process.execArgv.join())`

test("a Ctrl-C that arrives twice, from the terminal and from npm, is one", async () => {
  writeFileSync(join(root, "listening.ts"), listening)
  const preload = join(import.meta.dirname, "one-signal.ts")
  const plan = { command: process.execPath, args: ["--import", preload, join(root, "listening.ts")], home }
  await using running = startProcess(plan)
  expect((await running.waitForLine(/^ready(.*)/))[1]?.trim()).toBe("")
  running.signal("SIGINT")
  await wait(30)
  running.signal("SIGINT")
  await running.waitForLine(/^stopped after 1$/)
  await running.expectExit(0)
})

test("a signal that nobody listens to ends the process as it would without the preload", async () => {
  writeFileSync(join(root, "deaf.ts"), 'setInterval(() => undefined, 1000); console.log("ready")')
  const preload = join(import.meta.dirname, "one-signal.ts")
  await using running = startProcess({
    command: process.execPath,
    args: ["--import", preload, join(root, "deaf.ts")],
    home,
  })
  await running.waitForLine(/^ready/)
  running.signal("SIGTERM")
  await running.expectExit(143)
})

test("a run without a test is a failure", async () => {
  const finished = await runProcess({
    command: process.execPath,
    args: [join(import.meta.dirname, "test.ts"), "no-such-file"],
    home,
  })
  expect(finished.code).toBe(1)
  expect(finished.stdout.trimEnd().split("\n").at(-1)).toBe("0 passed, 0 failed")
})
