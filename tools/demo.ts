/**
 * `npm run demo`: the story of the first crossing, on real processes: a server with its strongroom, a mail server, `kf` on
 * machines with homes of their own, and wires that keep every byte.
 *
 *   npm run demo -- [--json] [--until STEP] [--seed TEXT] [--keep]
 *
 * Prints each step with its assertions, and closes with `demo: N assertions, N failed`.
 */
import process from "node:process"
import { parseArgs } from "node:util"

import { createRecorder } from "../e2e/story/recorder.ts"
import { tellStory } from "../e2e/story/tell.ts"

const { values: options } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    until: { type: "string", default: "9" },
    seed: { type: "string", default: "the first crossing" },
    keep: { type: "boolean", default: false },
  },
})
const { json, until, seed, keep } = options

const print = (line: string): void => void process.stdout.write(`${line}\n`)
const recorder = createRecorder({
  nowMs: () => performance.now(),
  onBegin: (step, title) => {
    if (!json) print(`\nStep ${step}: ${title}`)
  },
  onAssertion: ({ step, assertion, ok, ms, why }) => {
    if (json) print(JSON.stringify({ step, assertion, ok, ms, ...(why === undefined ? {} : { why }) }))
    else
      print(
        `  ${ok ? "ok    " : "FAILED"}  ${assertion}  (${ms} ms)${why === undefined ? "" : `\n          ${why.replaceAll("\n", "\n          ")}`}`,
      )
  },
})
await tellStory(recorder, { until: Number(until), seed, keep })
const assertions = recorder.assertions()
const failed = assertions.filter(({ ok }) => !ok).length
print(`${json ? "" : "\n"}demo: ${assertions.length} assertions, ${failed} failed`)
process.exit(failed === 0 && assertions.length > 0 ? 0 : 1)
