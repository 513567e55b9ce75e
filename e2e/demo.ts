import process from "node:process"

import { createStory, step1, step2, step3, step4 } from "./crossing/first-crossing.ts"
import { createRecorder } from "./crossing/recorder.ts"
import { step5, step6, step7, step8, step9 } from "./crossing/second-half.ts"
import { createStage } from "./crossing/stage.ts"

const say = createRecorder(process.argv.includes("--json"))
const stage = await createStage()
try {
  const story = createStory(stage, say)
  const wanted = /--steps=([\d,]+)/.exec(process.argv.join(" "))?.[1]?.split(",").map(Number)
  const steps = [step1, step2, step3, step4, step5, step6, step7, step8, step9]
  for (const [i, step] of steps.entries()) if (wanted === undefined || wanted.includes(i + 1)) await step(story)
} catch (error) {
  say.check("the story goes on", false, error instanceof Error ? (error.stack ?? error.message) : String(error))
} finally {
  await stage.close()
}
const failed = say.seen().filter((s) => !s.ok).length
process.stdout.write(`demo: ${say.seen().length} assertions, ${failed} failed\n`)
process.exitCode = failed === 0 ? 0 : 1
