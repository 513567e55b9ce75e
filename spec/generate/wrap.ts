import { secret } from "@keyferry/base"
import {
  decodeWrapEntry,
  encodeWrapEntry,
  kemKeyPairFromSeed,
  makeWrap,
  openWrap,
  wrapEntryHash,
  type WrapContext,
  type WrapKind,
  wrapsHashOfHashes,
  ZERO_ID,
} from "@keyferry/crypto"
import { nodePrimitives as p } from "@keyferry/crypto/node"

import { compare, type Fields, fixedRandom, flip, spoiled, type Topic, type Vector, vector } from "./vector.ts"

const contextOf = <K extends WrapKind>(f: Fields, kind: K): WrapContext<K> => ({
  kind,
  chainId: f.bytes("chain_id"),
  epoch: f.int("epoch"),
  byUid: f.bytes("by_account"),
  by: f.bytes("by_holder"),
  seq: f.int("seq"),
  prev: f.bytes("prev"),
})

/** Source   spec/keys.md KE3, KE11, KE12, KE13 */
export const wrap: Topic = {
  name: "wrap",
  generate: async () => {
    const random = fixedRandom("wrap")
    const make = async (comment: string, context: WrapContext<WrapKind>, recipient: Uint8Array): Promise<Vector> => {
      const kem = await kemKeyPairFromSeed(secret(random.bytes(32)))
      const key = random.bytes(32)
      const to = { id: recipient, kemPk: kem.publicKey }
      const entry =
        context.kind === 1
          ? await makeWrap(p, random, { ...context, kind: 1 }, to, secret<"AccountSeed">(key))
          : await makeWrap(p, random, { ...context, kind: 3 }, to, secret<"VaultKey">(key))
      const other = random.bytes(32)
      const wraps_hash = wrapsHashOfHashes(p, [wrapEntryHash(p, entry), other])
      return vector(comment, {
        kind: context.kind,
        chain_id: context.chainId,
        epoch: context.epoch,
        by_account: context.byUid,
        by_holder: context.by,
        seq: context.seq,
        prev: context.prev,
        recipient,
        kem_seed: kem.seed.reveal(),
        entry: encodeWrapEntry(entry),
        key,
        next_entry_hash: other,
        wraps_hash,
      })
    }
    const genesis = {
      kind: 1,
      chainId: ZERO_ID,
      epoch: 1,
      byUid: ZERO_ID,
      by: random.bytes(16),
      seq: 1,
      prev: ZERO_ID,
    } as const
    const chainId = random.bytes(32)
    const later = {
      kind: 1,
      chainId,
      epoch: 2,
      byUid: chainId,
      by: random.bytes(16),
      seq: 5,
      prev: random.bytes(32),
    } as const
    const vault = { ...later, kind: 3, chainId: random.bytes(32), epoch: 7 } as const
    const good = await make("[KE12] a vault key for a member", vault, random.bytes(32))
    const bytes = (name: string): Uint8Array => good.fields.get(name) ?? new Uint8Array()
    const entry = decodeWrapEntry(bytes("entry"))
    if (!entry.ok) throw new Error("not an entry")
    const bad = (comment: string, changes: Record<string, Uint8Array | number>, expect = "cannot-open"): Vector =>
      spoiled(good, `[KE12] ${comment}`, changes, expect)
    const changed = (part: "enc" | "ct", at: number): Uint8Array =>
      encodeWrapEntry({ ...entry.value, [part]: flip(entry.value[part], at) })
    return new Map([
      ["genesis", await make("[KE12] an account seed for a holder, in a genesis", genesis, random.bytes(16))],
      ["holder", await make("[KE12] an account seed for a holder, later", later, random.bytes(16))],
      ["member", good],
      ["bad-kind", bad("a vault key taken for an account seed", { kind: 1 })],
      ["bad-chain", bad("copied to another chain", { chain_id: flip(bytes("chain_id"), 0) })],
      ["bad-epoch", bad("copied to another epoch", { epoch: 8 })],
      ["bad-account", bad("claimed by another account", { by_account: flip(bytes("by_account"), 0) })],
      ["bad-holder", bad("claimed by another holder", { by_holder: flip(bytes("by_holder"), 0) })],
      ["bad-seq", bad("copied to another place", { seq: 6 })],
      ["bad-prev", bad("copied after another link", { prev: flip(bytes("prev"), 0) })],
      ["bad-recipient", bad("another recipient", { recipient: flip(bytes("recipient"), 0) })],
      ["bad-seed", bad("another key pair", { kem_seed: flip(bytes("kem_seed"), 0) })],
      ["bad-enc-mlkem", bad("a changed byte in the ML-KEM part", { entry: changed("enc", 0) })],
      ["bad-enc-x25519", bad("a changed byte in the X25519 part", { entry: changed("enc", -3) })],
      ["bad-ct", bad("a changed tag", { entry: changed("ct", -1) })],
      ["bad-form", bad("a byte after the end", { entry: new Uint8Array([...bytes("entry"), 0]) }, "malformed")],
    ])
  },
  check: async (fields) => {
    const entry = decodeWrapEntry(fields.bytes("entry"))
    if (!entry.ok) return entry.error
    const kem = await kemKeyPairFromSeed(secret(fields.bytes("kem_seed")))
    const recipient = { id: fields.bytes("recipient"), kem }
    const opened =
      fields.int("kind") === 1
        ? await openWrap(p, contextOf(fields, 1), recipient, entry.value)
        : await openWrap(p, contextOf(fields, 3), recipient, entry.value)
    if (!opened.ok) return opened.error
    const wraps_hash = wrapsHashOfHashes(p, [wrapEntryHash(p, entry.value), fields.bytes("next_entry_hash")])
    return compare(fields, { key: opened.value.reveal(), wraps_hash })
  },
}
