import type { Result } from "@keyferry/base"

import type { ChainError } from "./errors.ts"

/** A holder's chain key, wherever it lives. `sign` is plain Ed25519 over exactly the message given. */
export interface LinkSigner {
  readonly holderId: Uint8Array
  readonly sign: (message: Uint8Array) => Promise<Uint8Array>
}

/** A place in a chain: the sequence number of a link and the hash of its payload. */
export interface Head {
  readonly seq: number
  readonly hash: Uint8Array
}

export type Checked<T> = Result<T, ChainError>
