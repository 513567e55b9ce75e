import { afterEach, beforeEach, expect, it } from "vitest"

import {
  createWorld,
  enrolDevice,
  makeActive,
  must,
  prepareSignUp,
  type Reach,
  reachOf,
  send,
  signUp,
  type World,
} from "../fixture.ts"
import { coreOnly } from "../fixture-core.ts"
import { dropEnded, expireOverdue } from "./housekeeping.ts"

let world: World
let reach: Reach
beforeEach(async () => {
  world = await createWorld(coreOnly)
  reach = reachOf(world)
})
afterEach(() => world.close())

const HOUR = 3_600_000
const rows = (table: "account" | "device" | "attempt"): Promise<number> =>
  world.room().ctx.store.read(
    async (db) =>
      (
        await db
          .selectFrom(table)
          .select((e) => e.lit(1).as("one"))
          .execute()
      ).length,
  )

it("[DV8] waiting devices end when nobody asks about them, each with its event", async () => {
  const person = await signUp(reach)
  await makeActive(reach, person)
  await enrolDevice(reach, person)
  const { ctx } = world.room()
  world.clock.add(HOUR / 2 - 1)
  expect(await expireOverdue(ctx)).toBe(0)
  world.clock.add(1)
  expect(await expireOverdue(ctx)).toBe(1)
  expect(await expireOverdue(ctx)).toBe(0)
  const { events } = await must(reach.call("events", { after: 0, max: 100 }))
  expect(events.at(-1)).toMatchObject({ kind: "device-expired", accountUuid: person.accountUuid })
})

it("[DV8] what ended long ago is dropped, what lives or must stay dead is not", async () => {
  const person = await signUp(reach)
  await makeActive(reach, person)
  await prepareSignUp(reach)
  await enrolDevice(reach, person)
  const denied = await enrolDevice(reach, person)
  await must(reach.call("confirmDeny", { tokenHash: world.room().ctx.primitives.sha256(denied.token) }))
  const { ctx } = world.room()
  expect([await rows("account"), await rows("device"), await rows("attempt")]).toEqual([2, 4, 2])
  expect(await dropEnded(ctx)).toBe(0)
  world.clock.add(25 * HOUR)
  await expireOverdue(ctx)
  expect(await dropEnded(ctx)).toBe(2)
  expect([await rows("account"), await rows("device"), await rows("attempt")]).toEqual([1, 3, 2])
  world.clock.add(31 * 24 * HOUR)
  expect(await dropEnded(ctx)).toBe(3)
  expect([await rows("account"), await rows("device"), await rows("attempt")]).toEqual([1, 2, 0])
  expect((await send(reach, denied.device, "account.status")).code).toBe("device-rejected")
  expect((await send(reach, person.device, "account.status")).status).toBe(200)
})
