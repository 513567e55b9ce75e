import { lp } from "@keyferry/base"

import type { Primitives } from "./primitives/primitives.ts"

/** Chain kinds, in ids, links and wraps. Source   spec/keys.md KE4 */
export const CHAIN_KIND = { account: 1, team: 2, vault: 3 } as const
export type ChainKind = (typeof CHAIN_KIND)[keyof typeof CHAIN_KIND]

/** SHA-256, the hash of the suite. Source   spec/keys.md KE1 */
export const H = (p: Primitives, bytes: Uint8Array): Uint8Array => p.sha256(bytes)

/** What an account, team or vault is called: a hash of its first link, so that no server can invent one. Source   spec/keys.md KE4 */
export const chainId = (p: Primitives, kind: ChainKind, genesisPayload: Uint8Array): Uint8Array =>
  H(p, lp("kf1/id", kind, genesisPayload))

/** Stands in a genesis where an id or a previous hash cannot be known yet. */
export const ZERO_ID: Uint8Array = new Uint8Array(32)
