/** What was asserted, whether it held, and how long it took since the assertion before it. */
export interface Assertion {
  readonly step: number
  /** `2.3` and the sentence that is asserted. */
  readonly assertion: string
  readonly ok: boolean
  readonly ms: number
  /** Why not, for a person who repairs it. */
  readonly why?: string
}

export interface Recorder {
  readonly begin: (step: number, title: string) => void
  /**
   * Asserts one sentence: `look` throws, or answers false, where it does not hold. The story goes on either way, so that one
   * run tells everything that is wrong.
   */
  readonly check: (sentence: string, look: () => unknown) => Promise<boolean>
  readonly assertions: () => readonly Assertion[]
}

export interface RecorderPorts {
  readonly onBegin: (step: number, title: string) => void
  readonly onAssertion: (assertion: Assertion) => void
  readonly nowMs: () => number
}

const MAX_WHY = 3_000

export const createRecorder = ({ onBegin, onAssertion, nowMs }: RecorderPorts): Recorder => {
  const assertions: Assertion[] = []
  let step = 0
  let number = 0
  let lastMs = nowMs()

  const check = async (sentence: string, look: () => unknown): Promise<boolean> => {
    let why: string | undefined
    try {
      if ((await look()) === false) why = "It does not hold."
    } catch (error) {
      why = error instanceof Error ? error.message : String(error)
    }
    number++
    const endMs = nowMs()
    const one: Assertion = {
      step,
      assertion: `${step}.${number} ${sentence}`,
      ok: why === undefined,
      ms: Math.round(endMs - lastMs),
      ...(why === undefined ? {} : { why: why.slice(0, MAX_WHY) }),
    }
    lastMs = endMs
    assertions.push(one)
    onAssertion(one)
    return one.ok
  }

  return Object.freeze({
    begin: (next: number, title: string) => {
      step = next
      number = 0
      lastMs = nowMs()
      onBegin(next, title)
    },
    check,
    assertions: () => assertions,
  })
}
