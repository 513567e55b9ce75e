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

const openByName = new Map<string, Promise<IDBPDatabase<Keys>>>()

/** Stays open, since opening takes as long as all else that is done with a key. Whoever deletes the database is not held up: the connection ends then. */
const opened = (name: string): Promise<IDBPDatabase<Keys>> => {
  const known = openByName.get(name)
  if (known !== undefined) return known
  const forget = (): void => void openByName.delete(name)
  const opening = openDB<Keys>(name, 1, {
    upgrade: (made) => {
      made.createObjectStore("secret")
      made.createObjectStore("own")
    },
    blocking: (_current, _wanted, event) => {
      forget()
      ;(event.target as IDBDatabase).close()
    },
    terminated: forget,
  })
  openByName.set(name, opening)
  // One that did not open is tried again by the next call.
  opening.catch(forget)
  return opening
}

export const withKeys = async <T>(name: string, work: (db: IDBPDatabase<Keys>) => Promise<T>): Promise<T> =>
  work(await opened(name))

export const STRICT = { durability: "strict" } as const
