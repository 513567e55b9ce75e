/*
 * The lease store as the rest of the strongroom sees it. Its own file (or database) with its own key, never part of a
 * backup; its row alone decides an evaluation. Every method is idempotent and durable when it returns.
 * Source: spec/leases.md, spec/strongroom.md
 */
export interface LeaseKeyId {
  readonly leaseId: Uint8Array
  readonly leasePk: Uint8Array
}

/**
 * device         id = device id            removed or retired
 * holder-key     id = SHA-256 of a public key (sig, kem or auth) that can never come back
 * slot           id = slot id              replaced slot
 * opaque-record  id = SHA-256 of the record
 * generation     id = whatever the caller retires
 * account        id = account id
 */
export type TombstoneKind = "device" | "holder-key" | "slot" | "opaque-record" | "generation" | "account"

export interface Tombstone {
  readonly what: TombstoneKind
  readonly id: Uint8Array
  /** Hash of the link that says so; zeros where there is none. */
  readonly linkHash: Uint8Array
}

export interface LeaseStore {
  /** Makes a key that ends at `untilMs` unless `makeLive` comes first. Asked again for one device: the same key. */
  readonly reserve: (deviceId: Uint8Array, untilMs: number) => Promise<LeaseKeyId>
  /** With genesis, `holder.add` or `recovery.used`, inside the open main transaction. False: it has ended or is dead. */
  readonly makeLive: (deviceId: Uint8Array) => Promise<boolean>
  /** Destroys the key of a device that never was in a chain (expired, rejected, reserved again). */
  readonly forget: (deviceId: Uint8Array) => Promise<void>
  /** Freezing goes here before main commits, thawing after. */
  readonly setFrozen: (deviceIds: readonly Uint8Array[], frozen: boolean) => Promise<void>
  /** Attempts since the last success, and whether ten were reached. `undefined`: no live key. */
  readonly attempts: (
    deviceId: Uint8Array,
  ) => Promise<{ readonly leaseId: Uint8Array; readonly attempts: number; readonly locked: boolean } | undefined>
  /** Sets attempts to 0 if they still are `attempt`. False: somebody was faster, or dead. */
  readonly resetAttempts: (deviceId: Uint8Array, attempt: number) => Promise<boolean>
  /** Inside the open main transaction, after all checks: dead, keys destroyed, tombstones with phase `intent`, flushed. */
  readonly kill: (deviceIds: readonly Uint8Array[], tombstones: readonly Tombstone[]) => Promise<void>
  /** After main committed. */
  readonly confirm: (tombstones: readonly Tombstone[]) => Promise<void>
  /** True for either phase. */
  readonly isBuried: (what: TombstoneKind, id: Uint8Array) => Promise<boolean>
  readonly close: () => Promise<void>
}
