import { useCallback, useEffect, useRef, useState } from "react"

import type { ItemDraft } from "@keyferry/sdk"

import { useKeyferry } from "../data/app-context.tsx"
import type { Draft } from "./editor.tsx"

/** Typing is written down at most this often. */
const KEEP_EVERY_MS = 300

export interface KeptDraft {
  readonly draft: Draft
  /** The device was not asked yet whether there is a draft. */
  readonly loading: boolean
  /** An earlier draft was found, and is what the editor shows. */
  readonly restored: boolean
  /** Whether what is in the editor now outlives this page; `undefined` while nothing was typed. */
  readonly kept: boolean | undefined
  readonly change: (next: Draft) => void
  /** Back to the item as it is. */
  readonly discard: () => void
  /** It was saved or given up: nothing of it stays. */
  readonly forget: () => Promise<void>
}

/** The editor's text, kept sealed by the device while it is typed, and found again after a reload, a lock or another page. */
export const useDraft = (of: string, initial: Draft): KeptDraft => {
  const keyferry = useKeyferry()
  // The item as it was when the editor opened: a draft is what differs from it.
  const [base] = useState(initial)
  const [draft, setDraft] = useState(base)
  const [found, setFound] = useState<"asking" | "nothing" | "restored">("asking")
  const [kept, setKept] = useState<boolean>()
  const waiting = useRef<{ readonly next: Draft; readonly timer: ReturnType<typeof setTimeout> }>(undefined)

  const write = useCallback(async (): Promise<void> => {
    const last = waiting.current
    if (last === undefined) return
    waiting.current = undefined
    clearTimeout(last.timer)
    const different = differenceOf(base, last.next)
    const done = await keyferry.keepDraft(of, different ?? null)
    if (waiting.current === undefined) setKept(different === undefined ? undefined : done.ok)
  }, [keyferry, of, base])

  useEffect(() => {
    let current = true
    void keyferry.draft(of).then((answer) => {
      if (!current) return
      const earlier = answer.ok && answer.value !== undefined ? withDraft(base, answer.value) : undefined
      const isDifferent = earlier !== undefined && differenceOf(base, earlier) !== undefined
      if (isDifferent) setDraft(earlier)
      setFound(isDifferent ? "restored" : "nothing")
    })
    return () => {
      current = false
    }
  }, [keyferry, of, base])

  useEffect(() => {
    const leave = (): void => void write()
    document.addEventListener("visibilitychange", leave)
    return () => {
      document.removeEventListener("visibilitychange", leave)
      leave()
    }
  }, [write])

  const forget = async (): Promise<void> => {
    clearTimeout(waiting.current?.timer)
    waiting.current = undefined
    setKept(undefined)
    await keyferry.keepDraft(of, null)
  }
  return {
    draft,
    loading: found === "asking",
    restored: found === "restored",
    kept,
    change: (next) => {
      setDraft(next)
      const timer = waiting.current?.timer ?? setTimeout(() => void write(), KEEP_EVERY_MS)
      waiting.current = { next, timer }
    },
    discard: () => {
      setDraft(base)
      setFound("nothing")
      void forget()
    },
    forget,
  }
}

export const differenceOf = (base: Draft, next: Draft): ItemDraft | undefined => {
  const values: Record<string, string | null> = Object.fromEntries([
    ...Object.keys(base.values).flatMap((name) => (name in next.values ? [] : [[name, null] as const])),
    ...Object.entries(next.values).filter(([name, value]) => value !== (base.values[name] ?? "")),
  ])
  const title = next.title === base.title ? undefined : next.title
  const tags = next.tags === base.tags ? undefined : next.tags
  if (title === undefined && tags === undefined && Object.keys(values).length === 0) return undefined
  return { ...(title === undefined ? {} : { title }), ...(tags === undefined ? {} : { tags }), values }
}

/** Over the item of today: what the draft does not speak of is as it is now, also where it changed in between. */
export const withDraft = (base: Draft, draft: ItemDraft): Draft => ({
  title: draft.title ?? base.title,
  tags: draft.tags ?? base.tags,
  values: Object.fromEntries(
    Object.entries({ ...base.values, ...draft.values }).flatMap(([name, value]) =>
      value === null ? [] : [[name, value] as const],
    ),
  ),
})
