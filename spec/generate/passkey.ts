import { createHmac } from "node:crypto"

import { concatBytes, secret, utf8 } from "@keyferry/base"
import { deriveSlot, H, HOLDER_KIND, passkeyPrfInput, passkeyUserHandle } from "@keyferry/crypto"
import { nodePrimitives as p } from "@keyferry/crypto/node"

import { compare, type Fields, fieldsOf, fixedRandom, type Topic, vector } from "./vector.ts"

/** What a browser and an authenticator make of the input: CTAP's hmac-secret, as WebAuthn's PRF extension maps it. */
const evaluate = (credentialSecret: Uint8Array, input: Uint8Array): Uint8Array =>
  new Uint8Array(
    createHmac("sha256", credentialSecret)
      .update(H(p, concatBytes(utf8("WebAuthn PRF\0"), input)))
      .digest(),
  )

const derive = async (f: Fields): Promise<Record<string, Uint8Array>> => {
  const input = passkeyPrfInput(p, f.bytes("account_id"), f.bytes("slot_id"))
  const output = evaluate(f.bytes("credential_secret"), input)
  const kind = HOLDER_KIND.passkeySlot
  const slot = await deriveSlot(
    p,
    secret<"SlotSecret">(output.slice()),
    f.bytes("account_salt"),
    kind,
    f.bytes("slot_id"),
  )
  return {
    user_handle: passkeyUserHandle(p, f.bytes("account_id")),
    input,
    output,
    sig_pk: slot.sigPk,
    kem_pk_hash: H(p, slot.kemPk),
  }
}

/** Source   spec/passkeys.md PK3, PK8; spec/keys.md KE9 */
export const passkey: Topic = {
  name: "passkey",
  generate: async () => {
    const random = fixedRandom("passkey")
    const inputs = {
      account_id: random.bytes(32),
      account_salt: random.bytes(32),
      slot_id: random.bytes(16),
      credential_secret: random.bytes(32),
    }
    const comment = "[PK8] from the account and the slot over an authenticator to the slot's keys"
    return new Map([
      ["slot", vector(comment, { ...inputs, ...(await derive(fieldsOf(vector(comment, inputs).fields))) })],
    ])
  },
  check: async (fields) => compare(fields, await derive(fields)),
}
