import { afterEach, beforeEach, describe, expect, test } from "vitest"

import { createLeaseWorld, type LeaseWorld, random } from "./fixture.ts"
import type { LeaseDatabase } from "./store.ts"

let world: LeaseWorld
let leases: LeaseDatabase

beforeEach(async () => {
  world = await createLeaseWorld()
  ;({ leases } = world)
})
afterEach(() => world.close())

describe("heads", () => {
  const head = (accountId: Uint8Array, seq: number, chain = random.bytes(32)) => ({
    kind: 1,
    id: chain,
    accountId,
    seq,
    hash: random.bytes(32),
  })

  test("[LS14] the highest of each chain is kept", async () => {
    const account = random.bytes(32)
    const [a, b] = [head(account, 3), head(account, 1)] as const
    await leases.raiseHeads([a, b])
    await leases.raiseHeads([
      { ...a, seq: 2, hash: random.bytes(32) },
      { ...b, seq: 4 },
    ])
    const kept = await leases.chainHeads()
    expect(kept).toHaveLength(2)
    expect(kept).toEqual(expect.arrayContaining([a, { ...b, seq: 4 }]))
  })

  test("[LS16] what is behind is listed by account, and found anew each time", () => {
    const [one, two] = [random.bytes(32), random.bytes(32)] as const
    const [a, b, c] = [head(one, 1), head(one, 2), head(two, 3)] as const
    expect(leases.behindOf(one)).toEqual([])
    expect(leases.allBehind()).toEqual([])
    leases.setBehind([a, c, b])
    expect(leases.behindOf(one)).toEqual([a, b])
    expect(leases.behindOf(two)).toEqual([c])
    expect(leases.allBehind()).toEqual([a, b, c])
    leases.setBehindOf(one, [b])
    expect(leases.behindOf(one)).toEqual([b])
    leases.setBehindOf(one, [])
    expect(leases.allBehind()).toEqual([c])
    leases.setBehind([a])
    expect(leases.allBehind()).toEqual([a])
  })
})
