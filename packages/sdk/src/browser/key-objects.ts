import { bytesToHex, lp, type Random, secret } from "@keyferry/base"
import { H, type Primitives, splitKemKeyPair } from "@keyferry/crypto"

import type { DeviceKeys } from "../device-keys.ts"
import { type OwnKey, STRICT, withKeys } from "./key-database.ts"

/**
 * This device's own keys as objects that are used and never seen. The 32 bytes which the SDK keeps name the object; for the
 * X-Wing pair they are the seed of its ML-KEM half as well, so that neither they nor the object alone open anything.
 * Source: spec/device-store.md
 */
export const createKeyObjects = (name: string, p: Primitives, random: Random): DeviceKeys => {
  const { subtle } = crypto
  const nameOf = (reference: Uint8Array): string => bytesToHex(H(p, lp("kf1/key-name", reference)))

  const make = async (algorithm: "Ed25519" | "X25519"): Promise<Uint8Array> => {
    const reference = random.bytes(32)
    const usages: KeyUsage[] = algorithm === "Ed25519" ? ["sign", "verify"] : ["deriveBits"]
    const made = (await subtle.generateKey(algorithm, false, usages)) as CryptoKeyPair
    const publicKey = new Uint8Array(await subtle.exportKey("raw", made.publicKey))
    await withKeys(name, async (db) => {
      const tx = db.transaction("own", "readwrite", STRICT)
      await Promise.all([tx.store.put({ privateKey: made.privateKey, publicKey }, nameOf(reference)), tx.done])
    })
    return reference
  }
  const find = async (reference: Uint8Array): Promise<OwnKey> => {
    const found = await withKeys(name, (db) => db.get("own", nameOf(reference)))
    // The browser threw the key away and kept the rows: nothing of the account opens here any more.
    if (found === undefined) throw new DOMException("a key of this device is gone", "NotReadableError")
    return found
  }

  return Object.freeze<DeviceKeys>({
    makeAuth: async () => secret<"AuthKey">(await make("Ed25519")),
    authPublicKey: async (key) => (await find(key.reveal())).publicKey,
    authSigner: async (key) => {
      const { privateKey } = await find(key.reveal())
      return async (message) => new Uint8Array(await subtle.sign("Ed25519", privateKey, new Uint8Array(message)))
    },
    makeKem: async () => secret<"KemSeed">(await make("X25519")),
    kemPair: async (key) => {
      const { privateKey, publicKey } = await find(key.reveal())
      return splitKemKeyPair(key, {
        publicKey,
        deriveBits: async (peer) => {
          const imported = await subtle.importKey("raw", new Uint8Array(peer), "X25519", false, [])
          return new Uint8Array(await subtle.deriveBits({ name: "X25519", public: imported }, privateKey, 256))
        },
      })
    },
  })
}
