import { readFileSync } from "node:fs"
import { join } from "node:path"

import { expect, test } from "vitest"

import { takeGlobals } from "./settings.ts"
import { VERSION } from "./version.ts"

const settingsOf = (argv: readonly string[], env: Record<string, string> = {}) => {
  const globals = takeGlobals(argv, { HOME: "/home/ada", ...env })
  if (!globals.ok) throw new Error(globals.problem)
  return { ...globals.settings, rest: globals.rest }
}

test("global flags are taken out wherever they stand, and nothing behind -- is", () => {
  const settings = settingsOf(["ls", "--json", "--profile", "work", "-q", "--", "--json"])
  expect(settings.rest).toEqual(["ls", "--", "--json"])
  expect(settings).toMatchObject({ json: true, profile: "work", quiet: true })
})

test("a flag wins over the environment, which wins over the default", () => {
  expect(settingsOf([]).profile).toBe("default")
  expect(settingsOf([], { KF_PROFILE: "work" }).profile).toBe("work")
  expect(settingsOf(["--profile=home"], { KF_PROFILE: "work" }).profile).toBe("home")
})

test("the folder follows XDG_DATA_HOME, but only an absolute one", () => {
  expect(settingsOf([]).folder).toBe("/home/ada/.local/share/keyferry/default")
  expect(settingsOf([], { XDG_DATA_HOME: "/data" }).folder).toBe("/data/keyferry/default")
  expect(settingsOf([], { XDG_DATA_HOME: "data" }).folder).toBe("/home/ada/.local/share/keyferry/default")
})

test("--json=fields keeps the names", () => {
  expect(settingsOf(["--json=id,title"])).toMatchObject({ json: true, jsonFields: ["id", "title"] })
})

test.each([
  [["--profile", "../x"]],
  [["--profile"]],
  [["--profile", ".hidden"]],
  [["--timeout", "soon"]],
  [["--timeout", "0"]],
  [["--secrets-fd", "x"]],
  [["--secrets-stdin", "--password-stdin"]],
  [["--secrets-fd", "3", "--password-fd", "4"]],
])("%j is refused", (argv) => {
  expect(takeGlobals(argv, {}).ok).toBe(false)
})

test("the version of the program is the package's", () => {
  const manifest = JSON.parse(readFileSync(join(import.meta.dirname, "..", "package.json"), "utf8")) as {
    version: string
  }
  expect(VERSION).toBe(manifest.version)
})
