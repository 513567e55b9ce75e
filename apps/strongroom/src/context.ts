import type { AccountState } from "@keyferry/chain"
import type { Clock, Random, Result } from "@keyferry/base"
import type { OpaqueSetup, Primitives } from "@keyferry/crypto"
import type { DeviceState, Failure } from "@keyferry/protocol"
import type { Settled, Store, Transaction } from "@keyferry/store"
import type { EVENT_KINDS, CommitNotice } from "@keyferry/strongroom-api"

import type { LeaseStore } from "./lease-store.ts"
import type { Place } from "./places.ts"
import type { Sightings } from "./sightings.ts"
import type { MainTables } from "./store/tables.ts"

/** Everything that a handler may use. Built once, in main.ts or by a test. */
export interface StrongroomContext {
  readonly store: Store<MainTables>
  readonly leases: LeaseStore
  readonly primitives: Primitives
  readonly clock: Clock
  readonly random: Random
  /** Stable text id of this deployment: OPAQUE server identity, lease token context, outer layer. */
  readonly deploymentId: string
  /** New at each restore; events and commit numbers are only comparable within one log. */
  readonly logId: Uint8Array
  /** Requests created before are refused: the nonces of that time are forgotten. */
  readonly startedAtMs: number
  readonly opaque: OpaqueSetup
  /** A sealed value that always opens. */
  readonly sentinel: Uint8Array
  readonly leaseTokens: LeaseTokenSigner
  readonly atRest: AtRest
  /** The one way to change anything: see `Changes`. */
  readonly change: Changes
  readonly accounts: AccountStates
  /** When each device asked last. */
  readonly sightings: Sightings
  /** One structured line without secrets or input bytes. */
  readonly log: (
    entry: { readonly level: "info" | "warn" | "error"; readonly what: string } & Record<string, LogValue>,
  ) => void
}
export type LogValue = string | number | boolean | undefined

export type Tx = Transaction<MainTables>

export interface LeaseTokenSigner {
  readonly publicKey: Uint8Array
  /** Ed25519 over LP("kf1/lease-token", payload). */
  readonly sign: (payload: Uint8Array) => Promise<Uint8Array>
}

/**
 * The outer layer. Both may ask the KMS, so call them before a transaction or after it, never inside.
 * Errors: kms-unavailable (try later). Bytes that do not open at their place are a defect and throw.
 */
export interface AtRest {
  readonly encrypt: (place: Place, plaintext: Uint8Array) => Promise<Result<Uint8Array, Failure>>
  readonly decrypt: (place: Place, sealed: Uint8Array) => Promise<Result<Uint8Array, Failure>>
  /** Same order as given; one unwrap for each data key. */
  readonly encryptAll: (
    items: readonly { readonly place: Place; readonly plaintext: Uint8Array }[],
  ) => Promise<Result<readonly Uint8Array[], Failure>>
  readonly decryptAll: (
    items: readonly { readonly place: Place; readonly sealed: Uint8Array }[],
  ) => Promise<Result<readonly Uint8Array[], Failure>>
}

export type EventKind = (typeof EVENT_KINDS)[number]
export interface NewEvent {
  readonly accountUuid: string
  readonly kind: EventKind
  readonly deviceId?: Uint8Array
  readonly accountId?: Uint8Array
  /** Public words for the mail and the audit log. */
  readonly detail?: string
}

/** What the server is told about a commit. `event` is an encoded feedEventStruct whose `commit` is the number given. */
export interface NoticeFields {
  readonly accountUuid: string
  readonly by?: Uint8Array
  readonly audience?: readonly Uint8Array[]
  readonly event?: (commit: number) => Uint8Array
  /** Devices whose streams end before any later commit is published. */
  readonly closed?: readonly Uint8Array[]
}

export interface Change {
  readonly tx: Tx
  /** Appends to the event log inside this transaction. */
  readonly event: (event: NewEvent) => Promise<void>
  /** Makes this a commit that is published. An event alone does too. Called twice, the later fields win. */
  readonly notify: (notice: NoticeFields) => void
  /** Holds the account's row until commit. `undefined`: no such account. */
  readonly lockAccount: (
    accountUuid: string,
  ) => Promise<{ readonly uuid: string; readonly id: Uint8Array | null } | undefined>
}

/**
 * Runs a transaction. If it says so, it gets the next commit number as its last statement, and its notice leaves after
 * the commit, in the order of numbers. `return rollBack(err(…))` undoes everything and publishes nothing.
 * The closure may run again (PostgreSQL deadlock); its effects are its statements and those of the lease store, which
 * are idempotent.
 */
export interface Changes {
  <R>(fn: (change: Change) => Promise<R>): Promise<Changed<R>>
  /** The same, sharing one durable commit with others that wait. */
  readonly grouped: <R>(fn: (change: Change) => Promise<R>) => Promise<Changed<R>>
}
export interface Changed<R> {
  readonly value: Settled<R>
  /** 0 where nothing was published. */
  readonly commit: number
}
export type Notice = CommitNotice

/** Verified account chains, kept in memory while they are the newest. Read with the transaction that relies on them. */
export interface AccountStates {
  /** `undefined`: no such account, or still signing up. */
  readonly read: (tx: Pick<Tx, "selectFrom">, accountUuid: string) => Promise<AccountState | undefined>
}

/** Who signed, read from the device row when the signature was checked. Guards inside a transaction read it again. */
export interface SigningDevice {
  readonly accountUuid: string
  /** Zero while the account is signing up. */
  readonly accountId: Uint8Array
  readonly deviceId: Uint8Array
  readonly state: DeviceState
  readonly sigPk: Uint8Array
  readonly lastFactorMs: number
  readonly lastPasswordMs: number
}
