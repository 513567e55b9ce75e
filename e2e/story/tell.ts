import process from "node:process"

import type { Recorder } from "./recorder.ts"
import { createStory, type Story } from "./story.ts"
import { stepOne } from "./step-1.ts"
import { stepTwo } from "./step-2.ts"
import { stepThree } from "./step-3.ts"
import { stepFour } from "./step-4.ts"
import { stepFive } from "./step-5.ts"
import { stepSix } from "./step-6.ts"
import { stepSeven } from "./step-7.ts"
import { stepEight } from "./step-8.ts"
import { stepNine } from "./step-9.ts"
import { createWorld } from "./world.ts"

const STEPS: readonly (readonly [title: string, tell: (story: Story) => Promise<void>])[] = [
  ["three keys without an account; an account and a kit, and nothing of the keys anywhere", stepOne],
  ["nothing is uploaded before second factor and confirmation; then what was chosen, and no more", stepTwo],
  ["a second device by mail, code and kit; a third by words", stepThree],
  ["edits through the feed, offline, and in conflict", stepFour],
  ["a removed device goes dark", stepFive],
  ["what must not happen by accident", stepSix],
  ["kill -9, forty times", stepSeven],
  ["all devices lost, then the password, then the server", stepEight],
  ["the search for everything that was secret", stepNine],
]

export interface Telling {
  /** The last step to be told. */
  readonly until: number
  readonly seed: string
  /** Leaves the folder of everything behind, and says where it is. */
  readonly keep: boolean
}

/** Tells the story in order. A step that cannot go on is a failed assertion, and ends it. */
export const tellStory = async (recorder: Recorder, { until, seed, keep }: Telling): Promise<void> => {
  const world = await createWorld()
  const leave = (code: number) => (): void => void world.close(keep).finally(() => process.exit(code))
  process.once("SIGINT", leave(130))
  process.once("SIGTERM", leave(143))
  // A defect of the story itself: say it, and leave nothing running.
  process.once("unhandledRejection", (error) => {
    process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`)
    leave(1)()
  })
  try {
    await world.server.start()
    const story = createStory(world, recorder, seed)
    for (const [index, [title, tell]] of STEPS.slice(0, until).entries()) {
      recorder.begin(index + 1, title)
      let broken: unknown
      await tell(story).catch((error: unknown) => {
        broken = error
      })
      if (broken === undefined) continue
      await recorder.check("the step goes on to its end", () => {
        throw broken
      })
      return
    }
  } finally {
    if (keep) process.stderr.write(`Everything is left in ${world.folder}\n`)
    await world.close(keep)
  }
}
