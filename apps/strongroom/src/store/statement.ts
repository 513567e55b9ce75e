import { type Statements, statementsOf } from "@keyferry/store"

import type { MainTables } from "./tables.ts"

/** Statements about the main store's tables, compiled once. */
export const { statement, inserter }: Statements<MainTables> = statementsOf<MainTables>()
