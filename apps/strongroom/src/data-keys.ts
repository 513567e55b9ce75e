import { setTimeout as sleep } from "node:timers/promises"

import { bytesToHex, type Clock, Defect, err, ok, type Random, type Result } from "@keyferry/base"
import {
  decodeOuter,
  encodeOuter,
  openOuter,
  type OuterKey,
  type OuterPurpose,
  type Primitives,
  sealOuter,
} from "@keyferry/crypto"
import type { Failure } from "@keyferry/protocol"
import { isUniqueViolation, type Store } from "@keyferry/store"

import type { AtRest } from "./context.ts"
import { contextBytes, type KmsContext, type KmsFailure, type KmsProvider } from "./kms/provider.ts"
import type { Place } from "./places.ts"
import type { DataKeyTable, MainTables } from "./store/tables.ts"

/*
 * The outer layer: one data key for each (tenant, purpose), wrapped by the KMS in a bound context, kept unwrapped in a
 * small cache. Nothing is ever written without it, and an outage of the KMS does not make the cache last longer.
 * Source: spec/strongroom.md ST10–ST14
 */
export interface DataKeysOptions {
  readonly store: Store<MainTables>
  readonly kms: KmsProvider
  readonly primitives: Primitives
  readonly clock: Clock
  readonly random: Random
  readonly deploymentId: string
  readonly limits?: Partial<CacheLimits>
}
export interface CacheLimits {
  readonly keys: number
  readonly ageMs: number
  readonly uses: number
  readonly kmsTimeoutMs: number
}
export const CACHE_LIMITS: CacheLimits = { keys: 1000, ageMs: 300_000, uses: 2 ** 20, kmsTimeoutMs: 5000 }

export interface DataKeys extends AtRest {
  /** The context that a data key is bound to. */
  readonly contextOf: (tenant: Uint8Array, purpose: OuterPurpose, id: Uint8Array) => KmsContext
  /** Resolves when no key is being made that began before. */
  readonly settled: () => Promise<void>
  /** Overwrites every cached key and writes down how often each was used. */
  readonly close: () => Promise<void>
}

interface Held {
  readonly id: Uint8Array
  readonly activeFor: string
  readonly key: OuterKey
  readonly untilMs: number
  /** Since it was unwrapped. */
  uses: number
}
type Row = Pick<
  DataKeyTable,
  "id" | "tenant" | "purpose" | "wrapped" | "kek_id" | "kek_version" | "state" | "active_for" | "uses"
>

const KMS_RETRY_S = 10

export const createDataKeys = (options: DataKeysOptions): DataKeys => {
  const { store, kms, primitives, clock, random, deploymentId } = options
  const limits = { ...CACHE_LIMITS, ...options.limits }
  const heldById = new Map<string, Held>()
  const idByActive = new Map<string, string>()
  const inFlight = new Map<string, Promise<Result<Held, Failure>>>()
  let unwritten = new Map<string, { readonly id: Uint8Array; uses: number }>()

  const drop = (hex: string, held: Held): void => {
    heldById.delete(hex)
    if (idByActive.get(held.activeFor) === hex) idByActive.delete(held.activeFor)
    const before = unwritten.get(hex)?.uses ?? 0
    unwritten.set(hex, { id: held.id, uses: before + held.uses })
    held.key.wipe()
  }

  const keep = (held: Held, isActive: boolean): Held => {
    const hex = bytesToHex(held.id)
    const older = heldById.get(hex)
    if (older !== undefined) drop(hex, older)
    for (const [oldest, value] of heldById) {
      if (heldById.size < limits.keys) break
      drop(oldest, value)
    }
    heldById.set(hex, held)
    if (isActive) idByActive.set(held.activeFor, hex)
    return held
  }

  const cached = (hex: string | undefined): Held | undefined => {
    const held = hex === undefined ? undefined : heldById.get(hex)
    if (held === undefined || hex === undefined) return undefined
    if (held.untilMs <= clock.nowMs() || held.uses >= limits.uses) {
      drop(hex, held)
      return undefined
    }
    // The least recently used is the first of the map.
    heldById.delete(hex)
    heldById.set(hex, held)
    return held
  }

  /** Many who miss the same key at once ask the KMS once. */
  const once = (name: string, load: () => Promise<Result<Held, Failure>>): Promise<Result<Held, Failure>> => {
    const running = inFlight.get(name)
    if (running !== undefined) return running
    const started = load().finally(() => inFlight.delete(name))
    inFlight.set(name, started)
    return started
  }

  const contextOf = (tenant: Uint8Array, purpose: OuterPurpose, id: Uint8Array): KmsContext => ({
    app: "keyferry",
    dep: deploymentId,
    tenant: bytesToHex(tenant),
    purpose,
    dek: bytesToHex(id),
    v: "1",
  })

  const bounded = async <T>(asked: Promise<Result<T, KmsFailure>>): Promise<Result<T, Failure>> => {
    const limit = new AbortController()
    const late = sleep(limits.kmsTimeoutMs, undefined, { signal: limit.signal, ref: false }).then(
      () => err<KmsFailure>({ code: "kms-unavailable", detail: "The key service did not answer in time." }),
      () => err<KmsFailure>({ code: "kms-unavailable", detail: "" }),
    )
    const answer = await Promise.race([asked, late]).finally(() => limit.abort())
    if (answer.ok) return answer
    const { code, detail } = answer.error
    return err(code === "kms-unavailable" ? { code, retryAfterS: KMS_RETRY_S } : { code, detail })
  }

  const unwrapRow = async (row: Row): Promise<Result<Held, Failure>> => {
    if (row.state === "destroyed") throw new Defect("a destroyed data key is still named by a row")
    const wrapped = { wrapped: row.wrapped, kekId: row.kek_id, kekVersion: row.kek_version }
    const key = await bounded(kms.unwrap(wrapped, contextOf(row.tenant, row.purpose as OuterPurpose, row.id)))
    if (!key.ok) return key
    const activeFor = activeName(row.tenant, row.purpose)
    const held = { id: row.id, activeFor, key: key.value, untilMs: clock.nowMs() + limits.ageMs, uses: 0 }
    return ok(keep(held, row.state === "active"))
  }

  const byId = (id: Uint8Array): Promise<Result<Held, Failure>> => {
    const hex = bytesToHex(id)
    const held = cached(hex)
    if (held !== undefined) return Promise.resolve(ok(held))
    return once(`id ${hex}`, async () => {
      const row = await store.read((db) =>
        db.selectFrom("data_key").select(COLUMNS).where("id", "=", id).executeTakeFirst(),
      )
      if (row === undefined) throw new Defect("a sealed row names a data key that does not exist")
      return unwrapRow(row)
    })
  }

  const active = (tenant: Uint8Array, purpose: OuterPurpose): Promise<Result<Held, Failure>> => {
    const name = activeName(tenant, purpose)
    const held = cached(idByActive.get(name))
    if (held !== undefined) return Promise.resolve(ok(held))
    return once(`active ${name}`, async () => {
      await writeUses()
      const row = await activeRow(name)
      if (row !== undefined && row.uses < limits.uses) return unwrapRow(row)
      return makeActive(tenant, purpose, row?.id)
    })
  }

  const activeRow = (name: string): Promise<Row | undefined> =>
    store.read((db) => db.selectFrom("data_key").select(COLUMNS).where("active_for", "=", name).executeTakeFirst())

  /** Two processes may both make the first key of a tenant: the unique name lets one in, and the other uses that one. */
  const makeActive = async (
    tenant: Uint8Array,
    purpose: OuterPurpose,
    replaced: Uint8Array | undefined,
  ): Promise<Result<Held, Failure>> => {
    const id = random.bytes(16)
    const name = activeName(tenant, purpose)
    const context = contextOf(tenant, purpose, id)
    const made = await bounded(kms.generate(context))
    if (!made.ok) return made
    const { plain, wrapped, kekId, kekVersion } = made.value
    const won = await store
      .transaction(async (tx) => {
        if (replaced !== undefined)
          await tx
            .updateTable("data_key")
            .set({ state: "decrypt-only", active_for: null })
            .where("id", "=", replaced)
            .execute()
        await tx
          .insertInto("data_key")
          .values({
            id,
            tenant,
            purpose,
            wrapped,
            provider: kms.name,
            kek_id: kekId,
            kek_version: kekVersion,
            context_hash: primitives.sha256(contextBytes(context)),
            state: "active",
            active_for: name,
            created_ms: clock.nowMs(),
            uses: 0,
          })
          .execute()
        return true
      })
      .catch((error: unknown) => {
        if (isUniqueViolation(error)) return false
        throw error
      })
    if (won) return ok(keep({ id, activeFor: name, key: plain, untilMs: clock.nowMs() + limits.ageMs, uses: 0 }, true))
    plain.wipe()
    const row = await activeRow(name)
    if (row === undefined) throw new Defect("a data key of that name exists and cannot be read")
    return unwrapRow(row)
  }

  const writeUses = async (): Promise<void> => {
    if (unwritten.size === 0) return
    const counts = [...unwritten.values()].filter(({ uses }) => uses > 0)
    unwritten = new Map()
    await store.transaction(async (tx) => {
      for (const { id, uses } of counts)
        await tx
          .updateTable("data_key")
          .set((e) => ({ uses: e("uses", "+", uses) }))
          .where("id", "=", id)
          .execute()
    })
  }

  const outerPlace = (place: Place) => ({ ...place, deployment: deploymentId })

  const encryptWith = async (
    salts: Random,
    place: Place,
    plaintext: Uint8Array,
  ): Promise<Result<Uint8Array, Failure>> => {
    const held = await active(place.tenant, place.purpose)
    if (!held.ok) return held
    held.value.uses++
    const { key, id: dekId } = held.value
    return ok(encodeOuter(await sealOuter(primitives, salts, { key, dekId, place: outerPlace(place), plaintext })))
  }

  const encrypt: AtRest["encrypt"] = (place, plaintext) => encryptWith(random, place, plaintext)

  const decrypt: AtRest["decrypt"] = async (place, sealed) => {
    const record = decodeOuter(sealed, "shared")
    if (!record.ok) throw new Defect("a sealed column does not hold sealed bytes")
    const held = await byId(record.value.dekId)
    if (!held.ok) return held
    const opened = await openOuter(primitives, { key: held.value.key, place: outerPlace(place), record: record.value })
    if (!opened.ok) throw new Defect("sealed bytes do not open at their place")
    return opened
  }

  return Object.freeze<DataKeys>({
    encrypt,
    decrypt,
    encryptAll: (items) => {
      // One call for all salts: drawing them one by one costs as much as the encryption itself.
      const salts = drawnAtOnce(random, items.length * SALT_BYTES)
      return inOrder(items, ({ place, plaintext }) => encryptWith(salts, place, plaintext))
    },
    decryptAll: (items) => inOrder(items, ({ place, sealed }) => decrypt(place, sealed)),
    contextOf,
    settled: async () => void (await Promise.allSettled(inFlight.values())),
    close: async () => {
      for (const [hex, held] of heldById) drop(hex, held)
      await writeUses()
    },
  })
}

const COLUMNS = ["id", "tenant", "purpose", "wrapped", "kek_id", "kek_version", "state", "active_for", "uses"] as const

const SALT_BYTES = 32

/** Gives out pieces of bytes that were drawn together, each once. */
const drawnAtOnce = (random: Random, total: number): Random => {
  const drawn = total === 0 ? new Uint8Array() : random.bytes(total)
  let at = 0
  return {
    bytes: (length) => {
      if (at + length > drawn.length) return random.bytes(length)
      return drawn.subarray(at, (at += length))
    },
  }
}

const activeName = (tenant: Uint8Array, purpose: string): string => `${bytesToHex(tenant)}/${purpose}`

const inOrder = async <T>(
  items: readonly T[],
  run: (item: T) => Promise<Result<Uint8Array, Failure>>,
): Promise<Result<readonly Uint8Array[], Failure>> => {
  const out: Uint8Array[] = []
  for (const item of items) {
    const done = await run(item)
    if (!done.ok) return done
    out.push(done.value)
  }
  return ok(out)
}
