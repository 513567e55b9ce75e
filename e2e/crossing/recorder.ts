import process from "node:process"

export interface Recorder {
  readonly step: (n: number, title: string) => void
  readonly check: (assertion: string, holds: boolean, why?: unknown) => void
  readonly seen: () => readonly { readonly ok: boolean }[]
}

export const createRecorder = (json: boolean): Recorder => {
  const seen: { step: number; assertion: string; ok: boolean; ms: number; why?: string }[] = []
  let current = 0
  let sinceMs = performance.now()
  return {
    step: (n, title) => {
      current = n
      sinceMs = performance.now()
      if (!json) process.stdout.write(`\n${n}. ${title}\n`)
    },
    check: (assertion, holds, why) => {
      const now = performance.now()
      const entry = { step: current, assertion, ok: holds, ms: Math.round(now - sinceMs), ...(holds || why === undefined ? {} : { why: typeof why === "string" ? why : JSON.stringify(why) }) }
      sinceMs = now
      seen.push(entry)
      process.stdout.write(json ? `${JSON.stringify(entry)}\n` : `  ${holds ? "ok    " : "FAILED"} ${assertion} (${entry.ms} ms)${entry.why === undefined ? "" : `\n         ${entry.why}`}\n`)
    },
    seen: () => seen,
  }
}
