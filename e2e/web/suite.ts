import type { BrowserName } from "./browsers.ts"

/** Counts what was seen, one sentence each. After a failure the rest of that story is not tried. */
export interface Suite {
  readonly check: (sentence: string, work: () => Promise<void>) => Promise<void>
  readonly passed: () => number
  readonly failed: () => number
}

/** Why a story stops: the sentence is told already. */
export class StoryStopped extends Error {}

export const createSuite = (browser: BrowserName, print: (line: string) => void): Suite => {
  let passed = 0
  let failed = 0
  return {
    check: async (sentence, work) => {
      const startedMs = performance.now()
      try {
        await work()
        passed++
        print(`  ok      ${sentence}  (${Math.round(performance.now() - startedMs)} ms)`)
      } catch (error) {
        failed++
        print(`  FAILED  ${browser}: ${sentence}\n          ${error instanceof Error ? error.message : String(error)}`)
        throw new StoryStopped(sentence)
      }
    },
    passed: () => passed,
    failed: () => failed,
  }
}

export const equal = (actual: unknown, expected: unknown): void => {
  const [a, e] = [JSON.stringify(actual), JSON.stringify(expected)]
  if (a !== e) throw new Error(`expected ${e}, met ${a}`)
}

export const assert = (holds: boolean, what: string): void => {
  if (!holds) throw new Error(what)
}

/** Looks again and again until it holds; gives the milliseconds that took. */
export const until = async (holds: () => Promise<boolean>, what: string, withinMs = 45_000): Promise<number> => {
  const startedMs = performance.now()
  while (!(await holds())) {
    if (performance.now() - startedMs > withinMs) throw new Error(`not within ${withinMs} ms: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
  return performance.now() - startedMs
}
