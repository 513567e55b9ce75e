import type { Ability, Environment, StoragePersistence } from "./contract.ts"

const missingAbilities = (): readonly Ability[] => {
  const there: Readonly<Record<Ability, boolean>> = {
    "crypto.subtle": globalThis.crypto?.subtle !== undefined,
    indexedDB: "indexedDB" in globalThis,
    "navigator.locks": "locks" in navigator,
    BroadcastChannel: "BroadcastChannel" in globalThis,
    Worker: "Worker" in globalThis,
    WebAssembly: "WebAssembly" in globalThis,
  }
  return (Object.keys(there) as Ability[]).filter((ability) => !there[ability])
}

/** On plain HTTP several abilities are missing at once; that it is plain HTTP is what helps a person. */
export const readEnvironment = (): Environment => {
  if (!globalThis.isSecureContext) return { state: "insecure_context" }
  const what = missingAbilities()
  return what.length > 0 ? { state: "unsupported", what } : { state: "ready" }
}

/** A browser may leave the question open while it asks the person, and headless Firefox for ever. */
const ANSWER_WITHIN_MS = 5000

const answer = async (ask: (storage: StorageManager) => Promise<boolean>): Promise<StoragePersistence> => {
  const storage: StorageManager | undefined = navigator.storage
  if (storage === undefined || !("persisted" in storage)) return "unknown"
  const late = new Promise<"unknown">((resolve) => setTimeout(() => resolve("unknown"), ANSWER_WITHIN_MS))
  const kept = ask(storage).then(
    (yes) => (yes ? "kept" : "may-be-cleared"),
    // A browser that refuses to answer has promised nothing.
    () => "unknown" as const,
  )
  return Promise.race([kept, late])
}

export const readPersistence = (): Promise<StoragePersistence> => answer((storage) => storage.persisted())
export const requestPersistence = (): Promise<StoragePersistence> => answer((storage) => storage.persist())
