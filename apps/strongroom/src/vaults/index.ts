import type { StrongroomContext } from "../context.ts"
import type { Handlers } from "../execute.ts"
import type { LeaseDatabase } from "../lease/store.ts"
import { accountChain, accountKeys, enrolChain, enrolSlotWraps } from "./account-reads.ts"
import { accountAppend, enrolAppend } from "./append.ts"
import { bootstrap } from "./bootstrap.ts"
import { history } from "./history.ts"
import { createHotVaults } from "./hot-vaults.ts"
import { createRecordBlocks } from "./record-blocks.ts"
import { repair } from "./repair.ts"
import { createVaultStates } from "./rows.ts"
import { feed, sync } from "./sync.ts"

/** The routes about chains, vaults and records, with what they keep in memory. */
export const createVaultHandlers = (ctx: StrongroomContext, leases: LeaseDatabase) => {
  const parts = {
    hot: createHotVaults(ctx.primitives),
    states: createVaultStates(),
    blocks: createRecordBlocks(ctx.store),
    accounts: new Map(),
    leases,
  }
  return {
    sync: sync(parts),
    feed: feed(parts),
    bootstrap: bootstrap(parts),
    history: history(parts),
    repair: repair(parts),
    "account.append": accountAppend(parts),
    "account.chain": accountChain,
    "account.keys": accountKeys,
    "enrol.append": enrolAppend(parts),
    "enrol.chain": enrolChain,
    "enrol.slot-wraps": enrolSlotWraps,
  } as const satisfies Partial<Handlers>
}
