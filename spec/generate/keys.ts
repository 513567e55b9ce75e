import { secret } from "@keyferry/base"
import {
  apiSignSeed,
  chainId,
  deriveAccountKem,
  deriveAccountSym,
  H,
  openPrevAccountSeed,
  openPrevVaultKey,
  openSk,
  passkeyPrfInput,
  sealedStruct,
  sealPrevAccountSeed,
  sealPrevVaultKey,
  sealSk,
  vaultConfirm,
} from "@keyferry/crypto"
import { nodePrimitives as p } from "@keyferry/crypto/node"

import {
  compare,
  type Fields,
  fieldsOf,
  fixedRandom,
  flip,
  spoiled,
  type Topic,
  type Vector,
  vector,
} from "./vector.ts"

/** Which formula a vector is about, in its field `what`. */
const COMPUTED: Readonly<Record<string, (f: Fields) => Promise<Readonly<Record<string, Uint8Array>>>>> = {
  account: async (f) => {
    const seed = secret<"AccountSeed">(f.bytes("seed"))
    const kem = await deriveAccountKem(p, seed, f.bytes("account_salt"), f.int("epoch"))
    const sym = await deriveAccountSym(p, seed, f.bytes("account_salt"), f.int("epoch"))
    return { kem_seed: kem.seed.reveal(), kem_pk_hash: H(p, kem.publicKey), sym: sym.reveal() }
  },
  confirm: async (f) => ({
    confirm: await vaultConfirm(p, secret(f.bytes("vault_key")), f.bytes("vault_salt"), f.int("epoch")),
  }),
  id: async (f) => {
    const kind = f.int("kind")
    if (kind !== 1 && kind !== 2 && kind !== 3) throw new Error("no such chain kind")
    return { id: chainId(p, kind, f.bytes("payload")) }
  },
  prf: async (f) => ({ input: passkeyPrfInput(p, f.bytes("account_id"), f.bytes("slot_id")) }),
  api: async (f) => ({ seed: (await apiSignSeed(p, secret(f.bytes("secret")), f.bytes("cred_id"))).reveal() }),
}

const OPENED: Readonly<Record<string, (f: Fields) => Promise<Uint8Array | undefined>>> = {
  "prev-account": async (f) => {
    const sym = secret<"AccountSym">(f.bytes("key"))
    const opened = await openPrevAccountSeed(p, { uid: f.bytes("id"), epoch: f.int("epoch"), sym, sealed: sealedOf(f) })
    return opened.ok ? opened.value.reveal() : undefined
  },
  "prev-vault": async (f) => {
    const key = secret<"VaultKey">(f.bytes("key"))
    const opened = await openPrevVaultKey(p, { vid: f.bytes("id"), epoch: f.int("epoch"), key, sealed: sealedOf(f) })
    return opened.ok ? opened.value.reveal() : undefined
  },
  sk: async (f) => {
    const opened = await openSk(p, { epoch: f.int("epoch"), sym: secret(f.bytes("key")), sealed: sealedOf(f) })
    return opened.ok ? opened.value.reveal() : undefined
  },
}

const sealedOf = (f: Fields): { salt: Uint8Array; commit: Uint8Array; ct: Uint8Array } => {
  const sealed = sealedStruct.decode(f.bytes("sealed"), 1_000)
  if (!sealed.ok) throw new Error("not a sealed thing")
  return sealed.value
}

/** Source   spec/keys.md KE4, KE8, KE9, KE10, KE18 */
export const keys: Topic = {
  name: "keys",
  generate: async () => {
    const random = fixedRandom("keys")
    const out = new Map<string, Vector>()
    const derive = async (name: string, comment: string, what: string, inputs: Record<string, Uint8Array | number>) => {
      const draft = vector(comment, { what, ...inputs })
      const computed = await COMPUTED[what]?.(fieldsOf(draft.fields))
      out.set(name, vector(comment, { what, ...inputs, ...computed }))
    }
    const seed = random.bytes(32)
    const account_salt = random.bytes(32)
    await derive("account-epoch-1", "[KE8] the first epoch", "account", { seed, account_salt, epoch: 1 })
    await derive("account-epoch-300", "[KE8] a late epoch", "account", { seed, account_salt, epoch: 300 })
    const vault = { vault_key: random.bytes(32), vault_salt: random.bytes(32) }
    await derive("confirm", "[KE8] confirmation of a vault key", "confirm", { ...vault, epoch: 2 })
    for (const kind of [1, 2, 3]) {
      await derive(`id-${kind}`, `[KE4] the id of a chain of kind ${kind}`, "id", { kind, payload: random.bytes(77) })
    }
    await derive("prf", "[KE9] what a passkey evaluates", "prf", {
      account_id: random.bytes(32),
      slot_id: random.bytes(16),
    })
    await derive("api", "[KE18] the seed of an API credential", "api", {
      secret: random.bytes(32),
      cred_id: random.bytes(16),
    })

    const key = random.bytes(32)
    const id = random.bytes(32)
    const inner = random.bytes(32)
    const uk = await sealPrevAccountSeed(p, random, { uid: id, epoch: 2, sym: secret(key), previous: secret(inner) })
    const vk = await sealPrevVaultKey(p, random, { vid: id, epoch: 2, key: secret(key), previous: secret(inner) })
    const sk = await sealSk(p, random, { epoch: 1, sym: secret(key), secretKey: secret(inner.slice(0, 16)) })
    const sealed = { key, id, epoch: 2 }
    const prevAccount = vector("[KE10] an account seed under the epoch after it", {
      what: "prev-account",
      ...sealed,
      sealed: sealedStruct.encode(uk),
      plaintext: inner,
    })
    const prevVault = vector("[KE10] a vault key under the epoch after it", {
      what: "prev-vault",
      ...sealed,
      sealed: sealedStruct.encode(vk),
      plaintext: inner,
    })
    out.set("prev-account", prevAccount)
    out.set("prev-vault", prevVault)
    out.set(
      "sk",
      vector("[KE10] the Secret Key", {
        what: "sk",
        key,
        epoch: 1,
        sealed: sealedStruct.encode(sk),
        plaintext: inner.slice(0, 16),
      }),
    )
    const bad = (
      name: string,
      good: Vector,
      comment: string,
      changes: Record<string, Uint8Array | number | string>,
    ): void => {
      out.set(`bad-${name}`, spoiled(good, `[KE10] ${comment}`, changes, "cannot-open"))
    }
    bad("prev-account-epoch", prevAccount, "an account seed served for another epoch", { epoch: 3 })
    bad("prev-account-id", prevAccount, "an account seed served for another account", { id: flip(id, 0) })
    bad("prev-vault-epoch", prevVault, "a vault key served for another epoch", { epoch: 1 })
    bad("prev-vault-as-account", prevVault, "a vault key served as an account seed", { what: "prev-account" })
    return out
  },
  check: async (fields) => {
    const what = fields.text("what")
    const computed = COMPUTED[what]
    if (computed !== undefined) return compare(fields, await computed(fields))
    const plaintext = await OPENED[what]?.(fields)
    return plaintext === undefined ? "cannot-open" : compare(fields, { plaintext })
  },
}
