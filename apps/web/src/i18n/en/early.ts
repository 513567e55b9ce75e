import { entry } from "./entry.ts"
import { errorActions } from "./error-actions.ts"
import { words } from "./words.ts"

/** What the pages before the vault say; it comes with the first script. */
export const early = { ...words, ...entry, ...errorActions } as const
