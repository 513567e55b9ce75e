import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

import { bytesToHex, concatBytes, equalBytes, err, ok } from "@keyferry/base"
import { afterEach, beforeEach, describe, expect, test } from "vitest"

import type { Tombstone } from "../lease-store.ts"
import { createPooledRandom } from "../random.ts"
import type { LeaseKek } from "./kek.ts"
import { type LeaseDatabase, type LeaseStoreOptions, MAX_ATTEMPTS, openLeaseStore } from "./store.ts"

const random = createPooledRandom()
const START_MS = 1_790_000_000_000
const UNTIL_MS = START_MS + 30 * 60_000
const REFUSED = { ok: false, error: { code: "lease-refused" } }
const FROZEN = { ok: false, error: { code: "account-frozen" } }

/** A KEK that puts the place in front of the key, so that a test sees what it was given. */
interface OpenKek extends LeaseKek {
  current: string
  closed: boolean
  onWrap: () => void
  /** The bytes that were wrapped, and those that were handed out. */
  readonly seen: Uint8Array[]
}
const createKek = (over: Partial<LeaseKek> = {}): OpenKek => {
  const kek: OpenKek = {
    current: "kek:1",
    closed: false,
    onWrap: () => undefined,
    seen: [],
    currentId: () => kek.current,
    versions: () => ["kek:1", kek.current],
    wrap: async (plaintext, { deviceId, leaseId }) => {
      kek.seen.push(plaintext)
      const kekId = kek.current
      const sealed = concatBytes(deviceId, leaseId, plaintext)
      kek.onWrap()
      return ok({ kekId, sealed })
    },
    unwrap: async ({ sealed }, { deviceId, leaseId }) => {
      if (!equalBytes(sealed.slice(0, 32), concatBytes(deviceId, leaseId))) return err({ code: "kms-wrong-key" })
      const plain = sealed.slice(32)
      kek.seen.push(plain)
      return ok(plain)
    },
    makeNext: async () => ok(kek.current),
    destroy: async () => ok(undefined),
    close: async () => void (kek.closed = true),
    ...over,
  }
  return kek
}

let folder: string
let nowMs: number
let kek: OpenKek
let leases: LeaseDatabase
const url = (): string => `sqlite:${join(folder, "leases.db")}`
const openWith = (openKek: LeaseStoreOptions["openKek"], at = url()): ReturnType<typeof openLeaseStore> =>
  openLeaseStore({ url: at, openKek, clock: { nowMs: () => nowMs }, random })

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "kf-leases-"))
  nowMs = START_MS
  kek = createKek()
  const opened = await openWith(() => ok(kek))
  if (!opened.ok) throw new Error(opened.error.code)
  leases = opened.value
})
afterEach(async () => {
  await leases.close()
  rmSync(folder, { recursive: true, force: true })
})

const id = (): Uint8Array => random.bytes(16)
const live = async (deviceId = id()): Promise<{ readonly deviceId: Uint8Array; readonly leaseId: Uint8Array }> => {
  const { leaseId } = await leases.reserve(deviceId, UNTIL_MS)
  expect(await leases.makeLive(deviceId)).toBe(true)
  return { deviceId, leaseId }
}
const evaluations = async (deviceId: Uint8Array, leaseId: Uint8Array, n: number): Promise<void> => {
  for (let i = 0; i < n; i++) expect((await leases.beginEvaluation(deviceId, leaseId)).ok).toBe(true)
}

describe("a reservation", () => {
  test("[LS6] is a new key that counts nothing yet, wrapped for its place and wiped", async () => {
    const deviceId = id()
    const { leaseId, leasePk } = await leases.reserve(deviceId, UNTIL_MS)
    const row = await leases.read(deviceId)
    expect(row).toEqual({
      device_id: deviceId,
      state: "reserved",
      frozen: 0,
      attempts: 0,
      evaluations: 0,
      lease_id: leaseId,
      lease_pk: leasePk,
      kek_id: "kek:1",
      sealed: row?.sealed,
      serial: 0,
      expires_ms: 0,
      reserved_until_ms: UNTIL_MS,
    })
    expect(row?.sealed?.slice(0, 32)).toEqual(concatBytes(deviceId, leaseId))
    expect(leaseId.length).toBe(16)
    expect(row?.sealed?.slice(32).some((byte) => byte !== 0)).toBe(true)
    expect(kek.seen.every((bytes) => bytes.every((byte) => byte === 0))).toBe(true)
  })

  test("[LS6] asked for again it is the same key until its end, and then another one", async () => {
    const deviceId = id()
    const first = await leases.reserve(deviceId, UNTIL_MS)
    expect(await leases.reserve(deviceId, UNTIL_MS + 1)).toEqual(first)
    nowMs = UNTIL_MS - 1
    expect(await leases.reserve(deviceId, UNTIL_MS + 1)).toEqual(first)
    expect(kek.seen.length).toBe(1)
    nowMs = UNTIL_MS
    const second = await leases.reserve(deviceId, UNTIL_MS + 60_000)
    expect(second.leaseId).not.toEqual(first.leaseId)
    expect(await leases.read(deviceId)).toMatchObject({
      lease_id: second.leaseId,
      reserved_until_ms: UNTIL_MS + 60_000,
    })
  })

  test("[LS6] asked for twice at once it is one key", async () => {
    const deviceId = id()
    const [a, b] = await Promise.all([leases.reserve(deviceId, UNTIL_MS), leases.reserve(deviceId, UNTIL_MS)])
    expect(a).toEqual(b)
    expect((await leases.read(deviceId))?.lease_id).toEqual(a?.leaseId)
  })

  test("[LS6] becomes live once, before its end, and stays it", async () => {
    const deviceId = id()
    expect(await leases.makeLive(deviceId)).toBe(false)
    await leases.reserve(deviceId, UNTIL_MS)
    nowMs = UNTIL_MS
    expect(await leases.makeLive(deviceId)).toBe(false)
    expect((await leases.read(deviceId))?.state).toBe("reserved")
    nowMs = UNTIL_MS - 1
    expect(await leases.makeLive(deviceId)).toBe(true)
    expect(await leases.read(deviceId)).toMatchObject({ state: "live", reserved_until_ms: 0 })
    nowMs = UNTIL_MS + 1
    expect(await leases.makeLive(deviceId)).toBe(true)
    await leases.kill([deviceId], [])
    expect(await leases.makeLive(deviceId)).toBe(false)
  })

  test("[LS6] is not made for a device that has, or had, a lease", async () => {
    const { deviceId } = await live()
    await expect(leases.reserve(deviceId, UNTIL_MS)).rejects.toThrow("a device id with a lease reserves another")
    await leases.kill([deviceId], [])
    await expect(leases.reserve(deviceId, UNTIL_MS)).rejects.toThrow("a device id with a lease reserves another")
  })

  test("[LS11] is made again where the KEK was replaced while it was wrapped", async () => {
    kek.onWrap = () => (kek.current = "kek:2")
    const deviceId = id()
    await leases.reserve(deviceId, UNTIL_MS)
    expect((await leases.read(deviceId))?.kek_id).toBe("kek:2")
    expect(kek.seen.length).toBe(2)
  })

  test("[LS6] that cannot be wrapped is a defect", async () => {
    const broken = createKek({ wrap: async () => err({ code: "kms-unavailable" }) })
    const other = await openWith(() => ok(broken), `sqlite:${join(folder, "other.db")}`)
    if (!other.ok) throw new Error(other.error.code)
    const refused = other.value.reserve(id(), UNTIL_MS)
    await expect(refused).rejects.toThrow("the lease key could not be wrapped")
    await expect(refused).rejects.toMatchObject({ cause: "kms-unavailable" })
    await other.value.close()
  })

  test("[LS6] is forgotten with its key; a live lease is not", async () => {
    const deviceId = id()
    await leases.reserve(deviceId, UNTIL_MS)
    await leases.forget(deviceId)
    expect(await leases.read(deviceId)).toBeUndefined()
    const other = await live()
    await leases.forget(other.deviceId)
    expect((await leases.read(other.deviceId))?.state).toBe("live")
    await leases.forget(id())
  })
})

describe("a row that no call here writes", () => {
  const broken = async (change: {
    state?: "reserved" | "live" | "dead"
    sealed?: null
    reserved_until_ms?: number
  }): Promise<{ readonly deviceId: Uint8Array; readonly leaseId: Uint8Array }> => {
    const place = await live()
    const { deviceId } = place
    await leases.store.transaction((tx) =>
      tx.updateTable("lease").set(change).where("device_id", "=", deviceId).execute(),
    )
    return place
  }

  test("[LS3] dead with a key, or live without one, evaluates nothing", async () => {
    for (const change of [{ state: "dead" }, { sealed: null }] as const) {
      const { deviceId, leaseId } = await broken(change)
      expect(await leases.beginEvaluation(deviceId, leaseId)).toEqual(REFUSED)
      expect(await leases.settle(deviceId, leaseId, 1)).toEqual(REFUSED)
      expect(await leases.unlocked(deviceId, leaseId, 0)).toBe(false)
    }
  })

  test("[LS6] live or dead with a time left is no reservation", async () => {
    for (const state of ["live", "dead"] as const) {
      const { deviceId } = await broken({ state, reserved_until_ms: UNTIL_MS })
      await expect(leases.reserve(deviceId, UNTIL_MS)).rejects.toThrow("a device id with a lease reserves another")
      expect(await leases.makeLive(deviceId)).toBe(state === "live")
      expect((await leases.read(deviceId))?.state).toBe(state)
    }
  })
})

describe("an evaluation", () => {
  test("[LS3] is counted, and gives out the row as it was", async () => {
    const { deviceId, leaseId } = await live()
    const before = await leases.read(deviceId)
    expect(await leases.beginEvaluation(deviceId, leaseId)).toEqual({ ok: true, value: { row: before, attempt: 1 } })
    expect(await leases.read(deviceId)).toEqual({ ...before, attempts: 1, evaluations: 1 })
    expect(await leases.beginEvaluation(deviceId, leaseId)).toMatchObject({ ok: true, value: { attempt: 2 } })
    expect(await leases.read(deviceId)).toMatchObject({ attempts: 2, evaluations: 2 })
  })

  test("[LS3] of another lease, a frozen, dead or unknown one, or a reservation that has ended, is refused and not counted", async () => {
    const reserved = id()
    const { leaseId } = await leases.reserve(reserved, UNTIL_MS)
    nowMs = UNTIL_MS - 1
    expect((await leases.beginEvaluation(reserved, leaseId)).ok).toBe(true)
    expect((await leases.settle(reserved, leaseId, 1)).ok).toBe(true)
    nowMs = UNTIL_MS
    const ended = await leases.read(reserved)
    expect(await leases.beginEvaluation(reserved, leaseId)).toEqual(REFUSED)
    expect(await leases.settle(reserved, leaseId, 2)).toEqual(REFUSED)
    expect(await leases.unlocked(reserved, leaseId, 1)).toBe(false)
    expect(await leases.read(reserved)).toEqual(ended)

    nowMs = START_MS
    const own = await live()
    const attempt = async (lease = own.leaseId): Promise<unknown[]> => [
      await leases.beginEvaluation(own.deviceId, lease),
      await leases.settle(own.deviceId, lease, 5),
      await leases.unlocked(own.deviceId, lease, 1),
    ]
    await evaluations(own.deviceId, own.leaseId, 1)
    const counted = await leases.read(own.deviceId)
    expect(await attempt(id())).toEqual([REFUSED, REFUSED, false])
    expect(await leases.beginEvaluation(id(), own.leaseId)).toEqual(REFUSED)
    expect(await leases.settle(id(), own.leaseId, 5)).toEqual(REFUSED)
    expect(await leases.unlocked(id(), own.leaseId, 1)).toBe(false)
    await leases.setFrozen([own.deviceId], true)
    expect(await attempt()).toEqual([FROZEN, FROZEN, false])
    expect(await leases.read(own.deviceId)).toEqual({ ...counted, frozen: 1 })
    await leases.setFrozen([own.deviceId], false)
    expect(await leases.read(own.deviceId)).toEqual(counted)
    await leases.kill([own.deviceId], [])
    expect(await attempt()).toEqual([REFUSED, REFUSED, false])
  })

  test("[LS4] the eleventh without a success is refused and not counted", async () => {
    const { deviceId, leaseId } = await live()
    expect(MAX_ATTEMPTS).toBe(10)
    await evaluations(deviceId, leaseId, 9)
    expect(await leases.attempts(deviceId)).toEqual({ leaseId, attempts: 9, locked: false })
    await evaluations(deviceId, leaseId, 1)
    expect(await leases.attempts(deviceId)).toEqual({ leaseId, attempts: 10, locked: true })
    expect(await leases.beginEvaluation(deviceId, leaseId)).toEqual({ ok: false, error: { code: "lease-locked" } })
    expect(await leases.read(deviceId)).toMatchObject({ attempts: 10, evaluations: 10 })
  })

  test("[LS5] each answer has the next serial, and its end is kept", async () => {
    const { deviceId, leaseId } = await live()
    expect(await leases.settle(deviceId, leaseId, START_MS + 5)).toEqual({ ok: true, value: { serial: 1 } })
    expect(await leases.read(deviceId)).toMatchObject({ serial: 1, expires_ms: START_MS + 5 })
    expect(await leases.settle(deviceId, leaseId, START_MS + 9)).toEqual({ ok: true, value: { serial: 2 } })
    expect(await leases.read(deviceId)).toMatchObject({ serial: 2, expires_ms: START_MS + 9 })
  })

  test("[LS8] a proven success takes back the attempts up to it, an older or unmade one none", async () => {
    const { deviceId, leaseId } = await live()
    await evaluations(deviceId, leaseId, 5)
    for (const attempt of [0, -1, 6]) expect(await leases.unlocked(deviceId, leaseId, attempt)).toBe(false)
    expect((await leases.read(deviceId))?.attempts).toBe(5)
    expect(await leases.unlocked(deviceId, leaseId, 3)).toBe(true)
    expect(await leases.read(deviceId)).toMatchObject({ attempts: 2, evaluations: 5 })
    for (const attempt of [1, 3]) expect(await leases.unlocked(deviceId, leaseId, attempt)).toBe(false)
    expect(await leases.unlocked(deviceId, leaseId, 4)).toBe(true)
    expect(await leases.unlocked(deviceId, leaseId, 5)).toBe(true)
    expect(await leases.read(deviceId)).toMatchObject({ attempts: 0, evaluations: 5 })
  })

  test("[LS4] the operator takes back the attempts that the person spoke of, and no later ones", async () => {
    const { deviceId, leaseId } = await live()
    await evaluations(deviceId, leaseId, 3)
    expect(await leases.resetAttempts(deviceId, 2)).toBe(false)
    expect(await leases.resetAttempts(id(), 0)).toBe(false)
    expect((await leases.read(deviceId))?.attempts).toBe(3)
    expect(await leases.resetAttempts(deviceId, 3)).toBe(true)
    expect(await leases.read(deviceId)).toMatchObject({ attempts: 0, evaluations: 3 })
    await leases.kill([deviceId], [])
    expect(await leases.resetAttempts(deviceId, 3)).toBe(false)
  })

  test("[LS4] only a live lease has attempts to show", async () => {
    const deviceId = id()
    expect(await leases.attempts(deviceId)).toBeUndefined()
    await leases.reserve(deviceId, UNTIL_MS)
    expect(await leases.attempts(deviceId)).toBeUndefined()
    await leases.makeLive(deviceId)
    expect(await leases.attempts(deviceId)).toMatchObject({ attempts: 0, locked: false })
    await leases.kill([deviceId], [])
    expect(await leases.attempts(deviceId)).toBeUndefined()
  })
})

describe("an end", () => {
  const tombstone = (over: Partial<Tombstone> = {}): Tombstone => ({
    what: "device",
    id: id(),
    linkHash: random.bytes(32),
    ...over,
  })
  const phases = async (): Promise<readonly string[]> => {
    const rows = await leases.store.read((db) =>
      db.selectFrom("tombstone").select(["phase", "at_ms"]).orderBy("n").execute(),
    )
    expect(rows.every((row) => row.at_ms === nowMs)).toBe(true)
    return rows.map((row) => row.phase)
  }
  const retired = (): Promise<unknown> => leases.store.read((db) => db.selectFrom("retired_kek").selectAll().execute())

  test("[LS10] destroys the keys, leaves an intent, and marks the KEK for its end", async () => {
    const [one, two, other] = [await live(), await live(), await live()] as const
    const sealed = (await leases.read(one.deviceId))?.sealed ?? new Uint8Array()
    const buried = [tombstone({ id: one.deviceId }), tombstone({ what: "holder-key", id: random.bytes(32) })]
    await leases.kill([one.deviceId, two.deviceId], buried)
    for (const { deviceId } of [one, two])
      expect(await leases.read(deviceId)).toMatchObject({ state: "dead", sealed: null, reserved_until_ms: 0 })
    expect((await leases.read(other.deviceId))?.state).toBe("live")
    expect(await phases()).toEqual(["intent", "intent"])
    expect(await leases.openIntents()).toEqual(buried.map((entry) => ({ ...entry, phase: "intent" })))
    for (const { what, id: named } of buried) expect(await leases.isBuried(what, named)).toBe(true)
    expect(await leases.isBuried("slot", one.deviceId)).toBe(false)
    expect(await leases.isBuried("device", other.deviceId)).toBe(false)
    expect(await retired()).toEqual([{ kek_id: "kek:1", since_ms: nowMs }])
    // No file of the store has the key any more, not even where it was.
    const secret = bytesToHex(sealed.slice(32))
    expect(secret.length).toBeGreaterThanOrEqual(64)
    for (const name of readdirSync(folder))
      expect(readFileSync(join(folder, name)).toString("hex")).not.toContain(secret)
  })

  test("[LS10] a second time is the same; without a device the KEK stays", async () => {
    const { deviceId } = await live()
    const entry = tombstone({ id: deviceId })
    await leases.kill([], [tombstone({ what: "slot" })])
    expect(await retired()).toEqual([])
    await leases.kill([deviceId], [entry])
    await leases.kill([deviceId], [entry])
    expect(await phases()).toEqual(["intent", "intent"])
    expect(await retired()).toEqual([{ kek_id: "kek:1", since_ms: START_MS }])
  })

  test("[LS10] the key of a reservation that is forgotten is in no file either", async () => {
    const deviceId = id()
    await leases.reserve(deviceId, UNTIL_MS)
    const secret = bytesToHex((await leases.read(deviceId))?.sealed?.slice(32) ?? new Uint8Array())
    await leases.forget(deviceId)
    expect(secret.length).toBeGreaterThanOrEqual(64)
    for (const name of readdirSync(folder))
      expect(readFileSync(join(folder, name)).toString("hex")).not.toContain(secret)
  })

  test("[LS13] an intent becomes done or void, each once, and only a void one may be meant again", async () => {
    const entry = tombstone()
    await leases.kill([], [entry])
    await leases.void([entry])
    await leases.void([entry])
    expect(await phases()).toEqual(["intent", "void"])
    expect(await leases.isBuried(entry.what, entry.id)).toBe(false)
    expect(await leases.openIntents()).toEqual([])
    await leases.kill([], [entry])
    expect(await leases.openIntents()).toEqual([{ ...entry, phase: "intent" }])
    await leases.confirm([entry])
    await leases.confirm([entry])
    await leases.kill([], [entry])
    expect(await phases()).toEqual(["intent", "void", "intent", "done"])
    expect(await leases.isBuried(entry.what, entry.id)).toBe(true)
    expect(await leases.openIntents()).toEqual([])
  })

  test("[LS13] each link has its own intent", async () => {
    const entry = tombstone()
    const other = { ...entry, linkHash: random.bytes(32) }
    await leases.kill([], [entry])
    await leases.kill([], [other])
    await leases.void([entry])
    expect(await phases()).toEqual(["intent", "intent", "void"])
    expect(await leases.openIntents()).toEqual([{ ...other, phase: "intent" }])
    expect(await leases.isBuried(entry.what, entry.id)).toBe(true)
    await leases.confirm([tombstone({ what: "slot" })])
    expect(await phases()).toEqual(["intent", "intent", "void", "done"])
  })
})

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

describe("opening", () => {
  const reopened = async (openKek: LeaseStoreOptions["openKek"]): Promise<string> => {
    const opened = await openWith(openKek)
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
    await live()
    expect(await reopened(asking)).toBe("open")
    expect(asked).toEqual([true, false])
  })

  test("[LS11] a KEK that does not open, misses a version, or opens no key of one, is no KEK of this store", async () => {
    const { deviceId } = await live()
    const own = await reopened(() => err({ code: "kms-unavailable", detail: "away" }))
    expect(own).toBe("kms-unavailable: away")
    const others = createKek({ versions: () => ["kek:7"] })
    expect(await reopened(() => ok(others))).toBe("kms-wrong-key: The lease store needs the key kek:1.")
    expect(others.closed).toBe(true)
    kek.current = "kek:2"
    const { deviceId: second } = await live()
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
    await live()
    kek.current = "kek:2"
    await live()
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
    const opened = await openWith(
      () => {
        asked = true
        return ok(createKek())
      },
      `sqlite:${join(folder, "nowhere", "leases.db")}`,
    )
    expect(opened.ok).toBe(false)
    expect(asked).toBe(false)
  })
})
