import { type DBSchema, type IDBPDatabase, openDB } from "idb"

/*
 * Key objects of this device, in a database of their own, apart from the rows. None of them can be exported. Destroying the
 * device secret deletes the whole database.
 */
export interface Keys extends DBSchema {
  readonly secret: { key: "device"; value: SealedSecret }
  /** By a name that is made from the 32 bytes the SDK keeps for the key. */
  readonly own: { key: string; value: OwnKey }
}

export interface SealedSecret {
  readonly key: CryptoKey
  readonly nonce: Uint8Array<ArrayBuffer>
  readonly ct: ArrayBuffer
}

export interface OwnKey {
  readonly privateKey: CryptoKey
  readonly publicKey: Uint8Array
}

/** Opened for each use: a connection that stays open would hold up the deletion. */
export const withKeys = async <T>(name: string, work: (db: IDBPDatabase<Keys>) => Promise<T>): Promise<T> => {
  const db = await openDB<Keys>(name, 1, {
    upgrade: (made) => {
      made.createObjectStore("secret")
      made.createObjectStore("own")
    },
  })
  try {
    return await work(db)
  } finally {
    db.close()
  }
}

export const STRICT = { durability: "strict" } as const
