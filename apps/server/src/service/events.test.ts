import { afterEach, beforeEach, describe, expect, test } from "vitest"

import { findAccount } from "../store/accounts.ts"
import { readProgress } from "../store/progress.ts"
import { createWorld, deviceId, openTestStore, signIn, signUp, type World } from "../testing/world.ts"

let world: World
beforeEach(async () => {
  world = await createWorld()
})
afterEach(() => world.close())

const audit = () =>
  world.context.store
    .read((db) => db.selectFrom("audit").select("kind").orderBy("n").execute())
    .then((r) => r.map((x) => x.kind))

describe("events of the strongroom", () => {
  test("are applied once, however often and at once they are asked for", async () => {
    const uuid = await signUp(world, "ada@example.org", 1)
    world.fake.addEvent({ kind: "factor-added", accountUuid: uuid })
    world.fake.addEvent({ kind: "key-rotated", accountUuid: uuid })
    await Promise.all(Array.from({ length: 8 }, () => world.context.events.catchUp()))
    await world.context.events.catchUp()
    expect((await audit()).filter((k) => k === "factor-added")).toHaveLength(1)
    const mails = await world.mails()
    // A rotation is only logged; a new factor is mailed.
    expect(mails.map((m) => m.subject)).toEqual(["Security notice: factor added"])
  })

  test("an event that arrives during a run is applied by it", async () => {
    const uuid = await signUp(world, "ada@example.org", 1)
    world.fake.addEvent({ kind: "factor-added", accountUuid: uuid })
    const first = world.context.events.catchUp()
    world.fake.addEvent({ kind: "kit-replaced", accountUuid: uuid })
    const second = world.context.events.catchUp()
    await Promise.all([first, second])
    expect(await audit()).toContain("kit-replaced")
  })

  test("a failed effect leaves the cursor before it, and a restart goes on there", async () => {
    const uuid = await signUp(world, "ada@example.org", 1)
    await world.context.events.catchUp()
    const before = await world.context.store.read(readProgress)
    world.fake.addEvent({ kind: "factor-added", accountUuid: uuid })
    world.fake.failNext("events", { code: "strongroom-unavailable" })
    await world.context.events.catchUp()
    expect(await world.context.store.read(readProgress)).toEqual(before)
    await world.context.events.catchUp()
    expect((await world.context.store.read(readProgress))?.n).toBe((before?.n ?? 0) + 1)
  })

  test("a removed device loses sessions and streams at once", async () => {
    const uuid = await signUp(world, "ada@example.org", 1)
    const session = await signIn(world, "ada@example.org", 2)
    await world.context.store.transaction((tx) =>
      tx
        .updateTable("session")
        .set({ device_id: new Uint8Array(16).fill(2) })
        .execute(),
    )
    const heard: string[] = []
    world.context.feed.open(new Uint8Array(16).fill(2), { send: () => true, end: (why) => void heard.push(why) })
    world.fake.addEvent({ kind: "device-removed", accountUuid: uuid, deviceId: new Uint8Array(16).fill(2) })
    await world.context.events.catchUp()
    expect(heard).toEqual(["closed"])
    expect((await world.call("enrol.state", { session })).json["code"]).toBe("signed-out")
  })

  test.each(["password-changed", "recovery-used"])("%s signs everybody of the account out", async (kind) => {
    const uuid = await signUp(world, "ada@example.org", 1)
    const session = await signIn(world, "ada@example.org", 2)
    world.fake.addEvent({ kind, accountUuid: uuid })
    await world.context.events.catchUp()
    expect((await world.call("enrol.state", { session })).json["code"]).toBe("signed-out")
    expect((await world.mails()).map((m) => m.to)).toEqual(["ada@example.org"])
  })

  test("another log id is another past: everybody is signed out, streams end, and the log is read from its start", async () => {
    const uuid = await signUp(world, "ada@example.org", 1)
    const session = await signIn(world, "ada@example.org", 2)
    const heard: string[] = []
    world.context.feed.open(new Uint8Array(16).fill(1), { send: () => true, end: (why) => void heard.push(why) })
    world.fake.restore()
    world.fake.addEvent({ kind: "kit-replaced", accountUuid: uuid })
    await world.context.events.catchUp()
    expect(heard).toEqual(["restart"])
    expect((await world.call("enrol.state", { session })).json["code"]).toBe("signed-out")
    expect(await world.context.store.read(readProgress)).toMatchObject({ n: 1 })
    expect(await audit()).toContain("kit-replaced")
  })

  test("a deleted account leaves nothing but its log lines", async () => {
    const uuid = await signUp(world, "ada@example.org", 1)
    await signIn(world, "ada@example.org", 2)
    world.fake.addEvent({ kind: "account-deleted", accountUuid: uuid })
    await world.context.events.catchUp()
    expect(await world.context.store.read((db) => findAccount(db, uuid))).toBeUndefined()
    const sessions = await world.context.store.read((db) => db.selectFrom("session").select("level").execute())
    expect(sessions).toEqual([])
  })

  test("a first account whose sign-up was cut off after the strongroom's commit is still completed", async () => {
    const uuid = await signUp(world, "ada@example.org", 1)
    // The same store and strongroom with nothing applied yet, as after a crash right behind the commit.
    const store = await openTestStore()
    const again = await createWorld({ store, fake: world.fake, time: world.time })
    await store.transaction((tx) =>
      tx
        .insertInto("account")
        .values({
          uuid,
          account_id: null,
          address: "ada@example.org",
          address_key: "ada@example.org",
          confirmed: 0,
          operator: 0,
          first_device: new Uint8Array(16).fill(1),
          invitation: new Uint8Array(32).fill(4),
          created_ms: 1,
          seen_ms: 1,
        })
        .execute(),
    )
    await store.transaction((tx) =>
      tx
        .insertInto("invitation")
        .values({
          token_hash: new Uint8Array(32).fill(4),
          first: 1,
          created_ms: 1,
          expires_ms: 2,
          claimed_by: uuid,
          claimed_until_ms: 9,
          used_ms: null,
        })
        .execute(),
    )
    await again.context.events.catchUp()
    expect(await store.read((db) => findAccount(db, uuid))).toMatchObject({ confirmed: 1, operator: 1 })
    await again.close()
  })
})

test("activity shows the lines of one account only", async () => {
  await signUp(world, "ada@example.org", 1)
  await signUp(world, "bob@example.org", 2)
  for (const n of [1, 2]) {
    const device = world.fake.devices.get(`0${n}`.repeat(16))
    if (device !== undefined) device.state = "active"
  }
  const ada = await world.call("activity", { device: deviceId(1) })
  const bob = await world.call("activity", { device: deviceId(2) })
  expect(JSON.stringify(ada.json)).not.toContain("link-mailed")
  expect(JSON.stringify(bob.json)).toContain("link-mailed")
})
