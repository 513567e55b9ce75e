// Reads the output of a suite on stdin and prints `PASSED FAILED`, or a sentence and exit 1 when its closing line cannot be read.
// Plain JavaScript: `.ci/run` calls it with whatever Node the machine has.
import { readFileSync } from "node:fs"

const GOOD = /(\d+) (?:passed|assertions|public|own|opened by the second program|denied)\b/g
const BAD = /(\d+) (?:failed|skipped|refused to close|not denied)\b/g
const sum = (text, pattern) => [...text.matchAll(pattern)].reduce((total, match) => total + Number(match[1]), 0)

export const readClosingLine = (output) => {
  // eslint-disable-next-line no-control-regex
  const lines = output
    .replace(/\u001B\[[0-9;]*m/g, "")
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "")
  const last = lines.at(-1) ?? ""
  if (last.match(GOOD) === null && last.match(BAD) === null) return undefined
  // `N assertions, M failed` counts all of them: the failed ones are not passed as well.
  const bad = sum(last, BAD)
  const good = sum(last, GOOD) - (/\d+ assertions\b/.test(last) ? bad : 0)
  return { passed: good, failed: bad }
}

if (process.argv[1]?.endsWith("closing-line.mjs")) {
  const counts = readClosingLine(readFileSync(0, "utf8"))
  if (counts === undefined || counts.passed + counts.failed === 0) {
    console.log("its closing line could not be read")
    process.exit(1)
  }
  console.log(`${counts.passed} ${counts.failed}`)
}
