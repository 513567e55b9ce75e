import { secret } from "@keyferry/base"
import { deriveSlot, H, HOLDER_KIND, passwordSlotSecret, type SlotKind } from "@keyferry/crypto"
import { nodePrimitives as p } from "@keyferry/crypto/node"

import { compare, type Fields, fieldsOf, fixedRandom, type Topic, type Vector, vector } from "./vector.ts"

const KINDS: readonly SlotKind[] = [HOLDER_KIND.passwordSlot, HOLDER_KIND.recoverySlot, HOLDER_KIND.passkeySlot]

const derive = async (f: Fields): Promise<Record<string, Uint8Array>> => {
  const kind = KINDS.find((known) => known === f.int("kind"))
  if (kind === undefined) throw new Error("no such slot kind")
  const slotSecret = f.has("secret_key")
    ? passwordSlotSecret(secret(f.bytes("export_key")), secret(f.bytes("secret_key")))
    : secret<"SlotSecret">(f.bytes("secret"))
  const slot = await deriveSlot(p, slotSecret, f.bytes("account_salt"), kind, f.bytes("slot_id"))
  const { sigSeed, kemSeed, sigPk, kemPk } = slot
  return { kem_seed: kemSeed.reveal(), sig_seed: sigSeed.reveal(), sig_pk: sigPk, kem_pk_hash: H(p, kemPk) }
}

/** Source   spec/keys.md KE3, KE9 */
export const slot: Topic = {
  name: "slot",
  generate: async () => {
    const random = fixedRandom("slot")
    const place = (kind: SlotKind) => ({ account_salt: random.bytes(32), kind, slot_id: random.bytes(16) })
    const [password, recovery, passkey] = [place(2), place(3), place(4)]
    const drafts: readonly (readonly [string, string, Record<string, Uint8Array | number>])[] = [
      [
        "password",
        "[KE9] export key and Secret Key",
        { export_key: random.bytes(64), secret_key: random.bytes(16), ...password },
      ],
      ["recovery", "[KE9] the kit's code", { secret: random.bytes(20), ...recovery }],
      ["passkey", "[KE9] a passkey's output", { secret: random.bytes(32), ...passkey }],
    ]
    const out = new Map<string, Vector>()
    for (const [name, comment, inputs] of drafts) {
      out.set(name, vector(comment, { ...inputs, ...(await derive(fieldsOf(vector(comment, inputs).fields))) }))
    }
    return out
  },
  check: async (fields) => compare(fields, await derive(fields)),
}
