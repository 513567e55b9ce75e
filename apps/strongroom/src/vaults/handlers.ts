import type { Primitives } from "@keyferry/crypto"

import type { Handlers } from "../execute.ts"
import { accountChain, accountKeys, enrolChain, enrolSlotWraps } from "./account-reads.ts"
import { accountAppend, enrolAppend } from "./append.ts"
import { bootstrap } from "./bootstrap.ts"
import { history } from "./history.ts"
import { createHotVaults } from "./hot-vaults.ts"
import type { PushParts } from "./push.ts"
import { createVaultStates } from "./rows.ts"
import { feed, sync } from "./sync.ts"

/** What the vault routes keep in memory. */
export const createVaultParts = (p: Primitives): PushParts => ({
  hot: createHotVaults(p),
  states: createVaultStates(),
})

/** The routes about chains, vaults and records. */
export const vaultHandlers = (parts: PushParts) =>
  ({
    sync: sync(parts),
    feed: feed(parts),
    bootstrap: bootstrap(parts.states),
    history,
    "account.append": accountAppend(parts),
    "account.chain": accountChain,
    "account.keys": accountKeys,
    "enrol.append": enrolAppend(parts),
    "enrol.chain": enrolChain,
    "enrol.slot-wraps": enrolSlotWraps,
  }) as const satisfies Partial<Handlers>
