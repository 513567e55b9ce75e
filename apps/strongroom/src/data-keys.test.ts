import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

import { bytesToHex, err, expectOk, utf8 } from "@keyferry/base"
import { decodeOuter } from "@keyferry/crypto"
import { nodePrimitives } from "@keyferry/crypto/node"
import { openStore, type Store } from "@keyferry/store"
import { afterEach, beforeEach, describe, expect, it } from "vitest"

import { createDataKeys, type DataKeys, type DataKeysOptions } from "./data-keys.ts"
import { random } from "./fixture.ts"
import { openLocalKms } from "./kms/local.ts"
import { contextBytes, type KmsProvider } from "./kms/provider.ts"
import { type Place, recordPlace } from "./places.ts"
import { mainMigrations } from "./store/migrations.ts"
import type { MainTables } from "./store/tables.ts"

let folder: string
let store: Store<MainTables>
let nowMs: number
let kms: KmsProvider & { asked: number; broken: boolean; hold: Promise<void> | undefined }
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "kf-data-keys-"))
  nowMs = 1_790_000_000_000
  const clock = { nowMs: () => nowMs }
  store = expectOk(
    await openStore<MainTables>({
      url: `sqlite:${join(folder, "a.db")}`,
      migrations: mainMigrations,
      name: "strongroom",
      clock,
    }),
    "store",
  )
  const local = expectOk(
    openLocalKms({ primitives: nodePrimitives, random, path: join(folder, "kek"), mayCreate: true }),
    "kms",
  )
  const asking = async <T>(run: () => Promise<T>): Promise<T> => {
    kms.asked++
    await kms.hold
    return run()
  }
  const unavailable = err({ code: "kms-unavailable", detail: "away" } as const)
  kms = {
    ...local,
    asked: 0,
    broken: false,
    hold: undefined,
    generate: (context) => asking(async () => (kms.broken ? unavailable : local.generate(context))),
    unwrap: (key, context) => asking(async () => (kms.broken ? unavailable : local.unwrap(key, context))),
  }
})
afterEach(async () => {
  await store.close()
  rmSync(folder, { recursive: true, force: true })
})

const create = (options: Partial<DataKeysOptions> = {}): DataKeys =>
  createDataKeys({
    store,
    kms,
    primitives: nodePrimitives,
    clock: { nowMs: () => nowMs },
    random,
    deploymentId: "dep_test",
    ...options,
  })
const tenant = (n: number): Uint8Array => new Uint8Array(32).fill(n)
const place = (n = 1, rev = 1): Place => recordPlace(tenant(n), tenant(9), new Uint8Array(16).fill(8), rev)
const sealed = async (keys: DataKeys, at = place()): Promise<Uint8Array> =>
  expectOk(await keys.encrypt(at, utf8("inner ciphertext")), "sealed")
const opened = async (keys: DataKeys, bytes: Uint8Array, at = place()): Promise<string> => {
  const plain = await keys.decrypt(at, bytes)
  return plain.ok ? Buffer.from(plain.value).toString() : plain.error.code
}
const rows = () =>
  store.read((db) =>
    db.selectFrom("data_key").select(["id", "tenant", "purpose", "state", "uses", "context_hash"]).execute(),
  )

describe("data keys", () => {
  it("[ST10] one for each tenant and purpose, found again after a restart", async () => {
    const keys = create()
    const bytes = [
      await sealed(keys),
      await sealed(keys, place(1, 2)),
      await sealed(keys, place(2)),
      await sealed(keys, { ...place(), purpose: "totp" }),
    ]
    expect((await rows()).map((row) => `${bytesToHex(row.tenant).slice(0, 2)} ${row.purpose} ${row.state}`)).toEqual([
      "01 record active",
      "02 record active",
      "01 totp active",
    ])
    const ids = new Set(bytes.map((b) => bytesToHex(expectOk(decodeOuter(b), "outer").dekId)))
    expect(ids.size).toBe(3)
    await keys.close()
    expect(await opened(create(), bytes[0] ?? new Uint8Array())).toBe("inner ciphertext")
  })

  it("[ST10] the row's context is bound: a row given to another tenant does not unwrap", async () => {
    const bytes = await sealed(create())
    const [row] = await rows()
    const context = {
      app: "keyferry",
      dep: "dep_test",
      tenant: bytesToHex(tenant(1)),
      purpose: "record",
      dek: bytesToHex(row?.id ?? new Uint8Array()),
      v: "1",
    } as const
    expect(row?.context_hash).toEqual(nodePrimitives.sha256(contextBytes(context)))
    await store.transaction((tx) =>
      tx
        .updateTable("data_key")
        .set({ tenant: tenant(2) })
        .execute(),
    )
    expect(await opened(create(), bytes)).toBe("kms-wrong-key")
  })

  it("[ST14] sealed bytes open at their place only", async () => {
    const keys = create()
    const bytes = await sealed(keys)
    const elsewhere: readonly Place[] = [
      place(2),
      place(1, 2),
      { ...place(), chainId: tenant(3) },
      { ...place(), recordId: new Uint8Array(16) },
      { ...place(), purpose: "lease" },
    ]
    for (const other of elsewhere)
      await expect(keys.decrypt(other, bytes)).rejects.toThrow("do not open at their place")
    await expect(create({ deploymentId: "dep_other" }).decrypt(place(), bytes)).resolves.toMatchObject({ ok: false })
    await expect(keys.decrypt(place(), utf8("not sealed at all"))).rejects.toThrow("does not hold sealed bytes")
    expect(await opened(keys, bytes)).toBe("inner ciphertext")
  })

  it("[ST11] a key is asked for once in 300 seconds, and dropped then", async () => {
    const keys = create()
    const bytes = await sealed(keys)
    for (let i = 0; i < 20; i++) await opened(keys, bytes)
    expect(kms.asked).toBe(1)
    nowMs += 299_999
    await sealed(keys)
    expect(kms.asked).toBe(1)
    nowMs += 1
    await opened(keys, bytes)
    expect(kms.asked).toBe(2)
  })

  it("[ST11] keeps no more than its limit, the least recently used goes first", async () => {
    const keys = create({ limits: { keys: 2 } })
    const [a, b] = [await sealed(keys, place(1)), await sealed(keys, place(2))]
    await opened(keys, a, place(1))
    await sealed(keys, place(3))
    expect(kms.asked).toBe(3)
    await opened(keys, a, place(1))
    expect(kms.asked).toBe(3)
    await opened(keys, b, place(2))
    expect(kms.asked).toBe(4)
  })

  it("[ST11] after its uses a key is replaced, and the old one still opens", async () => {
    const keys = create({ limits: { uses: 10 } })
    const first = await sealed(keys)
    for (let i = 0; i < 9; i++) await sealed(keys)
    const next = await sealed(keys)
    expect((await rows()).map(({ state, uses }) => `${state} ${uses}`)).toEqual(["decrypt-only 10", "active 0"])
    expect(decodeOuter(first)).not.toMatchObject({ value: { dekId: expectOk(decodeOuter(next), "outer").dekId } })
    expect([await opened(keys, first), await opened(keys, next)]).toEqual(["inner ciphertext", "inner ciphertext"])
  })

  it("[ST11] closing overwrites keys and writes their uses down", async () => {
    const keys = create()
    await sealed(keys)
    await sealed(keys)
    await keys.close()
    expect((await rows()).map((row) => row.uses)).toEqual([2])
  })

  it("[ST12] without the KMS: cached keys to their end, then unavailable, nothing without the layer; it comes back alone", async () => {
    const keys = create()
    const bytes = await sealed(keys)
    kms.broken = true
    nowMs += 299_999
    expect(await opened(keys, bytes)).toBe("inner ciphertext")
    nowMs += 1
    expect(await keys.decrypt(place(), bytes)).toEqual({
      ok: false,
      error: { code: "kms-unavailable", retryAfterS: 10 },
    })
    expect(await keys.encrypt(place(), utf8("x"))).toEqual({
      ok: false,
      error: { code: "kms-unavailable", retryAfterS: 10 },
    })
    expect(await keys.encrypt(place(5), utf8("x"))).toMatchObject({ ok: false })
    expect(await rows()).toHaveLength(1)
    kms.broken = false
    expect(await opened(keys, bytes)).toBe("inner ciphertext")
  })

  it("[ST12] waits for a slow KMS only so long, and asks once for many", async () => {
    const bytes = await sealed(create())
    const keys = create({ limits: { kmsTimeoutMs: 500 } })
    let release: () => void = () => undefined
    kms.hold = new Promise((resolve) => {
      release = resolve
    })
    const answers = await Promise.all(Array.from({ length: 50 }, () => opened(keys, bytes)))
    expect(new Set(answers)).toEqual(new Set(["kms-unavailable"]))
    expect(kms.asked).toBe(2)
    release()
    kms.hold = undefined
    const later = await Promise.all(Array.from({ length: 50 }, () => opened(keys, bytes)))
    expect(new Set(later)).toEqual(new Set(["inner ciphertext"]))
    expect(kms.asked).toBe(3)
  })

  // Two caches over one store; npm run conformance does the same with two connections to PostgreSQL.
  it("[ST13] two that make a tenant's first key at once agree on one", async () => {
    for (let n = 1; n <= 40; n++) {
      const [a, b] = [create(), create()]
      const [x, y] = await Promise.all([sealed(a, place(n)), sealed(b, place(n))])
      const ids = [x, y].map((bytes) => bytesToHex(expectOk(decodeOuter(bytes), "outer").dekId))
      expect(ids[0]).toBe(ids[1])
      expect([await opened(b, x, place(n)), await opened(a, y, place(n))]).toEqual([
        "inner ciphertext",
        "inner ciphertext",
      ])
    }
    expect(kms.asked).toBe(120)
    expect(await rows()).toHaveLength(40)
  })
})
