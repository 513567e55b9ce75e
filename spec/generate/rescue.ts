import { secret } from "@keyferry/base"
import { decodeRescue, encodeRescue, kemKeyPairFromSeed, openRescue, sealRescue } from "@keyferry/crypto"
import { nodePrimitives as p } from "@keyferry/crypto/node"

import { compare, fixedRandom, flip, spoiled, type Topic, vector } from "./vector.ts"

/** Source   spec/keys.md KE21 */
export const rescue: Topic = {
  name: "rescue",
  generate: async () => {
    const random = fixedRandom("rescue")
    const kem = await kemKeyPairFromSeed(secret(random.bytes(32)))
    const [uid, deviceId, slotId, localKeys] = [random.bytes(32), random.bytes(16), random.bytes(16), random.bytes(64)]
    const box = await sealRescue(p, random, { uid, deviceId, slotId }, kem.publicKey, secret(localKeys))
    const good = vector("[KE21] a device's local keys for the recovery slot", {
      account_id: uid,
      device_id: deviceId,
      slot_id: slotId,
      kem_seed: kem.seed.reveal(),
      box: encodeRescue(box),
      local_keys: localKeys,
    })
    const bad = (what: string, changes: Record<string, Uint8Array>) =>
      spoiled(good, `[KE21] ${what}`, changes, "cannot-open")
    return new Map([
      ["local-keys", good],
      ["bad-account", bad("another account", { account_id: flip(uid, 0) })],
      ["bad-device", bad("another device", { device_id: flip(deviceId, 0) })],
      ["bad-slot", bad("another slot", { slot_id: flip(slotId, 0) })],
      ["bad-kit", bad("another kit", { kem_seed: flip(kem.seed.reveal(), 0) })],
      ["bad-text", bad("a changed byte", { box: encodeRescue({ ...box, ct: flip(box.ct, 0) }) })],
    ])
  },
  check: async (fields) => {
    const box = decodeRescue(fields.bytes("box"))
    if (!box.ok) return box.error
    const slotId = fields.bytes("slot_id")
    const place = { uid: fields.bytes("account_id"), deviceId: fields.bytes("device_id"), slotId }
    const kem = await kemKeyPairFromSeed(secret(fields.bytes("kem_seed")))
    const opened = await openRescue(p, place, kem, box.value)
    return opened.ok ? compare(fields, { local_keys: opened.value.reveal() }) : opened.error
  },
}
