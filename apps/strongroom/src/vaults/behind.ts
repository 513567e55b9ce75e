import { err } from "@keyferry/base"
import type { Failure } from "@keyferry/protocol"

import type { SigningDevice } from "../context.ts"
import type { LeaseDatabase } from "../lease/store.ts"

/** A restored store has lost links of this account that were certainly committed. Source   spec/feed.md SY90 */
export const isBehind = ({ leases }: { readonly leases: LeaseDatabase }, { accountId }: SigningDevice): boolean =>
  leases.behindOf(accountId).length > 0

export const behind = err<Failure>({
  code: "chain-rolled-back",
  detail: "This server was restored and waits for a repair.",
})
