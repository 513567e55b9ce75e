import { writeSync } from "node:fs"

import { bytesToHex } from "@keyferry/base"

import { allHandlers } from "../all-handlers.ts"
import type { StrongroomContext } from "../context.ts"
import { createWorld, enrolDevice, makeActive, must, reachOf, signUp } from "../fixture.ts"
import { crashing } from "../fixture-crash.ts"
import { deleteAccount } from "./deletion.ts"

/*
 * A process that dies in the middle of deleting an account, for accounts/deletion.test.ts. It is started by that test, with
 * a folder and the step at which it kills itself; no other program reads these arguments.
 */
const { folder, dieAt } = crashing(["before-kill", "after-kill", "after-commit", "after-confirm"])

const dying = (ctx: StrongroomContext): StrongroomContext => ({
  ...ctx,
  leases: {
    ...ctx.leases,
    kill: async (...parts) => {
      dieAt("before-kill")
      await ctx.leases.kill(...parts)
      dieAt("after-kill")
    },
    confirm: async (...parts) => {
      dieAt("after-commit")
      await ctx.leases.confirm(...parts)
      dieAt("after-confirm")
    },
  },
})

const world = await createWorld(allHandlers, { folder })
const reach = reachOf(world)
const person = await signUp(reach)
await makeActive(reach, person)
const waiting = await enrolDevice(reach, person)
const other = await signUp(reach)
writeSync(
  1,
  JSON.stringify({
    accountUuid: person.accountUuid,
    accountId: bytesToHex(person.accountId),
    devices: [person.device.deviceId, waiting.device.deviceId].map(bytesToHex),
    other: other.accountUuid,
    otherDevice: bytesToHex(other.device.deviceId),
  }),
)
await must(deleteAccount(dying(world.room().ctx), { accountUuid: person.accountUuid }))
