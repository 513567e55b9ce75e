import { secret } from "@keyferry/base"
import { kOff, kOn, leaseInput } from "@keyferry/crypto"
import { nodePrimitives as p } from "@keyferry/crypto/node"

import { compare, type Fields, fieldsOf, fixedRandom, type Topic, vector } from "./vector.ts"

const derive = async (f: Fields): Promise<Record<string, Uint8Array>> => {
  const place = { uid: f.bytes("account_id"), deviceId: f.bytes("device_id"), leaseId: f.bytes("lease_id") }
  const [uOn, uOff] = [secret<"UnlockFactor">(f.bytes("u_on")), secret<"UnlockFactor">(f.bytes("u_off"))]
  const d = secret<"DeviceSecret">(f.bytes("d"))
  const y = secret<"LeaseOutput">(f.bytes("y"))
  return {
    x: (await leaseInput(p, uOn, d, f.bytes("salt_on"), place)).reveal(),
    k_on: (await kOn(p, y, uOn, d, f.bytes("salt_on"), place)).reveal(),
    k_off: (await kOff(p, uOff, d, f.bytes("salt_off"), place)).reveal(),
  }
}

/** Source   spec/keys.md KE17 */
export const lease: Topic = {
  name: "lease",
  generate: async () => {
    const random = fixedRandom("lease")
    const comment = "[KE17] from stretched factors and the strongroom's answer to the device's keys"
    const inputs = {
      account_id: random.bytes(32),
      device_id: random.bytes(16),
      lease_id: random.bytes(16),
      d: random.bytes(32),
      u_on: random.bytes(32),
      u_off: random.bytes(32),
      salt_on: random.bytes(32),
      salt_off: random.bytes(32),
      y: random.bytes(64),
    }
    const computed = await derive(fieldsOf(vector(comment, inputs).fields))
    return new Map([["keys", vector(comment, { ...inputs, ...computed })]])
  },
  check: async (fields) => compare(fields, await derive(fields)),
}
