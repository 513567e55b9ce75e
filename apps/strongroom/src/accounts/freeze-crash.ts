import { writeSync } from "node:fs"

import { bytesToHex } from "@keyferry/base"

import { allHandlers } from "../all-handlers.ts"
import type { StrongroomContext } from "../context.ts"
import type { Handlers } from "../execute.ts"
import { createWorld, makeActive, reachOf, send, signUp } from "../fixture.ts"
import { crashing } from "../fixture-crash.ts"

/*
 * A process that dies in the middle of a freeze or a thaw, for accounts/freeze.test.ts. It is started by that test, with a
 * folder and the step at which it kills itself; no other program reads these arguments.
 */
const { folder, dieAt } = crashing(["before-lease", "after-lease", "frozen", "before-thaw-lease", "thawed"])

const dying = (ctx: StrongroomContext): StrongroomContext => ({
  ...ctx,
  leases: {
    ...ctx.leases,
    setFrozen: async (ids, frozen) => {
      dieAt(frozen ? "before-lease" : "before-thaw-lease")
      await ctx.leases.setFrozen(ids, frozen)
      if (frozen) dieAt("after-lease")
    },
  },
})
const withDying = (handlers: Handlers): Handlers => ({
  ...handlers,
  "account.freeze": (ctx, signed, body) => handlers["account.freeze"](dying(ctx), signed, body),
  "account.thaw": (ctx, signed, body) => handlers["account.thaw"](dying(ctx), signed, body),
})

const world = await createWorld((parts) => withDying(allHandlers(parts)), { folder })
const reach = reachOf(world)
const person = await signUp(reach)
await makeActive(reach, person)
writeSync(1, JSON.stringify({ accountUuid: person.accountUuid, deviceId: bytesToHex(person.device.deviceId) }))
await send(reach, person.device, "account.freeze", {})
dieAt("frozen")
await send(reach, person.device, "account.thaw", {})
dieAt("thawed")
