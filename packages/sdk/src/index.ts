export type * from "./api.ts"
export { openKeyferry } from "./keyferry.ts"
export type * from "./passkey-port.ts"
export type * from "./ports.ts"
