export * from "./merge.ts"
