import { join } from "node:path"

import { err, ok } from "@keyferry/base"
import { afterEach, beforeEach, describe, expect, test } from "vitest"

import { createKek, createLeaseWorld, type LeaseWorld, type OpenKek } from "./fixture.ts"
import type { LeaseDatabase, LeaseStoreOptions } from "./store.ts"

let world: LeaseWorld
let kek: OpenKek
let leases: LeaseDatabase

beforeEach(async () => {
  world = await createLeaseWorld()
  ;({ kek, leases } = world)
})
afterEach(() => world.close())

describe("opening", () => {
  const reopened = async (openKek: LeaseStoreOptions["openKek"]): Promise<string> => {
    const opened = await world.openWith(openKek)
    if (!opened.ok) return `${opened.error.code}: ${opened.error.detail}`
    await opened.value.close()
    return "open"
  }

  test("[LS11] a first version of the KEK may be made while nothing is wrapped, and never after", async () => {
    const asked: boolean[] = []
    const asking: LeaseStoreOptions["openKek"] = (mayCreate) => {
      asked.push(mayCreate)
      return ok(createKek())
    }
    expect(await reopened(asking)).toBe("open")
    await world.live()
    expect(await reopened(asking)).toBe("open")
    expect(asked).toEqual([true, false])
  })

  test("[LS11] a KEK that does not open, misses a version, or opens no key of one, is no KEK of this store", async () => {
    const { deviceId } = await world.live()
    const own = await reopened(() => err({ code: "kms-unavailable", detail: "away" }))
    expect(own).toBe("kms-unavailable: away")
    const others = createKek({ versions: () => ["kek:7"] })
    expect(await reopened(() => ok(others))).toBe("kms-wrong-key: The lease store needs the key kek:1.")
    expect(others.closed).toBe(true)
    kek.current = "kek:2"
    const { deviceId: second } = await world.live()
    expect(await reopened(() => ok(others))).toBe("kms-wrong-key: The lease store needs the key kek:1, kek:2.")
    await leases.kill([second], [])
    const unwrap = (error: { code: "kms-wrong-key" | "kms-unavailable"; detail?: string }): OpenKek =>
      createKek({ unwrap: async () => err(error) })
    const wrong = unwrap({ code: "kms-wrong-key", detail: "other bytes" })
    expect(await reopened(() => ok(wrong))).toBe("kms-wrong-key: other bytes")
    expect(wrong.closed).toBe(true)
    expect(await reopened(() => ok(unwrap({ code: "kms-wrong-key" })))).toBe(
      "kms-wrong-key: The lease store's keys do not open.",
    )
    // A key service that is away is asked again when a key is needed.
    expect(await reopened(() => ok(unwrap({ code: "kms-unavailable" })))).toBe("open")
    await leases.kill([deviceId], [])
    expect(await reopened(() => ok(wrong))).toBe("open")
  })

  test("[LS11] one key of each version is opened, for its own place, and wiped", async () => {
    await world.live()
    kek.current = "kek:2"
    await world.live()
    const wrong: string[] = []
    const proving = createKek({
      versions: () => ["kek:1", "kek:2"],
      unwrap: async (wrapped, place) => {
        wrong.push(wrapped.kekId)
        return kek.unwrap(wrapped, place)
      },
    })
    const before = kek.seen.length
    expect(await reopened(() => ok(proving))).toBe("open")
    expect(wrong.toSorted()).toEqual(["kek:1", "kek:2"])
    expect(kek.seen.length).toBe(before + 2)
    expect(kek.seen.every((bytes) => bytes.every((byte) => byte === 0))).toBe(true)
    expect(proving.closed).toBe(true)
  })

  test("[LS11] a store that cannot be opened says why, and asks for no key", async () => {
    let asked = false
    const opened = await world.openWith(
      () => {
        asked = true
        return ok(createKek())
      },
      `sqlite:${join(world.folder, "nowhere", "leases.db")}`,
    )
    expect(opened.ok).toBe(false)
    expect(asked).toBe(false)
  })
})
