import {
  bytesToBase32,
  err,
  expectOk,
  lp,
  ok,
  type Random,
  type Result,
  secret,
  utf8,
  utf8ToText,
} from "@keyferry/base"
import { makeOpaqueSetup, makeSigSeed, type OpaqueSetup, type Primitives, sigPublicKey } from "@keyferry/crypto"
import type { Failure } from "@keyferry/protocol"
import type { Store } from "@keyferry/store"

import type { AtRest, LeaseTokenSigner } from "./context.ts"
import { deploymentPlace } from "./places.ts"
import type { MainTables } from "./store/tables.ts"

/*
 * What is made once for a deployment and then only read: its ids, the sentinel, the OPAQUE set-up and the key that signs
 * lease tokens. Source: spec/strongroom.md ST8, ST9
 */
export interface DeploymentIds {
  readonly deploymentId: string
  readonly logId: Uint8Array
}
export interface KeyMaterial {
  readonly opaque: OpaqueSetup
  readonly leaseTokens: LeaseTokenSigner
  /** A sealed value that always opens; also what an unknown address is made to cost. */
  readonly sentinel: Uint8Array
}

const SENTINEL = utf8("kf1/sentinel")

/** True while the store holds nothing that any key was made for. Only then a new key-encryption key may be made. */
export const isEmptyStore = async (store: Store<MainTables>): Promise<boolean> => {
  const [key, account] = await store.read(async (db) => [
    await db.selectFrom("data_key").select("id").limit(1).executeTakeFirst(),
    await db.selectFrom("account").select("uuid").limit(1).executeTakeFirst(),
  ])
  return key === undefined && account === undefined
}

/** Makes the ids in the first run. */
export const readDeploymentIds = async (store: Store<MainTables>, random: Random): Promise<DeploymentIds> => {
  await putIfMissing(store, [
    ["deployment-id", utf8(`dep_${bytesToBase32(random.bytes(16))}`)],
    ["log-id", random.bytes(16)],
  ])
  const deploymentId = utf8ToText(await readMeta(store, "deployment-id"))
  return { deploymentId: deploymentId ?? "", logId: await readMeta(store, "log-id") }
}

/**
 * The self-test of every start: the sentinel must open. Errors: kms-wrong-key, kms-unavailable. Nothing is made where
 * something exists.
 */
export const openKeyMaterial = async (
  store: Store<MainTables>,
  atRest: AtRest,
  p: Primitives,
  random: Random,
): Promise<Result<KeyMaterial, Failure>> => {
  const names = ["sentinel", "opaque-setup", "lease-token-seed"] as const
  const known = await store.read((db) =>
    db
      .selectFrom("meta")
      .select("name")
      .where("name", "in", [...names])
      .execute(),
  )
  if (known.length === 0) {
    const sealed = await atRest.encryptAll([
      { place: deploymentPlace(p, "sentinel"), plaintext: SENTINEL },
      { place: deploymentPlace(p, "opaque-setup"), plaintext: (await makeOpaqueSetup()).reveal() },
      { place: deploymentPlace(p, "lease-token-seed"), plaintext: makeSigSeed(random).reveal() },
    ])
    if (!sealed.ok) return sealed
    await putIfMissing(
      store,
      names.map((name, i) => [name, sealed.value[i] ?? new Uint8Array()] as const),
    )
  } else if (known.length !== names.length) {
    return err({ code: "store-corrupt", detail: "The deployment's own keys are not complete." })
  }
  const sealed = await Promise.all(names.map((name) => readMeta(store, name)))
  const opened = await atRest.decryptAll(
    names.map((name, i) => ({ place: deploymentPlace(p, name), sealed: sealed[i] ?? new Uint8Array() })),
  )
  if (!opened.ok) return opened
  const [sentinel, setup, seed] = opened.value
  if (sentinel === undefined || setup === undefined || seed === undefined) return err({ code: "store-corrupt" })
  const leaseSeed = secret<"SigSeed">(seed)
  return ok({
    sentinel: sealed[0] ?? new Uint8Array(),
    opaque: secret<"OpaqueSetup">(setup),
    leaseTokens: {
      publicKey: await sigPublicKey(p, leaseSeed),
      sign: (payload) => p.ed25519Sign(leaseSeed.reveal(), lp("kf1/lease-token", payload)),
    },
  })
}

const readMeta = async (store: Store<MainTables>, name: string): Promise<Uint8Array> => {
  const row = await store.read((db) =>
    db.selectFrom("meta").select("value").where("name", "=", name).executeTakeFirst(),
  )
  return expectOk(row === undefined ? err("missing") : ok(row.value), `${name} was written before`)
}

/** Instances that start together on one empty database agree on what the first of them wrote. */
const putIfMissing = (store: Store<MainTables>, rows: readonly (readonly [string, Uint8Array])[]): Promise<unknown> =>
  store.transaction(async (tx) => {
    for (const [name, value] of rows)
      await tx
        .insertInto("meta")
        .values({ name, value })
        .onConflict((c) => c.column("name").doNothing())
        .execute()
  })
