import { writeSync } from "node:fs"

import { bytesToHex } from "@keyferry/base"

import { allHandlers } from "../all-handlers.ts"
import type { StrongroomContext } from "../context.ts"
import type { Handlers } from "../execute.ts"
import { addDevice, createWorld, enrolDevice, makeActive, reachOf, send, signUp } from "../fixture.ts"
import { crashing } from "../fixture-crash.ts"
import type { LeaseStore } from "../lease-store.ts"
import { removal, writerOf } from "../vaults/fixture.ts"
import { createVaultHandlers } from "../vaults/index.ts"

/*
 * A process that dies in the middle of a removal, for lease/reconcile.test.ts. It is started by that test, with a folder
 * and the step before or after which it kills itself; no other program reads these arguments.
 */
const { folder, dieAt } = crashing(["before-kill", "after-kill", "after-commit", "after-confirm", "none"])

const dying = (leases: LeaseStore): LeaseStore => ({
  ...leases,
  kill: async (...parts) => {
    dieAt("before-kill")
    await leases.kill(...parts)
    dieAt("after-kill")
  },
  confirm: async (...parts) => {
    dieAt("after-commit")
    await leases.confirm(...parts)
    dieAt("after-confirm")
  },
})

const withDying = (handlers: Handlers): Handlers => {
  const append = handlers["account.append"]
  return {
    ...handlers,
    "account.append": (ctx: StrongroomContext, signed, body) =>
      append({ ...ctx, leases: dying(ctx.leases) }, signed, body),
  }
}

const world = await createWorld((parts) => withDying(allHandlers(parts)), { folder })
const reach = reachOf(world)
const person = await signUp(reach)
await makeActive(reach, person)
const enrolled = await enrolDevice(reach, person)
const added = await addDevice(person.chain, person.device, enrolled, person.accountSeed, 1)
// The approval goes around the steps: it is the removal that dies.
const { ctx, leases } = world.room()
const signing = {
  accountUuid: person.accountUuid,
  accountId: person.accountId,
  deviceId: person.device.deviceId,
  state: "active",
  sigPk: person.device.keys.sigPk,
  lastFactorMs: world.clock.nowMs(),
  lastPasswordMs: world.clock.nowMs(),
} as const
const limits = { devices: 0, items: 0, bytes: 0 }
const approved = await createVaultHandlers(ctx, leases)["account.append"](
  ctx,
  { device: signing, query: "", createdS: 0, limits, origins: [] },
  { link: added.link, wraps: added.wraps, rotations: [] },
)
if (!approved.ok) throw new Error(approved.error.code)

const writer = writerOf(person, person.device, added.next)
const out = await removal(writer, [enrolled.device.deviceId])
const body = { link: out.link, wraps: out.wraps, prevSealed: out.prevSealed, rotations: [] }
writeSync(
  1,
  JSON.stringify({
    accountUuid: person.accountUuid,
    accountId: bytesToHex(person.accountId),
    remover: bytesToHex(person.device.deviceId),
    removed: bytesToHex(enrolled.device.deviceId),
    leaseId: bytesToHex(enrolled.answer.lease.leaseId),
    linkHash: bytesToHex(out.next.head.hash),
    link: bytesToHex(out.link),
    wraps: out.wraps.map(bytesToHex),
    prevSealed: bytesToHex(out.prevSealed),
  }),
)
const answer = await send(reach, person.device, "account.append", body)
if (answer.status !== 200) throw new Error(answer.code)
await world.room().close()
