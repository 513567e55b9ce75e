import { useSyncExternalStore } from "react"

/** What some browsers hand out once, early: the right to ask the person whether the app shall be installed. */
interface InstallOffer extends Event {
  readonly prompt: () => Promise<unknown>
}

export type Installing = "installed" | "offered" | "by-menu"

let offer: InstallOffer | undefined
let installed = false
const listeners = new Set<() => void>()
const changed = (): void => {
  for (const listener of listeners) listener()
}

/** From the start of the page: the offer comes before any screen asks for it. */
export const watchInstall = (): void => {
  addEventListener("beforeinstallprompt", (event) => {
    // The browser's own bar is held back; Settings has the button.
    event.preventDefault()
    offer = event as InstallOffer
    changed()
  })
  addEventListener("appinstalled", () => {
    offer = undefined
    installed = true
    changed()
  })
}

const isStandalone = (): boolean => matchMedia("(display-mode: standalone)").matches

const read = (): Installing => (installed || isStandalone() ? "installed" : offer === undefined ? "by-menu" : "offered")

export const useInstalling = (): Installing =>
  useSyncExternalStore((listener) => {
    listeners.add(listener)
    return () => listeners.delete(listener)
  }, read)

/** Has the browser ask. An offer can be used once, whatever the person says. */
export const install = async (): Promise<void> => {
  const given = offer
  offer = undefined
  changed()
  await given?.prompt()
}
