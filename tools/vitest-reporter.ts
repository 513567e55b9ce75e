import { relative } from "node:path"
import process from "node:process"
import { stripVTControlCharacters } from "node:util"
import type { Reporter, SerializedError, TestCase, TestModule, TestSuite, Vitest } from "vitest/node"

/** What a run came to. `failed` also counts files that could not be loaded, failed hooks and stray errors. */
export interface TestTally {
  readonly passed: number
  readonly failed: number
  readonly skipped: number
}

/** The line every suite closes with, read by `.ci/run`. */
export const closingLine = (tally: TestTally): string =>
  `${tally.passed} passed, ${tally.failed} failed${tally.skipped > 0 ? `, ${tally.skipped} skipped` : ""}`

interface Reported {
  readonly reporter: Reporter
  /** `undefined` until the run has ended. */
  readonly tally: () => TestTally | undefined
}

/**
 * One line per file, the whole story of each failure, the reason of each skip, nothing else.
 * `quiet` leaves the lines of passing files out.
 */
export const createReporter = (write: (line: string) => void, root: string, quiet = false): Reported => {
  let vitest: Vitest | undefined
  let tally: TestTally | undefined

  const explain = (what: string, error: unknown): void => {
    write(`  failed: ${what}`)
    const text = vitest === undefined ? undefined : vitest.logger.formatError(error, { showCodeFrame: false })
    const story = (text === undefined ? String(error) : text.output).trimEnd()
    for (const line of (colours() ? story : stripVTControlCharacters(story)).split("\n")) write(`    ${line}`)
  }

  const fileLine = (module: TestModule): void => {
    const counts = countModule(module)
    const name = relative(root, module.moduleId)
    const ms = Math.round(module.diagnostic().duration)
    if (counts.failed > 0) write(`failed  ${name}  ${counts.failed} of ${counts.failed + counts.passed} (${ms} ms)`)
    else if (!quiet) write(`ok      ${name}  ${counts.passed} (${ms} ms)`)
    for (const error of module.errors()) explain(name, error)
    for (const suite of module.children.allSuites()) {
      for (const error of suite.errors()) explain(suite.fullName, error)
    }
    for (const test of module.children.allTests()) {
      const result = test.result()
      if (result.state === "failed") for (const error of result.errors) explain(test.fullName, error)
      if (result.state === "pending") write(`  failed: ${test.fullName}\n    it did not finish`)
      if (result.state === "skipped") write(`  skipped: ${test.fullName}: ${skipReason(test, result.note)}`)
    }
  }

  const onTestRunEnd = (modules: readonly TestModule[], strays: readonly SerializedError[]): void => {
    const counts = modules.map(countModule)
    for (const error of strays) explain("an error outside of any test", error)
    tally = {
      passed: sum(counts.map((c) => c.passed)),
      failed: sum(counts.map((c) => c.failed)) + strays.length,
      skipped: sum(counts.map((c) => c.skipped)),
    }
  }

  return {
    reporter: {
      onInit: (started) => {
        vitest = started
      },
      onTestModuleEnd: fileLine,
      onTestRunEnd,
    },
    tally: () => tally,
  }
}

const colours = (): boolean => process.stdout.isTTY && process.env["NO_COLOR"] === undefined

const countModule = (module: TestModule): TestTally => {
  const states = [...module.children.allTests()].map((test) => test.result().state)
  const broken = [module, ...module.children.allSuites()].filter(
    (part: TestModule | TestSuite) => part.errors().length > 0,
  )
  return {
    passed: states.filter((state) => state === "passed").length,
    failed: states.filter((state) => state === "failed" || state === "pending").length + broken.length,
    skipped: states.filter((state) => state === "skipped").length,
  }
}

const skipReason = (test: TestCase, note: string | undefined): string =>
  note ??
  (test.options.mode === "run"
    ? "another test of this file was chosen"
    : `marked ${test.options.mode}, no reason given`)

const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0)
