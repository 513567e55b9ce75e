import { early } from "./early.ts"
import { inside } from "./inside.ts"

/** Every English text of the app, by id. Sentences of errors and labels of fields stand in the tables they belong to. */
export const en = { ...early, ...inside } as const
