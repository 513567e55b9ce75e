import { expect, test } from "vitest"
import { readClosingLine } from "./closing-line.ts"
import { codesIn } from "./produced/codes-in.ts"
import { checkErrors, renderErrors } from "./errors.ts"
import { lintNames, ownLint } from "./own-lint.ts"
import { checkRules, idsInTitles, rulesOf } from "./rules.ts"
import { createSource } from "./source.ts"

const lint = (path: string, text: string): readonly string[] =>
  ownLint([createSource(path, text)]).map((one) => `${one.line} ${one.reason}`)

test("rules without a test, tests without a rule and rules told twice are found", () => {
  const rules = rulesOf("spec/records.md", "# Records\n- **RC1** one\n- **RC2** two\n- **RC2** again\n")
  const titles = idsInTitles(
    createSource("packages/a/src/a.test.ts", 'test("[RC1] holds", () => {})\ntest.each([1])("[RC9] %s", () => {})'),
  )
  expect(checkRules(rules, titles).map((one) => `${one.file}:${one.line} ${one.reason}`)).toEqual([
    "spec/records.md:4 RC2 is already spec/records.md:3",
    "spec/records.md:3 no test title carries [RC2]",
    "packages/a/src/a.test.ts:2 [RC9] is no rule of spec/",
  ])
})

test("an id in a comment, a string or another call is not a test", () => {
  const text = '// [RC1]\nconst a = "[RC1]"\nlog("[RC1]")\ntest(`[RC2, RC3] ${a}`, () => {})'
  expect(idsInTitles(createSource("a.test.ts", text)).map((one) => one.id)).toEqual(["RC2", "RC3"])
})

test("errors: a stale document, a code nobody answers with and one no test meets are found", () => {
  const entry = {
    status: 404,
    retry: "never",
    exit: 3,
    sentence: "Gone | away.",
    keys: "None.",
    action: "Look.",
  } as const
  const table = { "not-found": entry, "not-here": entry }
  const sources = [
    createSource("packages/protocol/src/errors.ts", 'export const errors = {\n  "not-found": 1,\n  "not-here": 2,\n}'),
    createSource("apps/server/src/a.ts", 'fail("not-found")'),
    createSource("apps/server/src/a.test.ts", 'test("not-found is told", () => {})'),
  ]
  expect(checkErrors(table, renderErrors(table), sources).map((one) => `${one.line} ${one.reason}`)).toEqual([
    "3 nothing answers with not-here",
    "3 no test meets not-here",
  ])
  expect(checkErrors(table, "", sources)[0]?.reason).toContain("stale")
  expect(renderErrors(table)).toContain("Gone \\| away.")
})

test("own rules find what they forbid, and say why", () => {
  expect(lint("packages/sdk/src/push.ts", "send(key.reveal())")[0]).toContain("1 reveal()")
  expect(lint("packages/crypto/src/aead.ts", "seal(key.reveal())")).toEqual([])
  expect(lint("packages/engine/src/a.ts", "Date.now()\nnew Date()\nMath.random()")).toHaveLength(3)
  expect(lint("apps/server/src/main.ts", "Date.now()\nnew Date(5)")).toEqual([])
  expect(lint("packages/store/src/a.ts", 'db.selectFrom("a").selectAll()\nsql`select * from a`')).toHaveLength(2)
  expect(lint("packages/crypto/src/a.ts", "hpke({ senderKey: key })")).toHaveLength(1)
  expect(lint("packages/items/src/a.ts", "export default 1\nenum A { B }\nnamespace N {}")).toHaveLength(3)
  expect(lint("packages/sdk/src/a.ts", "console.log(1)")).toHaveLength(1)
  expect(lint("apps/cli/src/a.ts", "console.log(1)")).toEqual([])
  expect(
    lint("packages/sdk/src/a.test.ts", 'test.only("a", f)\ndescribe.skip("b", f)\nit.skipIf(x)("c", f)'),
  ).toHaveLength(3)
  expect(lint("packages/sdk/src/a.ts", "const data = 1\nconst f = (info) => info")).toHaveLength(2)
})

test("own rules do not read comments or strings", () => {
  expect(lint("packages/engine/src/a.ts", '// Date.now()\nconst a = "Math.random()"')).toEqual([])
})

test("file names that say nothing are found", () => {
  expect(
    lintNames(["packages/a/src/utils.ts", "packages/a/src/outBox.ts", "packages/a/src/outbox.test.ts"]),
  ).toHaveLength(2)
})

test("closing lines of every suite are read, and nothing else is", () => {
  const read = (line: string) => readClosingLine(`noise 3 failed\n${line}\n\n`)
  expect(read("24 passed, 1 failed")).toEqual({ passed: 24, failed: 1 })
  expect(read("24 passed, 0 failed, 2 skipped")).toEqual({ passed: 24, failed: 2 })
  expect(read("demo: 41 assertions, 1 failed")).toEqual({ passed: 40, failed: 1 })
  expect(read("sqlite 90 passed, postgres 90 passed, 0 skipped")).toEqual({ passed: 180, failed: 0 })
  expect(read("12 public, 30 own, 25 opened by the second program")).toEqual({ passed: 67, failed: 0 })
  expect(read("24 killed, 1 survived")).toEqual({ passed: 24, failed: 1 })
  expect(read("fuzz: 12000 inputs, 48 targets, 2 failed")).toEqual({ passed: 48, failed: 2 })
  expect(read("4 held, 9 failed without their rule as expected, 1 unexpected")).toEqual({ passed: 13, failed: 1 })
  expect(read("Done.")).toBeUndefined()
})

test("codes are found where a failure names them, and not in other words", () => {
  const table = new Set(["busy", "store-full"])
  const found = (value: unknown) => codesIn(value, table)
  expect(found({ ok: false, error: { code: "busy" } })).toEqual(["busy"])
  expect(found(["store-full", "x"])).toEqual(["store-full"])
  expect(found(new Map([[1, { lockCode: "store-full" }]]))).toEqual(["store-full"])
  expect(found('{"code":"busy"}')).toEqual(["busy"])
  expect(found("kf: store-full (the disk)")).toEqual(["store-full"])
  expect(found(new Error("store-full: here"))).toEqual(["store-full"])
  expect(found({ kind: "store-full", state: "busy", text: "a busy day, restore-full" })).toEqual([])
})
