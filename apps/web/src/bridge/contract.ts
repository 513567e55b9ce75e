import type { Keyferry, Status } from "@keyferry/sdk"
import type { Failure } from "@keyferry/sdk/errors"

/*
 * What the screens see of this browser: the SDK's own interface, answered by a worker, and what only a browser has.
 * Screens import nothing else of the bridge.
 */

/** Abilities that a browser may lack; names are those of the platform. */
export type Ability = "crypto.subtle" | "indexedDB" | "navigator.locks" | "BroadcastChannel" | "Worker" | "WebAssembly"

export type Environment =
  | { readonly state: "ready" }
  /** Plain HTTP on another host than localhost: browsers give no encryption there. */
  | { readonly state: "insecure_context" }
  | { readonly state: "unsupported"; readonly what: readonly Ability[] }

/** Whether the browser promised to keep this site's stored bytes. */
export type StoragePersistence = "kept" | "may-be-cleared" | "unknown"

/** Which tab holds the keys: this one, another one that answers for it, or nobody yet. */
export type Role = "leader" | "follower" | "waiting"

/** One immutable object at a time, for `useSyncExternalStore`: the same object until something changed. */
export interface Snapshot {
  /** Grows with every change of items or status. */
  readonly version: number
  /** Absent until the worker answered once. */
  readonly status: Status | undefined
  readonly environment: Environment
  /** Set where this browser's store cannot be opened: damaged, full, or written by a newer version. Nothing answers then. */
  readonly failure: Failure | undefined
  readonly storage: StoragePersistence
  readonly role: Role
  /** The tab that held the keys was closed while it was open, and the keys went with it: why this one is locked now. */
  readonly holderClosed: boolean
  readonly online: boolean
  /** This page's own origin: the server. */
  readonly origin: string
}

export interface BrowserDevice extends Keyferry {
  /** Ends this tab's worker. Where it held the keys, another tab takes over, locked. */
  readonly close: () => Promise<void>
  readonly snapshot: () => Snapshot
  /** Answers with its own cancellation. */
  readonly subscribe: (listener: () => void) => () => void
  /** Locks every tab of this profile at once, also the one that holds the keys. */
  readonly lockEverywhere: () => Promise<void>
  /** A person did something in this tab: the time after which all tabs lock begins anew. Cheap; call it on every event. */
  readonly activity: () => void
  /** Deletes everything that this browser stores for this app; for a store that cannot be opened. Other tabs of it must be closed. */
  readonly forgetEverything: () => Promise<void>
  /** Asks the browser to keep this site's stored bytes; it may ask the person, or say no. */
  readonly keepStorage: () => Promise<StoragePersistence>
}
