import { equalBytes, expectOk } from "@keyferry/base"
import { type AccountState, decodeAccountState } from "@keyferry/chain"

import type { AccountStates } from "./context.ts"

const MAX_STATES = 2000

/**
 * Verified chains by account. The row's head decides whether the one in memory is the newest, so a state that another
 * process wrote is read again.
 */
export const createAccountStates = (maxStates = MAX_STATES): AccountStates => {
  const states = new Map<string, AccountState>()
  return Object.freeze<AccountStates>({
    read: async (tx, accountUuid) => {
      const head = await tx
        .selectFrom("account")
        .select(["head_seq", "head_hash"])
        .where("uuid", "=", accountUuid)
        .executeTakeFirst()
      if (head === undefined || head.head_hash === null) return undefined
      const known = states.get(accountUuid)
      if (known !== undefined && known.head.seq === head.head_seq && equalBytes(known.head.hash, head.head_hash)) {
        states.delete(accountUuid)
        states.set(accountUuid, known)
        return known
      }
      const row = await tx
        .selectFrom("account")
        .select("chain_state")
        .where("uuid", "=", accountUuid)
        .executeTakeFirstOrThrow()
      const state = expectOk(
        decodeAccountState(row.chain_state ?? new Uint8Array()),
        "the stored state of a chain is damaged",
      )
      if (states.size >= maxStates) states.delete(states.keys().next().value ?? "")
      states.set(accountUuid, state)
      return state
    },
  })
}
