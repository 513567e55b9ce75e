import type { Kit } from "@keyferry/sdk"

/** Between the answer that brings a kit and the screen that shows it; in memory only, and only until that screen is left. */
let unsaved: Kit | undefined
export const keepKit = (kit: Kit): void => {
  unsaved = kit
}
export const takeKit = (): Kit | undefined => unsaved
export const dropKit = (): void => {
  unsaved = undefined
}
