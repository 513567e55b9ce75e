import { entry } from "./entry.ts"
import { errorActions } from "./error-actions.ts"
import { frame } from "./frame.ts"

/** What the pages before the vault say; it comes with the first script. */
export const early = { ...frame, ...entry, ...errorActions } as const
