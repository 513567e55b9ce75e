import { useSyncExternalStore } from "react"

import type { ErrorCode } from "@keyferry/sdk/errors"

/*
 * One value at a time, for 45 seconds. A browser lets a page write to the clipboard only while somebody looks at it: at
 * the deadline the value is overwritten if the page has the focus; otherwise the app says that it is still there.
 */
export const CLEAR_AFTER_S = 45

export type ClipboardState =
  | { readonly state: "empty" | "cleared" | "failed" }
  /** By a key or from the palette there is no button that says so. */
  | { readonly state: "holding"; readonly what: string; readonly sinceMs: number; readonly from: CopiedFrom }
  /** No secret, and nothing to clear. */
  | { readonly state: "copied"; readonly what: string }
  /** The value was not to be had. */
  | { readonly state: "refused"; readonly code: ErrorCode }
  | { readonly state: "left"; readonly what: string }

export type CopiedFrom = "button" | "key"

const SAID_MS = 4000

let current: ClipboardState = { state: "empty" }
let timer: ReturnType<typeof setTimeout> | undefined
const listeners = new Set<() => void>()

const set = (next: ClipboardState): void => {
  current = next
  for (const listener of listeners) listener()
}

export const useClipboard = (): ClipboardState =>
  useSyncExternalStore(
    (listener) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    () => current,
  )

/** `what` names the copied thing for the words on screen; the value itself is kept nowhere. */
export const copySecret = async (value: string, what: string, from: CopiedFrom): Promise<boolean> => {
  clearTimeout(timer)
  try {
    await navigator.clipboard.writeText(value)
  } catch {
    // The browser refused, for example because the page lost the focus in between.
    set({ state: "failed" })
    return false
  }
  set({ state: "holding", what, sinceMs: Date.now(), from })
  timer = setTimeout(() => void clearNow(), CLEAR_AFTER_S * 1000)
  return true
}

/** For what is no secret: nothing to clear. `what` is said where no button says it. */
export const copyText = async (text: string, what?: string): Promise<boolean> => {
  try {
    await navigator.clipboard.writeText(text)
    // A secret that was there is gone, and what is there now is not to be cleared.
    clearTimeout(timer)
    set(what === undefined ? { state: "empty" } : { state: "copied", what })
    if (what !== undefined) timer = setTimeout(() => set({ state: "empty" }), SAID_MS)
    return true
  } catch {
    set({ state: "failed" })
    return false
  }
}

/** Nothing was copied, because the device does not give the value now. */
export const sayRefused = (code: ErrorCode): void => set({ state: "refused", code })

export const clearNow = async (): Promise<void> => {
  clearTimeout(timer)
  const what = current.state === "holding" || current.state === "left" ? current.what : ""
  if (!document.hasFocus()) {
    set({ state: "left", what })
    return
  }
  try {
    await navigator.clipboard.writeText("")
    set({ state: "cleared" })
    timer = setTimeout(() => set({ state: "empty" }), SAID_MS)
  } catch {
    set({ state: "left", what })
  }
}

export const dismissClipboard = (): void => set({ state: "empty" })
