import { type Statements, statementsOf } from "@keyferry/store"

import type { Tables } from "./tables.ts"

/** Statements about the server's tables, compiled once. */
export const { statement }: Statements<Tables> = statementsOf<Tables>()
