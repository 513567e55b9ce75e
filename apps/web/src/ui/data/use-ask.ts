import { useCallback, useEffect, useState } from "react"

import type { Result } from "@keyferry/base"
import type { Failure } from "@keyferry/sdk/errors"

import { useSnapshot } from "./app-context.tsx"

export interface Asked<T> {
  readonly value: T | undefined
  readonly failure: Failure | undefined
  readonly loading: boolean
  readonly again: () => void
}

/** Asks once, and again after every change; the last answer stays while the next one is on its way. */
export const useAsk = <T>(ask: () => Promise<Result<T, Failure>>, key: string): Asked<T> => {
  const version = useSnapshot((snapshot) => snapshot.version)
  const [turn, setTurn] = useState(0)
  const [answer, setAnswer] = useState<{ readonly key: string; readonly result: Result<T, Failure> }>()
  useEffect(() => {
    let current = true
    void ask().then((result) => {
      if (current) setAnswer({ key, result })
    })
    return () => {
      current = false
    }
    // `ask` is a new function at every draw; what it asks for is named by the key.
    // oxlint-disable-next-line react-hooks/exhaustive-deps
  }, [key, version, turn])
  const result = answer?.key === key ? answer.result : undefined
  return {
    value: result?.ok === true ? result.value : undefined,
    failure: result?.ok === false ? result.error : undefined,
    loading: result === undefined,
    again: useCallback(() => setTurn((n) => n + 1), []),
  }
}
