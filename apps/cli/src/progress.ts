import type { Context } from "./context.ts"
import type { OnProgress, Progress } from "./keyferry.ts"

const WORDS: Readonly<Record<Progress["step"], string>> = {
  uploading: "Uploading",
  retrieving: "Retrieving",
  opening: "Opening",
  importing: "Importing",
  rotating: "Rotating keys",
}

const LINE_EVERY_MS = 5_000
const BAR = 10

export interface ProgressView {
  readonly on: OnProgress
  /** Ends the line on a terminal. */
  readonly end: () => void
}

/**
 * Counts applied records: one changing line on a terminal, a line every five seconds or tenth elsewhere, events under
 * --json. The work is the agent's: Ctrl-C leaves it running, and the hint says how to look.
 */
export const showProgress = (context: Context, resume: string): ProgressView => {
  const { io, clock } = context
  let lastMs = 0
  let lastTenth = -1
  let open = false
  context.setResume(resume)
  const on: OnProgress = (progress) => {
    const { step, done, total } = progress
    if (io.json) {
      io.event({ event: "progress", step, done, total })
      return
    }
    const word = WORDS[step]
    const tenth = total === 0 ? BAR : Math.floor((done / total) * BAR)
    if (io.terminal.stderr) {
      io.draw(`\r${word}  ${"█".repeat(tenth)}${"░".repeat(BAR - tenth)}  ${done}/${total}\u001b[K`)
      open = true
      return
    }
    const nowMs = clock.nowMs()
    if (tenth === lastTenth && nowMs - lastMs < LINE_EVERY_MS) return
    lastMs = nowMs
    lastTenth = tenth
    io.say(`${word} ${done}/${total}`)
  }
  return {
    on,
    end: () => {
      if (open) io.draw("\n")
      open = false
      context.setResume(undefined)
    },
  }
}
