import { coreHandlers } from "./core-handlers.ts"
import type { Handlers } from "./execute.ts"
import { createLeaseHandlers } from "./lease/index.ts"
import type { HandlerParts } from "./strongroom.ts"
import { createVaultHandlers } from "./vaults/index.ts"

/** Every route of the strongroom, each from the folder that owns it. */
export const allHandlers = ({ logins, leases, ctx }: HandlerParts): Handlers => ({
  ...coreHandlers(logins),
  ...createLeaseHandlers(leases),
  ...createVaultHandlers(ctx, leases),
})
