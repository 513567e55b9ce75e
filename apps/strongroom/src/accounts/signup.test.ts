import { equalBytes } from "@keyferry/base"
import { afterEach, beforeEach, describe, expect, it } from "vitest"

import {
  codeOf,
  createWorld,
  json,
  makeActive,
  makeDevice,
  must,
  prepareSignUp,
  type Reach,
  random,
  reachOf,
  send,
  setFactor,
  signUp,
  type World,
} from "../fixture.ts"
import { coreOnly } from "../fixture-core.ts"

let world: World
let reach: Reach
beforeEach(async () => {
  world = await createWorld(coreOnly)
  reach = reachOf(world)
})
afterEach(() => world.close())

const kinds = async (): Promise<readonly string[]> =>
  (await must(reach.call("events", { after: 0, max: 100 }))).events.map((event) => event.kind)

describe("signing up", () => {
  it("[DV5] makes record, lease, chain and device in one step", async () => {
    const person = await signUp(reach)
    const status = await json(send(reach, person.device, "account.status"))
    expect(status).toMatchObject({ state: "pending-first", confirmed: false, factors: [], seq: 1, frozen: false })
    expect(await kinds()).toEqual(["account-created"])
    expect(await world.room().leases.attempts(person.device.deviceId)).toMatchObject({ attempts: 0, locked: false })
  })

  it("[DV5] sent again with the same genesis it answers the same, with another it is refused", async () => {
    const prepared = await prepareSignUp(reach)
    const first = await send(reach, prepared.device, "signup.finish", prepared.body)
    const again = await send(reach, prepared.device, "signup.finish", prepared.body)
    expect([first.status, again.status]).toEqual([200, 200])
    expect(equalBytes(first.body, again.body)).toBe(true)
    expect(await kinds()).toEqual(["account-created"])
    const other = await prepareSignUp(reach)
    const foreign = await send(reach, prepared.device, "signup.finish", {
      ...other.body,
      accountUuid: prepared.accountUuid,
    })
    expect(foreign.code).toBe("not-allowed")
  })

  it("[DV5] refuses wraps that the genesis does not commit to, and stores nothing then", async () => {
    const prepared = await prepareSignUp(reach)
    const other = await prepareSignUp(reach)
    for (const wraps of [
      prepared.body.wraps.slice(1),
      other.body.wraps,
      [...prepared.body.wraps].reverse().slice(0, 2),
    ]) {
      const answer = await send(reach, prepared.device, "signup.finish", { ...prepared.body, wraps })
      expect(answer.code).toBe("malformed")
    }
    expect(await kinds()).toEqual([])
    // The order of the wraps means nothing.
    const shuffled = [...prepared.body.wraps].reverse()
    expect((await send(reach, prepared.device, "signup.finish", { ...prepared.body, wraps: shuffled })).status).toBe(
      200,
    )
  })

  it("[DV5] refuses a genesis of another device, and one that was changed", async () => {
    const mine = await prepareSignUp(reach)
    const other = await prepareSignUp(reach)
    const stolen = { ...other.body, accountUuid: mine.accountUuid }
    expect((await send(reach, mine.device, "signup.finish", stolen)).code).toBe("chain-invalid")
    const genesis = mine.body.genesis.slice()
    genesis[genesis.length - 100] = (genesis[genesis.length - 100] ?? 0) ^ 1
    expect((await send(reach, mine.device, "signup.finish", { ...mine.body, genesis })).code).toBe("chain-invalid")
    expect(
      (await send(reach, mine.device, "signup.finish", { ...mine.body, registrationRecord: random.bytes(10) })).code,
    ).toBe("malformed")
    expect(await kinds()).toEqual([])
  })

  it("[DV4] a reservation ends after 30 minutes", async () => {
    const prepared = await prepareSignUp(reach)
    world.clock.add(30 * 60_000)
    expect((await send(reach, prepared.device, "signup.finish", prepared.body)).code).toBe("device-expired")
  })

  it("[DV4] another reservation replaces the first; a device of another account cannot be reserved", async () => {
    const first = await prepareSignUp(reach)
    const device = await makeDevice()
    // No point is encoded like this (RFC 9496, 4.3.1); one of sixteen random strings is a point.
    const start = {
      accountUuid: first.accountUuid,
      registrationRequest: new Uint8Array(32).fill(0xff),
      device: device.keys,
    }
    expect(await codeOf(reach.call("registerStart", start))).toBe("malformed")
    const other = await signUp(reach)
    const { registrationRequest } = await requestOf()
    const taken = { accountUuid: first.accountUuid, registrationRequest, device: other.device.keys }
    expect(await codeOf(reach.call("registerStart", taken))).toBe("holder-reused")
    await must(
      reach.call("registerStart", { accountUuid: first.accountUuid, registrationRequest, device: device.keys }),
    )
    expect((await send(reach, first.device, "signup.finish", first.body)).code).toBe("device-not-enrolled")
    const again = { accountUuid: other.accountUuid, registrationRequest, device: (await makeDevice()).keys }
    expect(await codeOf(reach.call("registerStart", again))).toBe("not-allowed")
  })

  it("[DV1] becomes active when confirmed and with a second factor, in either order", async () => {
    const ada = await signUp(reach)
    await makeActive(reach, ada)
    expect(await json(send(reach, ada.device, "account.status"))).toMatchObject({ state: "active", factors: ["totp"] })
    const ben = await signUp(reach)
    await setFactor(reach, ben.device)
    expect(await json(send(reach, ben.device, "account.status"))).toMatchObject({ state: "pending-first" })
    await must(reach.call("confirmFirst", { accountUuid: ben.accountUuid }))
    expect(await json(send(reach, ben.device, "account.status"))).toMatchObject({ state: "active", confirmed: true })
    expect((await kinds()).filter((kind) => kind === "account-active")).toHaveLength(2)
  })

  it("[DV1] the first-account link may come before the account itself", async () => {
    const prepared = await prepareSignUp(reach)
    expect(await must(reach.call("confirmFirst", { accountUuid: prepared.accountUuid }))).toEqual({ state: "reserved" })
    await send(reach, prepared.device, "signup.finish", prepared.body)
    await setFactor(reach, prepared.device)
    expect(await json(send(reach, prepared.device, "account.status"))).toMatchObject({ state: "active" })
  })

  it("[DV2] a first device is refused vaults, first as unconfirmed, then for want of a factor", async () => {
    const person = await signUp(reach)
    const sync = { account: [1, person.chain.head.hash], cursors: [], pushes: [], maxBytes: 1000 }
    expect((await send(reach, person.device, "sync", sync)).code).toBe("device-not-verified")
    expect(
      (await send(reach, person.device, "devices.deny", { deviceId: "dev_aaaaaaaaaaaaaaaaaaaaaaaaaa" })).code,
    ).toBe("device-not-verified")
    await must(reach.call("confirmFirst", { accountUuid: person.accountUuid }))
    expect((await send(reach, person.device, "sync", sync)).code).toBe("two-factor-required")
  })

  it("[DV21] only an account without vaults is deleted, and its keys stay dead", async () => {
    const person = await signUp(reach)
    await must(reach.call("deleteAccount", { accountUuid: person.accountUuid }))
    expect((await send(reach, person.device, "account.status")).code).toBe("device-not-enrolled")
    expect(await world.room().leases.attempts(person.device.deviceId)).toBeUndefined()
    await must(reach.call("deleteAccount", { accountUuid: person.accountUuid }))
    const { registrationRequest } = await requestOf()
    const back = { accountUuid: crypto.randomUUID(), registrationRequest, device: person.device.keys }
    expect(await codeOf(reach.call("registerStart", back))).toBe("holder-reused")
    expect(world.notices.at(-1)?.closed.some((id) => equalBytes(id, person.device.deviceId))).toBe(true)

    const other = await signUp(reach)
    await world.room().ctx.store.transaction((tx) =>
      tx
        .insertInto("vault")
        .values({
          id: random.bytes(32),
          account_uuid: other.accountUuid,
          kind: 1,
          created_ms: 0,
          head_seq: 1,
          head_hash: random.bytes(32),
          authority_seq: 1,
          authority_hash: random.bytes(32),
          epoch: 1,
          root: random.bytes(32),
          count: 0,
          bytes: 0,
          chain_state: random.bytes(1),
        })
        .execute(),
    )
    expect(await codeOf(reach.call("deleteAccount", { accountUuid: other.accountUuid }))).toBe("not-allowed")
  })
})

const requestOf = async (): Promise<{ registrationRequest: Uint8Array }> => {
  const { startOpaqueRegistration } = await import("@keyferry/crypto")
  return { registrationRequest: (await startOpaqueRegistration("another password")).request }
}
