import { connect } from "../src/bridge/connect.ts"
import type { BrowserDevice } from "../src/bridge/contract.ts"

/** The bridge without screens, for tests. Not among the inputs of the build that is shipped. */
const device = connect()
const timesMs: number[] = []
device.onChange(() => void timesMs.push(Date.now()))

const hook = {
  device,
  /** Calls a method with plain arguments. */
  call: (method: keyof BrowserDevice, args: readonly unknown[]): unknown =>
    (device[method] as (...given: readonly unknown[]) => unknown)(...args),
  /** Every key object in every database of this origin: [database, kind, may be exported]. */
  keys: async (): Promise<readonly (readonly [string, string, boolean])[]> => {
    const found: [string, string, boolean][] = []
    for (const { name } of await indexedDB.databases()) {
      if (name === undefined) continue
      const db = await new Promise<IDBDatabase>((resolve, reject) => {
        const request = indexedDB.open(name)
        request.addEventListener("success", () => resolve(request.result))
        request.addEventListener("error", () => reject(request.error ?? new Error(name)))
      })
      for (const store of db.objectStoreNames) {
        const values = await new Promise<readonly unknown[]>((resolve, reject) => {
          const request = db.transaction(store).objectStore(store).getAll()
          request.addEventListener("success", () => resolve(request.result))
          request.addEventListener("error", () => reject(request.error ?? new Error(store)))
        })
        for (const value of values)
          for (const key of keysIn(value)) found.push([name, `${key.type} ${key.algorithm.name}`, key.extractable])
      }
      db.close()
    }
    return found
  },
}

const keysIn = (value: unknown): readonly CryptoKey[] => {
  if (value instanceof CryptoKey) return [value]
  if (typeof value !== "object" || value === null || ArrayBuffer.isView(value) || value instanceof ArrayBuffer)
    return []
  return Object.values(value).flatMap(keysIn)
}

Object.assign(globalThis, { hook })
