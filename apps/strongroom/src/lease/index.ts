import type { Handlers } from "../execute.ts"
import { evaluateLease } from "./evaluate.ts"
import { retireDevice } from "./retire.ts"
import type { LeaseDatabase } from "./store.ts"
import { leaseUnlocked, renewLease } from "./unlocked.ts"

/** The routes about leases. */
export const createLeaseHandlers = (leases: LeaseDatabase) =>
  ({
    "lease.evaluate": evaluateLease(leases),
    "lease.unlocked": leaseUnlocked(leases),
    "lease.renew": renewLease(leases),
    "device.retire": retireDevice,
  }) as const satisfies Partial<Handlers>
