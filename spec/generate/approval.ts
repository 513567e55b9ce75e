import {
  deviceKeysHash,
  fingerprintDigits,
  sasCommit,
  sasReplyWords,
  sasTranscriptHash,
  sasWords,
  serverWords,
} from "@keyferry/crypto"
import { nodePrimitives as p } from "@keyferry/crypto/node"

import { compare, type Fields, fieldsOf, fixedRandom, type Topic, type Vector, vector } from "./vector.ts"

const derive = async (f: Fields): Promise<Record<string, Uint8Array | string>> => {
  const newKeys = { sigPk: f.bytes("sig_pk"), kemPk: f.bytes("kem_pk"), authPk: f.bytes("auth_pk") }
  const uid = f.bytes("account_id")
  const nonceNew = f.bytes("nonce_new")
  const nonceApprover = f.bytes("nonce_approver")
  const transcript = { uid, newKeys, approver: f.bytes("approver"), nonceApprover, nonceNew, head: f.bytes("head") }
  return {
    keys_hash: deviceKeysHash(p, newKeys),
    commit: sasCommit(p, newKeys, nonceNew),
    words: sasWords(p, transcript).join(" "),
    reply_words: sasReplyWords(p, transcript).join(" "),
    transcript: sasTranscriptHash(p, transcript),
    server_words: serverWords(p, f.bytes("server_pk")).join(" "),
    digits: fingerprintDigits(uid),
  }
}

/** Source   spec/keys.md KE19, KE20 */
export const approval: Topic = {
  name: "approval",
  generate: async () => {
    const random = fixedRandom("approval")
    const out = new Map<string, Vector>()
    for (const name of ["one", "two", "three"]) {
      const inputs = {
        account_id: random.bytes(32),
        sig_pk: random.bytes(32),
        kem_pk: random.bytes(1_216),
        auth_pk: random.bytes(32),
        approver: random.bytes(16),
        nonce_new: random.bytes(32),
        nonce_approver: random.bytes(32),
        head: random.bytes(32),
        server_pk: random.bytes(32),
      }
      const comment = "[KE19] words of an approval, words of a server, digits of an account"
      out.set(name, vector(comment, { ...inputs, ...(await derive(fieldsOf(vector(comment, inputs).fields))) }))
    }
    return out
  },
  check: async (fields) => compare(fields, await derive(fields)),
}
