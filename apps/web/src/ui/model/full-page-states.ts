import type { Status } from "@keyferry/sdk"

import type { Surroundings } from "../data/surroundings.ts"
import { syncStateOf } from "./sync-state.ts"

/** States in which nothing else may be on the page. */
export const FULL_PAGE_STATES = [
  "insecure-context",
  "browser-lacks",
  "store-failure",
  "client-too-old",
  "wrong-server",
  "device-removed",
] as const

export type FullPageState = (typeof FULL_PAGE_STATES)[number]

export const fullPageState = (status: Status | undefined, surroundings: Surroundings): FullPageState | undefined => {
  if (!surroundings.secure) return "insecure-context"
  if (surroundings.missing.length > 0) return "browser-lacks"
  if (surroundings.failure !== undefined) return "store-failure"
  if (status === undefined) return undefined
  const state = syncStateOf(status, surroundings)
  return FULL_PAGE_STATES.find((wall) => wall === state)
}
