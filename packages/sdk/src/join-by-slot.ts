import { err, type Result, secret } from "@keyferry/base"
import {
  ACCOUNT_HOLDER_ADD,
  accountPayload,
  type AccountState,
  countersignPayload,
  encodeLink,
  holderAddStruct,
  type HOW_KIT,
  type HOW_PASSKEY,
  newestAccountKey,
  signPayload,
  verifyAccountLink,
} from "@keyferry/chain"
import { type SlotKeys, wrapsHash } from "@keyferry/crypto"
import { accountAppendStruct, type Failure } from "@keyferry/protocol"

import { deviceHolder, encodeWraps, nextPlace, slotSigner, wrapSeed } from "./account-keys.ts"
import type { Device } from "./device.ts"
import { openSlot } from "./enrolment-chain.ts"
import { accountOf, afterJoining, type EnrolmentBox, publicKeysOf } from "./enrolment.ts"
import type { Enrolment } from "./formats.ts"
import { finishStaged } from "./signup.ts"
import { stage, startLease } from "./staged.ts"

const ZERO32 = new Uint8Array(32)

/**
 * A slot whose keys were compared with the chain lets this device in: takes the account key from the slot's wrap, adds
 * the device by a link that the slot signs, and settles. Errors: not-allowed where the policy asks for a device
 */
export const joinBySlot = async (
  device: Device,
  box: EnrolmentBox,
  e: Enrolment & { readonly password: string },
  chain: { readonly state: AccountState; readonly links: readonly Uint8Array[] },
  by: { readonly id: Uint8Array; readonly keys: SlotKeys; readonly how: typeof HOW_KIT | typeof HOW_PASSKEY },
): Promise<Result<void, Failure>> => {
  const { state, links } = chain
  const seed = await openSlot(device, e, state, by.id, by.keys)
  if (!seed.ok) return seed
  const keys = await publicKeysOf(device, e)
  if (e.leaseId === undefined || e.leasePk === undefined) return err({ code: "device-not-verified" })
  const holder = deviceHolder({ ...keys, leaseId: e.leaseId, leasePk: e.leasePk })
  const account = accountOf(e, e.leaseId, e.leasePk)
  const authSeed = secret<"AuthKey">(e.authSeed.slice())
  const lease = await startLease(device, account, e.password, authSeed)
  if (!lease.ok) return lease
  const place = nextPlace(state, by.id)
  const epoch = newestAccountKey(state).epoch
  const wrap = await wrapSeed(device, seed.value, epoch, place, holder)
  const payload = accountPayload(
    state,
    ACCOUNT_HOLDER_ADD,
    holderAddStruct,
    { holder, how: by.how, transcript: ZERO32, wrapsHash: wrapsHash(device.ports.primitives, [wrap]) },
    { byHolder: by.id, ts: device.ports.clock.nowMs() },
  )
  const own = slotSigner(device, { id: e.deviceId, sigSeed: secret<"SigSeed">(e.sigSeed) })
  const link = await signPayload(slotSigner(device, { id: by.id, sigSeed: by.keys.sigSeed }), payload, [
    await countersignPayload(own, payload),
  ])
  const verified = await verifyAccountLink(device.ports.primitives, state, link)
  if (!verified.ok)
    return err(
      verified.error.code === "not-allowed"
        ? { code: "not-allowed", detail: "Your policy asks for approval by another device: kf login --by words" }
        : { code: "chain-invalid" },
    )
  const staged = await stage(device, {
    account,
    keys: { sigSeed: e.sigSeed, kemSeed: e.kemSeed, accountSeeds: [[epoch, seed.value.reveal()]] },
    links: [...links, encodeLink(link)],
    lease: lease.value,
    authSeed,
    route: "enrol.append",
    body: accountAppendStruct.encode({ link: encodeLink(link), wraps: [...encodeWraps([wrap])], rotations: [] }),
    session: e.session,
  })
  if (!staged.ok) return staged
  const finished = await finishStaged(device, staged.value)
  if (!finished.ok) return finished
  return afterJoining(device, box, account, lease.value)
}
