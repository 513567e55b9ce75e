import { deleteDB } from "idb"

import type { SecretStorage } from "../ports.ts"
import { STRICT, withKeys } from "./key-database.ts"

/** The device secret under a key that no script can read out. */
export const createSecretStore = (name: string): SecretStorage =>
  Object.freeze<SecretStorage>({
    load: () =>
      withKeys(name, async (db) => {
        const kept = await db.get("secret", "device")
        if (kept === undefined) return undefined
        const algorithm = { name: "AES-GCM", iv: kept.nonce }
        return new Uint8Array(await crypto.subtle.decrypt(algorithm, kept.key, kept.ct))
      }),
    save: async (secret) => {
      const key = await crypto.subtle.generateKey({ name: "AES-GCM", length: 256 }, false, ["encrypt", "decrypt"])
      const nonce = crypto.getRandomValues(new Uint8Array(12))
      const ct = await crypto.subtle.encrypt({ name: "AES-GCM", iv: nonce }, key, new Uint8Array(secret))
      await withKeys(name, async (db) => {
        const tx = db.transaction("secret", "readwrite", STRICT)
        await Promise.all([tx.store.put({ key, nonce, ct }, "device"), tx.done])
      })
    },
    destroy: () => deleteDB(name),
  })
