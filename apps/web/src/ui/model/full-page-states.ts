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
