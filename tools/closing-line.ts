/**
 * Reads the output of a suite on stdin and prints `PASSED FAILED` for the sum in `.ci/run`; a sentence and exit code 1 when
 * the closing line cannot be read.
 */
import { readFileSync } from "node:fs"
import process from "node:process"
import { stripVTControlCharacters } from "node:util"

const GOOD =
  /(\d+) (?:passed|assertions|public|own|opened by the second program|denied|killed|targets|held|failed without their rule as expected)\b/g
const BAD = /(\d+) (?:failed(?! without)|skipped|not denied|survived|unexpected)\b/g

/** A suite that skipped something has not passed it: skips count as failures. */
export const readClosingLine = (output: string): { readonly passed: number; readonly failed: number } | undefined => {
  const last =
    stripVTControlCharacters(output)
      .split("\n")
      .map((line) => line.trim())
      .findLast((line) => line !== "") ?? ""
  if (!last.match(GOOD) && !last.match(BAD)) return undefined
  const failed = sum(last, BAD)
  // `N assertions, M failed` counts all of them: the failed ones are not passed as well.
  return { passed: sum(last, GOOD) - (/\d+ assertions\b/.test(last) ? failed : 0), failed }
}

const sum = (text: string, pattern: RegExp): number =>
  [...text.matchAll(pattern)].reduce((total, match) => total + Number(match[1]), 0)

if (import.meta.main) {
  const counts = readClosingLine(readFileSync(0, "utf8"))
  if (counts === undefined || counts.passed + counts.failed === 0) {
    process.stdout.write("its closing line could not be read\n")
    process.exitCode = 1
  } else {
    process.stdout.write(`${counts.passed} ${counts.failed}\n`)
  }
}
