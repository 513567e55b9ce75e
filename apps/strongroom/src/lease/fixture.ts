import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

import { concatBytes, Defect, equalBytes, err, expectOk, ok } from "@keyferry/base"

import { createPooledRandom } from "../random.ts"
import type { LeaseKek } from "./kek.ts"
import { type LeaseDatabase, type LeaseStoreOptions, openLeaseStore } from "./store.ts"

/* A lease store in a folder of its own, under a key that a test can look into. Development only. */

export const random = createPooledRandom()
export const START_MS = 1_790_000_000_000
export const UNTIL_MS = START_MS + 30 * 60_000

/** A KEK that puts the place in front of the key, so that a test sees what it was given. */
export interface OpenKek extends LeaseKek {
  current: string
  closed: boolean
  onWrap: () => void
  /** The bytes that were wrapped, and those that were handed out. */
  readonly seen: Uint8Array[]
}
export const createKek = (over: Partial<LeaseKek> = {}): OpenKek => {
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

/** A new device id, or any other of that length. */
export const id = (): Uint8Array => random.bytes(16)

export interface Place {
  readonly deviceId: Uint8Array
  readonly leaseId: Uint8Array
}

export interface LeaseWorld {
  readonly folder: string
  /** What the store takes for the time. */
  readonly now: { ms: number }
  readonly kek: OpenKek
  readonly leases: LeaseDatabase
  readonly openWith: (openKek: LeaseStoreOptions["openKek"], url?: string) => ReturnType<typeof openLeaseStore>
  /** A device with a lease that is live. */
  readonly live: (deviceId?: Uint8Array) => Promise<Place>
  readonly evaluations: (deviceId: Uint8Array, leaseId: Uint8Array, n: number) => Promise<void>
  readonly close: () => Promise<void>
}

export const createLeaseWorld = async (): Promise<LeaseWorld> => {
  const folder = mkdtempSync(join(tmpdir(), "kf-leases-"))
  const now = { ms: START_MS }
  const kek = createKek()
  const openWith: LeaseWorld["openWith"] = (openKek, url = `sqlite:${join(folder, "leases.db")}`) =>
    openLeaseStore({ url, openKek, clock: { nowMs: () => now.ms }, random })
  const leases = expectOk(await openWith(() => ok(kek)), "lease store")
  return {
    folder,
    now,
    kek,
    leases,
    openWith,
    live: async (deviceId = id()) => {
      const { leaseId } = await leases.reserve(deviceId, UNTIL_MS)
      if (!(await leases.makeLive(deviceId))) throw new Defect("a reservation did not become live")
      return { deviceId, leaseId }
    },
    evaluations: async (deviceId, leaseId, n) => {
      for (let i = 0; i < n; i++) expectOk(await leases.beginEvaluation(deviceId, leaseId), "evaluation")
    },
    close: async () => {
      await leases.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
