import { useEffect, useMemo } from "react"
import { useLocation } from "wouter"

import { useKeyferry } from "../data/app-context.tsx"
import { getPreferences, setPreferences } from "../data/preferences.ts"
import { answerOf, beginsKey, commandOfKey, type Commands, specsOf, useCommands } from "./commands.ts"

const TWO_KEYS_MS = 1200

const isTyping = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement &&
  (target.isContentEditable ||
    /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName) ||
    target.closest("[role=dialog],[role=alertdialog],[role=menu]") !== null)

/** The keys of the whole app. Single keys work only where nobody types; those with Ctrl or ⌘ everywhere. */
export const useShortcuts = ({
  openPalette,
  openHelp,
}: {
  readonly openPalette: () => void
  readonly openHelp: () => void
}): void => {
  const keyferry = useKeyferry()
  const [, go] = useLocation()
  useCommands(
    useMemo<Commands>(() => {
      const places: Record<string, () => void> = {}
      for (const spec of specsOf()) {
        const { goTo } = spec
        if (goTo !== undefined) places[spec.id] = () => go(goTo)
      }
      return {
        ...places,
        "app.shortcuts": openHelp,
        "app.lock": () => void keyferry.lockEverywhere(),
        "app.theme": () =>
          setPreferences({ theme: document.documentElement.dataset["theme"] === "dark" ? "light" : "dark" }),
        "app.density": () =>
          setPreferences({
            density: getPreferences().density === "compact" ? "comfortable" : "compact",
            densityOffered: true,
          }),
        "sync.now": () => void keyferry.syncNow(),
      }
    }, [go, keyferry, openHelp]),
  )
  useEffect(() => {
    let first = ""
    let firstAt = 0
    const onKeyDown = (event: KeyboardEvent): void => {
      const withCommand = event.ctrlKey || event.metaKey
      if (withCommand && !event.altKey && event.key.toLowerCase() === "k") {
        event.preventDefault()
        openPalette()
        return
      }
      if (withCommand && event.shiftKey && event.key.toLowerCase() === "l") {
        event.preventDefault()
        void keyferry.lockEverywhere()
        return
      }
      if (withCommand && event.key === "Enter") {
        const form = document.activeElement?.closest("form")
        if (form !== null && form !== undefined) {
          event.preventDefault()
          form.requestSubmit()
        }
        return
      }
      if (withCommand || event.altKey || event.isComposing || event.defaultPrevented || isTyping(event.target)) return
      if (event.key === "Escape") {
        answerOf("list.clear")?.()
        return
      }
      const typed = first !== "" && event.timeStamp - firstAt < TWO_KEYS_MS ? `${first} ${event.key}` : event.key
      const id = commandOfKey(typed)
      const answer = id === undefined ? undefined : answerOf(id)
      if (answer !== undefined) {
        event.preventDefault()
        first = ""
        answer()
      } else {
        first = beginsKey(event.key) ? event.key : ""
        firstAt = event.timeStamp
      }
    }
    document.addEventListener("keydown", onKeyDown)
    return () => document.removeEventListener("keydown", onKeyDown)
  }, [keyferry, openPalette])
}
