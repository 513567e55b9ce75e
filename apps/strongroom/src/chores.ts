import type { OpenStrongroom } from "./strongroom.ts"

/** Work that waits for nobody: started with the process, stopped before its stores close. */
export const startChores = (_strongroom: OpenStrongroom): (() => Promise<void>) => async () => undefined
