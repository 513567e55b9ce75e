import { join } from "node:path"

import { type Clock, err, ok, type Random, type Result } from "@keyferry/base"
import type { Primitives } from "@keyferry/crypto"
import type { Failure } from "@keyferry/protocol"
import { openStore, type StoreFailure } from "@keyferry/store"
import type { CommitNotice, StrongroomHandlers } from "@keyferry/strongroom-api"

import { createAccountStates } from "./account-states.ts"
import { createLoginStates, type LoginStates } from "./accounts/login.ts"
import { createCalls } from "./calls.ts"
import { createChanges } from "./changes.ts"
import type { StrongroomContext } from "./context.ts"
import { createDataKeys } from "./data-keys.ts"
import { createExecutor, type Handlers } from "./execute.ts"
import { type Attempt, tryWaysOut } from "./isolation.ts"
import { isEmptyStore, openKeyMaterial, readDeploymentIds } from "./key-material.ts"
import { type KekRotated, rotateMainKek, usedKeks } from "./kek-rotation.ts"
import { openMainKek } from "./kms/main-kek.ts"
import type { KmsFailure } from "./kms/provider.ts"
import { compareHeads } from "./lease/heads.ts"
import { createLeaseKek } from "./lease/kek.ts"
import { openLocalKek } from "./lease/local-kek.ts"
import { logAfterRestore, reconcile } from "./lease/reconcile.ts"
import { type LeaseDatabase, openLeaseStore } from "./lease/store.ts"
import { mainMigrations } from "./store/migrations.ts"
import type { MainTables } from "./store/tables.ts"
import { createSightings } from "./sightings.ts"
import { createVerifier } from "./verifier.ts"

/** Puts everything together, once. Only main.ts and tests call it. */
export interface StrongroomOptions {
  /** The process's own folder: stores and key files lie here unless said otherwise. */
  readonly folder: string
  readonly storeUrl?: string
  readonly leaseStoreUrl?: string
  /** File of the key-encryption key. */
  readonly kekPath?: string
  /** Folder of the lease store's key-encryption keys. */
  readonly leaseKekFolder?: string
  readonly clock: Clock
  readonly random: Random
  readonly primitives: Primitives
  readonly startedAtMs: number
  readonly handlers: (parts: HandlerParts) => Handlers
  readonly log: StrongroomContext["log"]
  /** Tells what was tried; an answer of false refuses to start. */
  readonly onIsolation: (attempts: readonly Attempt[]) => boolean
}
export interface HandlerParts {
  readonly ctx: StrongroomContext
  readonly logins: LoginStates
  readonly leases: LeaseDatabase
}

export interface OpenStrongroom {
  readonly ctx: StrongroomContext
  readonly leases: LeaseDatabase
  readonly calls: StrongroomHandlers
  /** A new key for the outer layer's data keys. `resumeOnly`: finishes one that was cut off, and begins none. */
  readonly rotateKek: (wish: { readonly resumeOnly: boolean }) => Promise<Result<KekRotated, Failure>>
  readonly onNotice: (listener: (notice: CommitNotice) => void) => void
  /** Keys are overwritten, stores closed. Call it when no call is running. */
  readonly close: () => Promise<void>
}

/** Why it does not start. `isolation-broken` is not an entry of the error table: no client ever meets it. */
export interface StartFailure {
  readonly code: Failure["code"] | "isolation-broken"
  readonly detail: string
}

/** Errors: those of the stores, kms-wrong-key, kms-unavailable, isolation-broken. Closes what it had opened. */
export const openStrongroom = async (options: StrongroomOptions): Promise<Result<OpenStrongroom, StartFailure>> => {
  const { folder, clock, random, primitives } = options
  const closers: (() => Promise<void>)[] = []
  const closeAll = async (): Promise<void> => {
    for (const close of closers.splice(0).reverse()) await close()
  }
  const give = async (failure: StartFailure): Promise<Result<never, StartFailure>> => {
    await closeAll()
    return err(failure)
  }
  const opened = await openStore<MainTables>({
    url: options.storeUrl ?? `sqlite:${join(folder, "strongroom.db")}`,
    migrations: mainMigrations,
    name: "strongroom",
    clock,
  })
  if (!opened.ok) return err(ofStore(opened.error))
  const store = opened.value
  closers.push(() => store.close())

  const attempts = await tryWaysOut({ folder, store })
  if (!options.onIsolation(attempts)) return give({ code: "isolation-broken", detail: openWays(attempts) })

  const { deploymentId, logId: storedLogId } = await readDeploymentIds(store, random)
  const isNew = await isEmptyStore(store)
  const kms = openMainKek({
    primitives,
    random,
    path: options.kekPath ?? join(folder, "main.kek"),
    mayCreate: isNew,
    used: await usedKeks(store),
  })
  if (!kms.ok) return give(kms.error)
  closers.push(() => kms.value.close())
  const dataKeys = createDataKeys({ store, kms: kms.value, primitives, clock, random, deploymentId })
  closers.push(() => dataKeys.close())
  const material = await openKeyMaterial(store, dataKeys, primitives, random)
  if (!material.ok) return give({ code: material.error.code, detail: material.error.detail ?? "" })
  closers.push(async () => material.value.opaque.wipe())

  const leases = await openLeaseStore({
    url: options.leaseStoreUrl ?? `sqlite:${join(folder, "leases.db")}`,
    clock,
    random,
    openKek: (mayCreate) => {
      const versions = openLocalKek({ primitives, random, folder: options.leaseKekFolder ?? folder, mayCreate })
      return versions.ok ? ok(createLeaseKek({ versions: versions.value, primitives, random, deploymentId })) : versions
    },
  })
  if (!leases.ok) return give(isKms(leases.error) ? leases.error : ofStore(leases.error))
  closers.push(() => leases.value.close())
  const compared = await compareHeads({ store }, leases.value)
  const logId = await logAfterRestore(store, leases.value, compared, random, storedLogId)

  const listeners: ((notice: CommitNotice) => void)[] = []
  const change = createChanges({
    store,
    clock,
    logId,
    publish: (notice) => {
      for (const listener of listeners) listener(notice)
    },
  })
  const ctx: StrongroomContext = Object.freeze<StrongroomContext>({
    store,
    leases: leases.value,
    primitives,
    clock,
    random,
    deploymentId,
    logId,
    startedAtMs: options.startedAtMs,
    opaque: material.value.opaque,
    sentinel: material.value.sentinel,
    leaseTokens: material.value.leaseTokens,
    atRest: dataKeys,
    change,
    accounts: createAccountStates(),
    sightings: createSightings(),
    log: options.log,
  })
  const { behind, ...settled } = await reconcile(ctx, leases.value, compared)
  if (settled.done + settled.void + settled.leasesEnded + settled.frozen + behind.length > 0)
    options.log({ level: behind.length > 0 ? "warn" : "info", what: "reconciled", ...settled, behind: behind.length })
  const rotateKek = (wish: { readonly resumeOnly: boolean }) =>
    rotateMainKek({ store, rotation: kms.value.rotation, kms: kms.value, dataKeys }, wish)
  const logins = createLoginStates(random)
  const verifier = createVerifier(ctx)
  const executor = createExecutor(ctx, verifier, options.handlers({ ctx, logins, leases: leases.value }))
  return ok(
    Object.freeze<OpenStrongroom>({
      ctx,
      leases: leases.value,
      calls: createCalls({ ctx, leases: leases.value, verifier, executor, logins, kms: kms.value, rotateKek }),
      rotateKek,
      onNotice: (listener) => void listeners.push(listener),
      close: closeAll,
    }),
  )
}

const openWays = (attempts: readonly Attempt[]): string =>
  attempts
    .filter(({ denied }) => !denied)
    .map(({ way, answer }) => `${way}: ${answer}`)
    .join("; ")

const isKms = (failure: StoreFailure | KmsFailure): failure is KmsFailure => failure.code.startsWith("kms-")

const ofStore = ({ code, detail }: StoreFailure): StartFailure => {
  switch (code) {
    case "schema-newer":
    case "store-corrupt":
    case "store-full":
      return { code, detail }
    case "store-locked":
      return { code: "store-in-use", detail }
    case "schema-foreign":
      return { code: "store-corrupt", detail }
    case "store-unavailable":
      return { code: "strongroom-unavailable", detail }
  }
}
