/** Names of this browser's databases begin with it; the one of just this name says which rows count. */
export const PROFILE = "keyferry"
