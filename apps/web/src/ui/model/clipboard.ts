import { useSyncExternalStore } from "react"

/*
 * One value at a time, for 45 seconds. A browser lets a page write to the clipboard only while somebody looks at it: at
 * the deadline the value is overwritten if the page has the focus; otherwise the app says that it is still there.
 */
export const CLEAR_AFTER_S = 45

export type ClipboardState =
  | { readonly state: "empty" | "cleared" | "failed" }
  | { readonly state: "holding"; readonly what: string; readonly sinceMs: number }
  | { readonly state: "left"; readonly what: string }

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
export const copySecret = async (value: string, what: string): Promise<boolean> => {
  clearTimeout(timer)
  try {
    await navigator.clipboard.writeText(value)
  } catch {
    // The browser refused, for example because the page lost the focus in between.
    set({ state: "failed" })
    return false
  }
  set({ state: "holding", what, sinceMs: Date.now() })
  timer = setTimeout(() => void clearNow(), CLEAR_AFTER_S * 1000)
  return true
}

/** For what is no secret: nothing to clear. */
export const copyText = async (text: string): Promise<boolean> => {
  try {
    await navigator.clipboard.writeText(text)
    return true
  } catch {
    set({ state: "failed" })
    return false
  }
}

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
    timer = setTimeout(() => set({ state: "empty" }), 4000)
  } catch {
    set({ state: "left", what })
  }
}

export const dismissClipboard = (): void => set({ state: "empty" })
