import { type DBSchema, deleteDB, openDB } from "idb"

import type { SecretStorage } from "../ports.ts"

/** The device secret under a key that no script can read out. Both lie in a database of their own, apart from the rows. */
interface Keys extends DBSchema {
  readonly secret: { key: "device"; value: SealedSecret }
}
interface SealedSecret {
  readonly key: CryptoKey
  readonly nonce: Uint8Array<ArrayBuffer>
  readonly ct: ArrayBuffer
}

export const createSecretStore = (name: string): SecretStorage => {
  const open = () => openDB<Keys>(name, 1, { upgrade: (made) => void made.createObjectStore("secret") })
  return Object.freeze<SecretStorage>({
    load: async () => {
      const db = await open()
      try {
        const kept = await db.get("secret", "device")
        if (kept === undefined) return undefined
        const algorithm = { name: "AES-GCM", iv: kept.nonce }
        return new Uint8Array(await crypto.subtle.decrypt(algorithm, kept.key, kept.ct))
      } finally {
        db.close()
      }
    },
    save: async (secret) => {
      const key = await crypto.subtle.generateKey({ name: "AES-GCM", length: 256 }, false, ["encrypt", "decrypt"])
      const nonce = crypto.getRandomValues(new Uint8Array(12))
      const ct = await crypto.subtle.encrypt({ name: "AES-GCM", iv: nonce }, key, new Uint8Array(secret))
      const db = await open()
      try {
        const tx = db.transaction("secret", "readwrite", { durability: "strict" })
        await Promise.all([tx.store.put({ key, nonce, ct }, "device"), tx.done])
      } finally {
        db.close()
      }
    },
    destroy: () => deleteDB(name),
  })
}
