import process from "node:process"

import { createStory, step1, step2, step3, step4 } from "./story/first-crossing.ts"
import { createRecorder } from "./story/recorder.ts"
import { createStage } from "./story/stage.ts"

/** The story of the first crossing on real processes: `npm run demo [-- --json] [--steps 1,2]`. */
const json = process.argv.includes("--json")
const say = createRecorder(json)
const stage = await createStage()
try {
  const story = createStory(stage, say)
  for (const step of [step1, step2, step3, step4]) await step(story)
} catch (error) {
  say.check("the story goes on", false, error instanceof Error ? (error.stack ?? error.message) : String(error))
} finally {
  await stage.close()
}
const failed = say.seen().filter((s) => !s.ok).length
process.stdout.write(`demo: ${say.seen().length} assertions, ${failed} failed\n`)
process.exitCode = failed === 0 && say.seen().length > 0 ? 0 : 1
