export * from "./merge.ts"
export * from "./auditor.ts"
export * from "./lease.ts"
export * from "./rotation-list.ts"
