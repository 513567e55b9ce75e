import { readFileSync, readdirSync } from "node:fs"
import { join } from "node:path"

import { expect, test } from "vitest"

import { en } from "../src/i18n/en/index.ts"
import { inside } from "../src/i18n/en/inside.ts"
import { addTexts } from "../src/i18n/translate.ts"
import { sentenceOf } from "../src/ui/model/account-log.ts"

addTexts(inside)

const ROOT = join(import.meta.dirname, "../../..")

/** Kinds of lines as the two processes write them: the strongroom's list, and what the server appends by itself. */
const writtenKinds = (): readonly string[] => {
  const calls = readFileSync(join(ROOT, "packages/strongroom-api/src/calls.ts"), "utf8")
  const listed = /EVENT_KINDS = \[([^\]]*)\]/.exec(calls)?.[1] ?? ""
  const service = join(ROOT, "apps/server/src/service")
  const own = readdirSync(service)
    .filter((name) => name.endsWith(".ts") && !name.endsWith(".test.ts"))
    .flatMap((name) => {
      const text = readFileSync(join(service, name), "utf8")
      return text.includes("appendAudit") ? [...text.matchAll(/kind(?::| =) "([a-z-]+)"/g)].map((m) => m[1] ?? "") : []
    })
  return [...[...listed.matchAll(/"([a-z-]+)"/g)].map((m) => m[1] ?? ""), ...own]
}

test("every kind of line in the server's log has a sentence", () => {
  const kinds = writtenKinds()
  expect(kinds).toContain("device-approved")
  expect(kinds).toContain("second-factor-passed")
  expect(kinds.filter((kind) => !Object.hasOwn(en, `log.${kind}`))).toEqual([])
})

test("a line names its device where this browser knows it, and a kind of a newer server is shown as it came", () => {
  const nameOf = (id: string) => (id === "dev_a" ? "Desk" : undefined)
  expect(sentenceOf({ atMs: 1, kind: "device-approved", deviceId: "dev_a" }, nameOf)).toContain("Desk")
  expect(sentenceOf({ atMs: 1, kind: "device-approved", deviceId: "dev_b" }, nameOf)).toMatch(/^A device/)
  expect(sentenceOf({ atMs: 1, kind: "constructor" }, nameOf)).toContain("constructor")
})
