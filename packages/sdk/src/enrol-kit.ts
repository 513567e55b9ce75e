import { err, type Result, secret } from "@keyferry/base"
import {
  ACCOUNT_HOLDER_ADD,
  accountPayload,
  areSlotKeys,
  countersignPayload,
  encodeLink,
  HOLDER_PASSWORD,
  holderAddStruct,
  HOW_KIT,
  newestAccountKey,
  newestSlot,
  signPayload,
  verifyAccountLink,
} from "@keyferry/chain"
import { deriveSecretKey, deriveSlot, passwordSlotSecret, wrapsHash } from "@keyferry/crypto"
import { accountAppendStruct, type Failure } from "@keyferry/protocol"

import { deviceHolder, encodeWraps, nextPlace, slotSigner, wrapSeed } from "./account-keys.ts"
import type { Device } from "./device.ts"
import { openSlot, readChain } from "./enrolment-chain.ts"
import { parseKit } from "./kit-code.ts"
import { accountOf, afterJoining, type EnrolmentBox, publicKeysOf } from "./enrolment.ts"
import { STEP_KEYS } from "./formats.ts"
import { finishStaged } from "./signup.ts"
import { stage, startLease } from "./staged.ts"

const ZERO32 = new Uint8Array(32)
type Done<T> = Promise<Result<T, Failure>>

export const finishWithKit = async (device: Device, box: EnrolmentBox, kitText: string): Done<void> => {
  const e = box.current
  const code = parseKit(device, kitText)
  if (!code.ok) return code
  if (e === undefined || e.exportKey === undefined || e.password === undefined) return err({ code: "signed-out" })
  if (e.step !== STEP_KEYS) return err({ code: "device-not-verified" })
  const chain = await readChain(device, e)
  if (!chain.ok) return chain
  const { state, links } = chain.value
  const sk = await deriveSecretKey(device.ports.primitives, code.value, state.accountSalt)
  const entry = newestSlot(state, HOLDER_PASSWORD)
  if (entry === undefined) return err({ code: "chain-invalid" })
  const slot = await deriveSlot(
    device.ports.primitives,
    passwordSlotSecret(secret<"ExportKey">(e.exportKey.slice()), sk),
    state.accountSalt,
    HOLDER_PASSWORD,
    entry.holder.id,
  )
  // The public keys that countersigned the slot's own link decide; a chain forged around the account would hold others.
  if (!areSlotKeys(entry, slot))
    return err({
      code: "kit-code-wrong",
      detail: "Kit and password do not belong together; the kit may have been replaced.",
    })
  const seed = await openSlot(device, e, state, entry.holder.id, slot)
  if (!seed.ok) return seed
  const keys = await publicKeysOf(device, e)
  if (e.leaseId === undefined || e.leasePk === undefined) return err({ code: "device-not-verified" })
  const holder = deviceHolder({ ...keys, leaseId: e.leaseId, leasePk: e.leasePk })
  const account = accountOf(e, e.leaseId, e.leasePk)
  const authSeed = secret<"SigSeed">(e.authSeed.slice())
  const lease = await startLease(device, account, e.password, authSeed)
  if (!lease.ok) return lease
  const place = nextPlace(state, entry.holder.id)
  const epoch = newestAccountKey(state).epoch
  const wrap = await wrapSeed(device, seed.value, epoch, place, holder)
  const payload = accountPayload(
    state,
    ACCOUNT_HOLDER_ADD,
    holderAddStruct,
    { holder, how: HOW_KIT, transcript: ZERO32, wrapsHash: wrapsHash(device.ports.primitives, [wrap]) },
    { byHolder: entry.holder.id, ts: device.ports.clock.nowMs() },
  )
  const own = slotSigner(device, { id: e.deviceId, sigSeed: secret<"SigSeed">(e.sigSeed) })
  const link = await signPayload(slotSigner(device, { id: entry.holder.id, sigSeed: slot.sigSeed }), payload, [
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
