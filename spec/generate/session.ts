import { secret } from "@keyferry/base"
import { finishMac, pseudoAccount, sessionBinding } from "@keyferry/crypto"
import { nodePrimitives as p } from "@keyferry/crypto/node"

import { compare, type Fields, fieldsOf, fixedRandom, type Topic, type Vector, vector } from "./vector.ts"

const derive = async (f: Fields): Promise<Record<string, Uint8Array | string>> => {
  if (f.has("address"))
    return { account: await pseudoAccount(p, secret(f.bytes("enumeration_key")), f.text("address")) }
  const binding = await sessionBinding(p, secret(f.bytes("session_key")))
  return { binding: binding.reveal(), finish_code: await finishMac(p, binding, f.bytes("auth_pk")) }
}

/** Source   spec/keys.md KE5 */
export const session: Topic = {
  name: "session",
  generate: async () => {
    const random = fixedRandom("session")
    const out = new Map<string, Vector>()
    const add = async (name: string, comment: string, inputs: Record<string, Uint8Array | string>): Promise<void> => {
      const computed = await derive(fieldsOf(vector(comment, inputs).fields))
      out.set(name, vector(comment, { ...inputs, ...computed }))
    }
    const login = { session_key: random.bytes(64), auth_pk: random.bytes(32) }
    await add("finish", "[KE5] binding and finish code of a login", login)
    const enumeration_key = random.bytes(32)
    await add("unknown-address", "[KE5] the account of an address that nobody has", {
      enumeration_key,
      address: "Ada@Example.org",
    })
    await add("unknown-wide", "[KE5] the same for full-width letters", {
      enumeration_key,
      address: "\uff21da@example.org",
    })
    return out
  },
  check: async (fields) => compare(fields, await derive(fields)),
}
