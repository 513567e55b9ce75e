/**
 * A setup file of the runs that `npm run errors` makes: writes down each code of the error table that stood in a value which
 * an assertion looked at and passed, with the test. What a test only expects, or says in its title, does not count.
 */
import { appendFileSync } from "node:fs"
import process from "node:process"
import { chai, expect } from "vitest"

import { errors } from "../../packages/protocol/src/errors.ts"
import { codesIn } from "./codes-in.ts"

const file = process.env["KF_PRODUCED_FILE"]
if (file === undefined) throw new Error("KF_PRODUCED_FILE names the file to write to")

const MATCHERS =
  "toBe toEqual toStrictEqual toMatchObject toContain toContainEqual toMatch toHaveProperty toSatisfy toThrow".split(
    " ",
  )
const table = new Set(Object.keys(errors))

const record = (value: unknown): void => {
  const found = codesIn(value, table)
  if (found.length === 0) return
  const { currentTestName = "", testPath = "" } = expect.getState()
  appendFileSync(
    file,
    found.map((code) => `${JSON.stringify({ code, file: testPath, test: currentTestName })}\n`).join(""),
  )
}

for (const name of MATCHERS)
  chai.util.overwriteMethod(
    chai.Assertion.prototype,
    name,
    (inner: (...args: unknown[]) => unknown) =>
      function (this: object, ...args: unknown[]) {
        const value: unknown = chai.util.flag(this, "object")
        const isNegated = chai.util.flag(this, "negate") === true
        const answer = inner.apply(this, args)
        if (!isNegated) record(value)
        return answer
      },
  )
