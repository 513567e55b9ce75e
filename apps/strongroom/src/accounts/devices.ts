import { err, isZero, type Result } from "@keyferry/base"
import type { Holder } from "@keyferry/chain"
import type { Primitives } from "@keyferry/crypto"
import { type DeviceState, type Failure, feedEventStruct } from "@keyferry/protocol"

import { type RollBack, rollBack } from "@keyferry/store"

import type { Change, Changed, SigningDevice, StrongroomContext, Tx } from "../context.ts"
import type { LeaseStore, Tombstone } from "../lease-store.ts"

/*
 * Device states and the few moves between them. Every move is guarded by the state it starts from, inside its
 * transaction. Source: spec/devices.md DV1–DV9
 */

/** In the account's chain and able to sign links. */
export const IN_CHAIN_STATES = [
  "pending-first",
  "approved",
  "active",
  "lease-locked",
] as const satisfies readonly DeviceState[]
/** Waiting for a person; ends after 30 minutes. */
export const WAITING_STATES = ["pending", "confirmed"] as const satisfies readonly DeviceState[]
/** Keys that can never come back. */
export const DEAD_STATES = ["removed", "retired", "rejected"] as const satisfies readonly DeviceState[]

export const WAIT_MS = 30 * 60_000

/** Moves a device if it is in one of `from`; false where it was not. Ends its timer. */
export const moveDevice = async (
  tx: Tx,
  deviceId: Uint8Array,
  from: readonly DeviceState[],
  to: DeviceState,
  nowMs: number,
): Promise<boolean> => {
  const { numUpdatedRows } = await tx
    .updateTable("device")
    .set({
      state: to,
      state_ms: nowMs,
      ...(to === "pending" || to === "confirmed" ? {} : { expires_ms: 0, code: null }),
    })
    .where("id", "=", deviceId)
    .where("state", "in", [...from])
    .executeTakeFirst()
  return numUpdatedRows === 1n
}

/**
 * Tells the active devices of an account that the list of devices, or what `account.status` says, is another one now: somebody
 * waits there. Nothing but that; they ask. Source: spec/feed.md FD8
 */
export const tellDevices = async ({ tx, notify }: Change, accountUuid: string): Promise<void> => {
  const active = await tx
    .selectFrom("device")
    .select("id")
    .where("account_uuid", "=", accountUuid)
    .where("state", "=", "active")
    .execute()
  notify({
    accountUuid,
    audience: active.map(({ id }) => id),
    event: (commit) => feedEventStruct.encode({ commit, accountLinks: [], vaults: [], notice: "device" }),
  })
}

/** The state of a device read again inside a transaction, for guards at the moment of the effect. */
export const stateOf = async (tx: Tx, deviceId: Uint8Array): Promise<DeviceState | undefined> => {
  const row = await tx.selectFrom("device").select("state").where("id", "=", deviceId).executeTakeFirst()
  return row?.state as DeviceState | undefined
}

const ENDED: Partial<Record<DeviceState, Failure>> = {
  removed: { code: "device-removed" },
  retired: { code: "device-retired" },
  rejected: { code: "device-rejected" },
  expired: { code: "device-expired" },
  "lease-locked": { code: "lease-locked" },
}

/**
 * A change that a signing device asked for, under the row lock of its account. The device's state is read again: one
 * that ended since its signature was checked changes nothing any more.
 */
export const changeBy = <R>(
  ctx: Pick<StrongroomContext, "change">,
  { accountUuid, deviceId }: Pick<SigningDevice, "accountUuid" | "deviceId">,
  fn: (change: Change) => Promise<R>,
): Promise<Changed<R | RollBack<Result<never, Failure>>>> =>
  ctx.change(async (change): Promise<R | RollBack<Result<never, Failure>>> => {
    await change.lockAccount(accountUuid)
    const state = await stateOf(change.tx, deviceId)
    const ended = state === undefined ? ({ code: "device-not-enrolled" } as const) : ENDED[state]
    return ended === undefined ? fn(change) : rollBack(err(ended))
  })

/** What a device becomes when it is in the chain: it may sync only once the account has a second factor. */
export const stateInChain = async (tx: Tx, accountUuid: string): Promise<"approved" | "active"> => {
  const factor = await tx.selectFrom("factor").select("kind").where("account_uuid", "=", accountUuid).executeTakeFirst()
  return factor === undefined ? "approved" : "active"
}

/**
 * Makes every device active that only waited for the second factor or, being the first, for its confirmation.
 * Call it under the account's row lock after either came.
 */
export const activateReady = async (
  ctx: StrongroomContext,
  change: Change,
  accountUuid: string,
): Promise<readonly Uint8Array[]> => {
  const { tx } = change
  if ((await stateInChain(tx, accountUuid)) !== "active") return []
  const account = await tx
    .selectFrom("account")
    .select(["id", "confirmed_ms"])
    .where("uuid", "=", accountUuid)
    .executeTakeFirstOrThrow()
  const from: readonly DeviceState[] = account.confirmed_ms === 0 ? ["approved"] : ["approved", "pending-first"]
  const ready = await tx
    .selectFrom("device")
    .select(["id", "state"])
    .where("account_uuid", "=", accountUuid)
    .where("state", "in", [...from])
    .execute()
  for (const { id, state } of ready) {
    await moveDevice(tx, id, from, "active", ctx.clock.nowMs())
    const about = { accountUuid, deviceId: id, ...(account.id === null ? {} : { accountId: account.id }) }
    if (state === "pending-first") await change.event({ ...about, kind: "account-active" })
    await change.event({ ...about, kind: "device-active" })
  }
  return ready.map((row) => row.id)
}

/** How many devices count against the plan. */
export const countInChain = async (tx: Tx, accountUuid: string): Promise<number> => {
  const row = await tx
    .selectFrom("device")
    .select((e) => e.fn.countAll<number>().as("n"))
    .where("account_uuid", "=", accountUuid)
    .where("state", "in", [...IN_CHAIN_STATES])
    .executeTakeFirstOrThrow()
  return row.n
}

/** Under the account's row lock. 0 is without limit. */
export const deviceLimitReached = async (tx: Tx, accountUuid: string, limit: number): Promise<Failure | undefined> =>
  limit !== 0 && (await countInChain(tx, accountUuid)) >= limit
    ? { code: "device-limit", detail: `The plan allows ${limit}.` }
    : undefined

/** Lets waiting devices whose time is over end, in the account's own transaction. */
export const expireWaiting = async (ctx: StrongroomContext, change: Change, accountUuid: string): Promise<void> => {
  const nowMs = ctx.clock.nowMs()
  const over = await change.tx
    .selectFrom("device")
    .select("id")
    .where("account_uuid", "=", accountUuid)
    .where("state", "in", [...WAITING_STATES])
    .where("expires_ms", "<=", nowMs)
    .execute()
  for (const { id } of over) {
    if (!(await moveDevice(change.tx, id, WAITING_STATES, "expired", nowMs))) continue
    await endAttempts(change.tx, id, "expired")
    await change.event({ accountUuid, deviceId: id, kind: "device-expired" })
  }
}

/** Ends every open link of a device. */
export const endAttempts = (
  tx: Tx,
  deviceId: Uint8Array,
  state: "superseded" | "denied" | "expired",
): Promise<unknown> =>
  tx.updateTable("attempt").set({ state }).where("device_id", "=", deviceId).where("state", "=", "open").execute()

/** The tombstones of a device: its id and its keys. Lease keys have none, they are destroyed. */
export const deviceTombstones = (
  p: Primitives,
  device: {
    readonly id: Uint8Array
    readonly sigPk: Uint8Array
    readonly kemPk: Uint8Array
    readonly authPk?: Uint8Array
  },
  linkHash: Uint8Array,
): readonly Tombstone[] => [
  { what: "device", id: device.id, linkHash },
  ...[device.sigPk, device.kemPk, device.authPk ?? new Uint8Array()]
    .filter((key) => key.length > 0)
    .map((key): Tombstone => ({ what: "holder-key", id: p.sha256(key), linkHash })),
]

/** Errors: holder-reused, if the device or one of its keys is dead. */
export const reusedKeys = async (
  p: Primitives,
  leases: LeaseStore,
  tx: Pick<Tx, "selectFrom">,
  device: {
    readonly id: Uint8Array
    readonly sigPk: Uint8Array
    readonly kemPk: Uint8Array
    readonly authPk?: Uint8Array
  },
): Promise<Failure | undefined> => {
  const dead = await tx
    .selectFrom("device")
    .select("id")
    .where("state", "in", [...DEAD_STATES])
    .where((e) =>
      e.or([
        e("id", "=", device.id),
        e("sig_pk", "=", device.sigPk),
        ...(device.authPk === undefined ? [] : [e("auth_pk", "=", device.authPk)]),
      ]),
    )
    .executeTakeFirst()
  if (dead !== undefined) return { code: "holder-reused" }
  for (const { what, id } of deviceTombstones(p, device, new Uint8Array(32)))
    if (await leases.isBuried(what, id)) return { code: "holder-reused" }
  return undefined
}

/** A device's keys as the two processes pass them. */
export interface DeviceKeys {
  readonly deviceId: Uint8Array
  readonly sigPk: Uint8Array
  readonly kemPk: Uint8Array
  readonly authPk: Uint8Array
  readonly platform: string
}

/** Zero keys and one key for two uses are refused before anything is stored. */
export const areUsableKeys = (keys: DeviceKeys): boolean =>
  !isZero(keys.deviceId) &&
  !isZero(keys.sigPk) &&
  !isZero(keys.authPk) &&
  !isZero(keys.kemPk) &&
  keys.sigPk.some((byte, i) => byte !== keys.authPk[i])

/** What a holder in a link must say to be the device of this row. */
export const isHolderOfRow = (
  holder: Holder,
  row: {
    readonly id: Uint8Array
    readonly sig_pk: Uint8Array
    readonly kem_pk: Uint8Array
    readonly auth_pk: Uint8Array
    readonly lease_id: Uint8Array
    readonly lease_pk: Uint8Array
  },
): boolean =>
  isSame(holder.id, row.id) &&
  isSame(holder.sigPk, row.sig_pk) &&
  isSame(holder.kemPk, row.kem_pk) &&
  isSame(holder.authPk, row.auth_pk) &&
  isSame(holder.leaseId, row.lease_id) &&
  isSame(holder.leasePk, row.lease_pk)

const isSame = (a: Uint8Array | undefined, b: Uint8Array): boolean =>
  a !== undefined && a.length === b.length && a.every((byte, i) => byte === b[i])
