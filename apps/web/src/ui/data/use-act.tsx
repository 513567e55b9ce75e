import { createContext, type ReactNode, Suspense, use, useCallback, useMemo, useRef, useState } from "react"

import type { Result } from "@keyferry/base"
import type { Failure } from "@keyferry/sdk/errors"

import { later } from "../kit/later.ts"
import { useRefresh } from "./app-context.tsx"

const StepUpDialog = later(() => import("../shared/step-up-dialog.tsx").then((m) => m.StepUpDialog))

type Need = "password" | "factor"
type AskFor = (need: Need) => Promise<boolean>

const StepUpContext = createContext<AskFor>(() => Promise.resolve(false))

/** Holds the one question "your password, once more", which any action below may need in the middle. */
export const StepUpProvider = ({ children }: { readonly children: ReactNode }) => {
  const [need, setNeed] = useState<Need>()
  const answer = useRef<(given: boolean) => void>(undefined)
  const askFor = useCallback<AskFor>(
    (wanted) =>
      new Promise((resolve) => {
        answer.current = resolve
        setNeed(wanted)
      }),
    [],
  )
  const end = (given: boolean): void => {
    setNeed(undefined)
    answer.current?.(given)
  }
  return (
    <StepUpContext value={askFor}>
      {children}
      {need === undefined ? null : (
        <Suspense fallback={null}>
          <StepUpDialog need={need} onEnd={end} />
        </Suspense>
      )}
    </StepUpContext>
  )
}

export interface Act {
  readonly pending: boolean
  readonly failure: Failure | undefined
  readonly clear: () => void
  /**
   * Runs an action once at a time. Where it needs the password or the second factor again, asks for it and repeats.
   * Answers `undefined` where it failed; the failure is in `failure`.
   */
  readonly run: <T>(action: () => Promise<Result<T, Failure>>) => Promise<{ readonly value: T } | undefined>
}

export const useAct = (): Act => {
  const askFor = use(StepUpContext)
  const refresh = useRefresh()
  const [pending, setPending] = useState(false)
  const [failure, setFailure] = useState<Failure>()
  const running = useRef(false)

  const run = useCallback<Act["run"]>(
    async (action) => {
      if (running.current) return undefined
      running.current = true
      setPending(true)
      setFailure(undefined)
      try {
        let result = await action()
        for (let asked = 0; asked < 2 && !result.ok; asked++) {
          const { code } = result.error
          if (code !== "reauth-required" && code !== "second-factor-needed") break
          // Confirmed password and still refused: it is the factor that is too old.
          const isFactor = code === "second-factor-needed" || asked > 0
          // A person answers one question after the other.
          // oxlint-disable-next-line no-await-in-loop
          if (!(await askFor(isFactor ? "factor" : "password"))) break
          // oxlint-disable-next-line no-await-in-loop
          result = await action()
        }
        if (!result.ok) {
          setFailure(result.error)
          return undefined
        }
        await refresh()
        return { value: result.value }
      } finally {
        running.current = false
        setPending(false)
      }
    },
    [askFor, refresh],
  )
  const clear = useCallback(() => setFailure(undefined), [])
  return useMemo(() => ({ pending, failure, run, clear }), [pending, failure, run, clear])
}
