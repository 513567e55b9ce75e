export * from "./calls.ts"
export * from "./channel.ts"
export * from "./frames.ts"
