import { equalBytes, err, ok, type Result } from "@keyferry/base"
import { type AccountState, activeDevices, holderOf } from "@keyferry/chain"
import { RECORD_KIND, signRetire } from "@keyferry/crypto"
import type { Failure } from "@keyferry/protocol"

import { deviceCalls } from "./device-calls.ts"
import type { ItemSummary } from "./api.ts"
import { type Device, forget, recordRow } from "./device.ts"
import { POLICY_LOCAL } from "./formats.ts"
import { summaryOf } from "./item-summary.ts"
import { retryable } from "./ports.ts"
import { checkKit } from "./removal.ts"
import { verifyServedChain } from "./enrolment-chain.ts"
import { wipe } from "./wipe.ts"
import { b64 } from "./wire.ts"

export interface LeavingPlan {
  readonly unsynced: readonly ItemSummary[]
  readonly waiting: number
  readonly lastDevice: boolean
  readonly address: string
}

/** What clearing this device would lose: items that are only here, and edits that are not sent. */
export const leavingPlan = (device: Device): LeavingPlan => {
  const mine = [...device.items.values()].filter((i) => i.recordKind === RECORD_KIND.item && i.deletedAtMs === 0)
  const unsynced = mine.filter((i) => i.policy === POLICY_LOCAL || i.rev === 0)
  return {
    unsynced: unsynced.map((i) => summaryOf(i)),
    waiting: mine.filter((i) => i.waiting && i.rev > 0).length,
    lastDevice: device.account !== undefined && activeDevices(device.account).length === 1,
    address: device.record?.account?.address ?? "",
  }
}

/** Signs out: locked and kept, or cleared after the guard. The last device asks for the kit, or for the typed address. */
export const signOut = async (
  device: Device,
  input: {
    readonly clear: boolean
    readonly confirmed: boolean
    readonly kitCode?: string
    readonly typedAddress?: string
  },
): Promise<Result<void, Failure>> => {
  if (!input.clear) {
    forget(device)
    return ok(undefined)
  }
  if (device.record === undefined) return ok(undefined)
  if (device.local === undefined) {
    if (!input.confirmed)
      return err({ code: "unsynced-loss", detail: "The store is locked, so what is only here cannot be listed." })
  } else {
    const plan = leavingPlan(device)
    if (!input.confirmed && (plan.unsynced.length > 0 || plan.waiting > 0))
      return err({
        code: "unsynced-loss",
        detail: `${plan.unsynced.length} items are only here; ${plan.waiting} edits are not sent.`,
      })
    if (plan.lastDevice) {
      const kit = input.kitCode === undefined ? undefined : await checkKit(device, input.kitCode)
      const typed =
        input.typedAddress !== undefined && input.typedAddress.trim().toLowerCase() === plan.address.toLowerCase()
      if (kit?.ok !== true && !typed) return kit ?? err({ code: "device-is-last" })
    }
    const retired = await retire(device, plan.lastDevice)
    if (!retired.ok && !retryable(retired.error)) return retired
  }
  await wipe(device)
  return ok(undefined)
}

/** Tells the strongroom that this device leaves of its own will; others take it out of the chain on that signature. */
const retire = async (device: Device, lastDeviceConfirmed: boolean): Promise<Result<void, Failure>> => {
  const { account, full } = device
  if (device.record?.account === undefined || account === undefined) return ok(undefined)
  // Opened offline: it cannot sign, and shows elsewhere as signed out, unproven.
  if (full === undefined) return ok(undefined)
  const calls = await deviceCalls(device)
  if (!calls.ok) return calls
  const { transport, as, account: record } = calls.value
  const { seq, hash } = account.head
  const signature = await signRetire(device.ports.primitives, full.sigSeed, {
    uid: account.id,
    deviceId: record.deviceId,
    seq,
    head: hash,
  })
  const reply = await transport.json(
    "device.retire",
    { seq, head: b64(hash), signature: b64(signature), lastDeviceConfirmed },
    as,
  )
  return reply.ok ? ok(undefined) : reply
}

/**
 * The server says that this device was removed. Its word locks; only the signed link that names this device wipes,
 * and that link is verified here, against the history this device already knows.
 */
export const verifyOwnRemoval = async (
  device: Device,
): Promise<Result<{ readonly removed: boolean; readonly by?: Uint8Array }, Failure>> => {
  const served = await servedOwnChain(device)
  const own = device.record?.account
  if (!served.ok || own === undefined) return served.ok ? err({ code: "sync-not-enabled-here" }) : served
  const self = holderOf(served.value, own.deviceId)
  return ok({ removed: self?.removedAt !== undefined })
}

/** The account's chain as the server has it now, verified whole and as the continuation of what this device knows. */
export const servedOwnChain = async (device: Device): Promise<Result<AccountState, Failure>> => {
  const calls = await deviceCalls(device)
  if (!calls.ok) return calls
  const { transport, as, account } = calls.value
  const reply = await transport.cbor("account.chain", undefined, as)
  if (!reply.ok) return reply
  const served = await verifyServedChain(device, reply.value, account.accountId)
  if (!served.ok) return served
  return continues(device.account, served.value.state) ? ok(served.value.state) : err({ code: "chain-rolled-back" })
}

const continues = (known: AccountState | undefined, served: AccountState): boolean => {
  if (known === undefined) return true
  const at = served.hashes[known.head.seq - 1]
  return at !== undefined && equalBytes(at, known.head.hash)
}

/** After a verified removal: what is here is taken off; the record stays to say so. */
export const wipeRemoved = async (device: Device, code: "device-removed" | "device-retired"): Promise<void> => {
  const record = device.record
  const account = device.record?.account
  forget(device)
  await device.ports.secrets.destroy()
  if (record === undefined || account === undefined) return
  const next = { ...record, removed: code }
  await device.ports.store.replace([recordRow(next)])
  device.record = next
  device.account = undefined
  device.links = []
  device.changed()
}
