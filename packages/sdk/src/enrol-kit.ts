import { err, type Result, secret } from "@keyferry/base"
import { areSlotKeys, HOLDER_PASSWORD, HOW_KIT, newestSlot } from "@keyferry/chain"
import { deriveSecretKey, deriveSlot, passwordSlotSecret } from "@keyferry/crypto"
import type { Failure } from "@keyferry/protocol"

import type { Device } from "./device.ts"
import type { EnrolmentBox } from "./enrolment.ts"
import { readChain } from "./enrolment-chain.ts"
import { STEP_KEYS } from "./formats.ts"
import { joinBySlot } from "./join-by-slot.ts"
import { parseKit } from "./kit-code.ts"

type Done<T> = Promise<Result<T, Failure>>

export const finishWithKit = async (device: Device, box: EnrolmentBox, kitText: string): Done<void> => {
  const e = box.current
  const code = parseKit(device, kitText)
  if (!code.ok) return code
  if (e === undefined || e.exportKey === undefined || e.password === undefined) return err({ code: "signed-out" })
  if (e.step !== STEP_KEYS) return err({ code: "device-not-verified" })
  const chain = await readChain(device, e)
  if (!chain.ok) return chain
  const { state } = chain.value
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
  return joinBySlot(device, box, { ...e, password: e.password }, chain.value, {
    id: entry.holder.id,
    keys: slot,
    how: HOW_KIT,
  })
}
