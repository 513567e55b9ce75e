import { bytesToHex, err, ok, type Result } from "@keyferry/base"
import {
  ACCOUNT_KEY_ROTATE,
  ACCOUNT_POLICY_SET,
  ACCOUNT_RECOVERY_USED,
  type AccountKeyEntry,
  accountKeyRecipients,
  type AccountState,
  HOLDER_DEVICE,
  HOLDER_PASSKEY,
  HOLDER_PASSWORD,
  HOLDER_RECOVERY,
  type Holder,
  type HolderEntry,
  newestAccountKey,
} from "@keyferry/chain"
import type { Primitives } from "@keyferry/crypto"
import type { Failure } from "@keyferry/protocol"

import { deviceTombstones } from "../accounts/devices.ts"
import type { EventKind } from "../context.ts"
import type { Tombstone } from "../lease-store.ts"

/*
 * What one verified account link means for the rows: read off the states before and after, so that no link type can have
 * an effect that its verification did not have. Pure.
 * Source: spec/feed.md SY80–SY87
 */
export interface AccountChange {
  readonly next: AccountState
  readonly seq: number
  readonly type: number
  readonly addedDevices: readonly Holder[]
  readonly removedDevices: readonly Holder[]
  readonly addedSlots: readonly Holder[]
  readonly removedSlots: readonly Holder[]
  /** The new epoch of the account key, if the link starts one. */
  readonly key: AccountKeyEntry | undefined
  /** Whom the wraps of this link must be for, and what they must hash to. `undefined`: the link brings none. */
  readonly wraps:
    | { readonly recipients: readonly Holder[]; readonly hash: Uint8Array; readonly epoch: number }
    | undefined
}

export const accountChange = (before: AccountState, next: AccountState, type: number): AccountChange => {
  const { seq } = next.head
  const added = [...next.holders.values()].filter((entry) => entry.addedAt === seq)
  const removed = [...next.holders.values()].filter((entry) => entry.removedAt === seq)
  const isDevice = ({ holder }: HolderEntry): boolean => holder.kind === HOLDER_DEVICE
  const holders = (entries: readonly HolderEntry[]): readonly Holder[] => entries.map(({ holder }) => holder)
  const key = next.keys.length > before.keys.length ? newestAccountKey(next) : undefined
  const own = added.find(({ wrap }) => wrap !== undefined)?.wrap
  return {
    next,
    seq,
    type,
    addedDevices: holders(added.filter(isDevice)),
    removedDevices: holders(removed.filter(isDevice)),
    addedSlots: holders(added.filter((entry) => !isDevice(entry))),
    removedSlots: holders(removed.filter((entry) => !isDevice(entry))),
    key,
    wraps:
      key !== undefined
        ? { recipients: accountKeyRecipients(next), hash: key.wrapsHash, epoch: key.epoch }
        : own === undefined
          ? undefined
          : { recipients: holders(added), hash: own.wrapsHash, epoch: own.epoch },
  }
}

/** The password changed hands: a new OPAQUE record has to come with the link, and with no other. */
export const replacesPassword = (change: AccountChange): boolean =>
  change.addedSlots.some((holder) => holder.kind === HOLDER_PASSWORD)

export const newRecoveryKey = (change: AccountChange): Uint8Array | undefined =>
  change.addedSlots.find((holder) => holder.kind === HOLDER_RECOVERY)?.recPk

/** What can never come back after this link. */
export const tombstonesOfChange = (p: Primitives, change: AccountChange): readonly Tombstone[] => {
  const linkHash = change.next.head.hash
  return [
    ...change.removedDevices.flatMap((holder) => deviceTombstones(p, keysOf(holder), linkHash)),
    ...change.removedSlots.map(({ id }): Tombstone => ({ what: "slot", id, linkHash })),
  ]
}

const keysOf = ({ id, sigPk, kemPk, authPk }: Holder) => ({
  id,
  sigPk,
  kemPk,
  ...(authPk === undefined ? {} : { authPk }),
})

/** What people are told, in this order. */
export const eventsOfChange = (
  change: AccountChange,
): readonly { readonly kind: EventKind; readonly deviceId?: Uint8Array; readonly detail?: string }[] => [
  ...(change.type === ACCOUNT_RECOVERY_USED ? [{ kind: "recovery-used" as const }] : []),
  ...change.addedDevices.map(({ id }) => ({ kind: "device-approved" as const, deviceId: id })),
  ...change.removedDevices.map(({ id }) => ({ kind: "device-removed" as const, deviceId: id })),
  ...change.addedSlots.map((slot) => ({ kind: eventOfSlot(slot.kind), detail: bytesToHex(slot.id) })),
  ...change.removedSlots
    .filter((slot) => slot.kind === HOLDER_PASSKEY)
    .map((slot) => ({ kind: "passkey-slot-removed" as const, detail: bytesToHex(slot.id) })),
  ...(change.type === ACCOUNT_KEY_ROTATE ? [{ kind: "key-rotated" as const }] : []),
  ...(change.type === ACCOUNT_POLICY_SET ? [{ kind: "policy-changed" as const }] : []),
]

const eventOfSlot = (kind: Holder["kind"]): EventKind => {
  if (kind === HOLDER_PASSWORD) return "password-changed"
  return kind === HOLDER_RECOVERY ? "kit-replaced" : "passkey-slot-added"
}

/** Removing or replacing a slot asks for password and second factor again. Source   spec/feed.md SY84 */
export const needsFreshLogin = (change: AccountChange): boolean =>
  change.removedSlots.length > 0 || change.addedSlots.some((slot) => slot.kind === HOLDER_PASSKEY)

/** Errors: malformed. A record comes exactly with a new password slot. */
export const checkRegistration = (change: AccountChange, isGiven: boolean): Result<undefined, Failure> =>
  replacesPassword(change) === isGiven
    ? ok(undefined)
    : err({ code: "malformed", detail: "A registration record comes with a new password slot, and only then." })
