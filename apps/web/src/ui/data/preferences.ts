import { useSyncExternalStore } from "react"

/*
 * What this browser remembers about how the app looks. Nothing here is about anybody's keys, so it may stand in the open.
 */
export interface Preferences {
  readonly theme: "system" | "light" | "dark"
  readonly density: "comfortable" | "compact"
  readonly densityOffered: boolean
  readonly singleKeys: boolean
  /** Command → key, where it differs from the list of shortcuts. */
  readonly keys: Readonly<Record<string, string>>
  readonly locale: string
  readonly revealWarned: boolean
  readonly kitLaterUntilMs: number
}

const DEFAULTS: Preferences = {
  theme: "system",
  density: "comfortable",
  densityOffered: false,
  singleKeys: true,
  keys: {},
  locale: "en",
  revealWarned: false,
  kitLaterUntilMs: 0,
}

const PLACE = "keyferry.preferences"

const read = (): Preferences => {
  try {
    const stored: unknown = JSON.parse(localStorage.getItem(PLACE) ?? "{}")
    return typeof stored === "object" && stored !== null ? { ...DEFAULTS, ...stored } : DEFAULTS
  } catch {
    // Stored by an older version or damaged: looks are not worth an error.
    return DEFAULTS
  }
}

let preferences: Preferences | undefined
const listeners = new Set<() => void>()

export const getPreferences = (): Preferences => (preferences ??= read())

export const setPreferences = (change: Partial<Preferences>): void => {
  preferences = { ...getPreferences(), ...change }
  localStorage.setItem(PLACE, JSON.stringify(preferences))
  applyLook()
  for (const listener of listeners) listener()
}

export const usePreferences = (): Preferences =>
  useSyncExternalStore((listener) => {
    listeners.add(listener)
    return () => listeners.delete(listener)
  }, getPreferences)

const dark = matchMedia("(prefers-color-scheme: dark)")

/** Puts theme and density on the root element; called once at the start and after each change. */
export const applyLook = (): void => {
  const { theme, density } = getPreferences()
  const root = document.documentElement
  root.dataset["theme"] = theme === "system" ? (dark.matches ? "dark" : "light") : theme
  root.dataset["density"] = density
}

dark.addEventListener("change", applyLook)
