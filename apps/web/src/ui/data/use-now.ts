import { useEffect, useState } from "react"

/** The time, drawn again every so often while somebody looks. */
export const useNow = (everyMs = 30_000): number => {
  const [nowMs, setNowMs] = useState(() => Date.now())
  useEffect(() => {
    const timer = setInterval(() => setNowMs(Date.now()), everyMs)
    return () => clearInterval(timer)
  }, [everyMs])
  return nowMs
}
