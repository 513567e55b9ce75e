import type { DeviceInfo, ItemSummary, RotationEntry, Status } from "@keyferry/sdk"
import type { Failure } from "@keyferry/sdk/errors"

import type { BrowserDevice } from "../../bridge/contract.ts"

/*
 * One snapshot of what the screens show, asked for again after every change. Plaintext lives here only while the vault
 * is open: locking replaces the whole snapshot.
 */
export interface Snapshot {
  /** Grows with every change, for screens that ask for more by themselves. */
  readonly version: number
  readonly status: Status | undefined
  readonly items: readonly ItemSummary[] | undefined
  readonly itemsFailure?: Failure
  readonly devices: readonly DeviceInfo[] | undefined
  readonly rotation: readonly RotationEntry[]
}

export interface AppStore {
  readonly get: () => Snapshot
  readonly subscribe: (listener: () => void) => () => void
  /** `fresh`: also ask the server what only it knows. */
  readonly refresh: (fresh?: boolean) => Promise<void>
  readonly close: () => void
}

const EMPTY: Snapshot = { version: 0, status: undefined, items: undefined, devices: undefined, rotation: [] }

export const createAppStore = (keyferry: BrowserDevice): AppStore => {
  let snapshot = EMPTY
  let running: Promise<void> | undefined
  let again = false
  const listeners = new Set<() => void>()

  const set = (next: Snapshot): void => {
    snapshot = next
    for (const listener of listeners) listener()
  }

  const load = async (fresh: boolean): Promise<void> => {
    const status = await keyferry.status({ fresh })
    const version = snapshot.version + 1
    if (status.lock !== "unlocked" && status.lock !== "standard-only") {
      set({ ...EMPTY, version, status })
      return
    }
    const listed = await keyferry.list()
    const base = {
      version,
      status,
      items: listed.ok ? listed.value : (snapshot.items ?? []),
      ...(listed.ok ? {} : { itemsFailure: listed.error }),
      devices: snapshot.devices,
      rotation: snapshot.rotation,
    }
    set(base)
    if (status.mode !== "account") return
    // The list of devices asks the server; the credentials are on screen before it answers.
    const [devices, rotation] = await Promise.all([keyferry.devices(), keyferry.rotationList()])
    if (snapshot.status?.lock === "locked") return
    set({
      ...snapshot,
      devices: devices.ok ? devices.value : snapshot.devices,
      rotation: rotation.ok ? rotation.value : snapshot.rotation,
    })
  }

  const refresh = (fresh = false): Promise<void> => {
    if (running !== undefined) {
      again = true
      return running
    }
    running = load(fresh).finally(() => {
      running = undefined
      if (!again) return
      again = false
      void refresh()
    })
    return running
  }

  const stop = keyferry.onChange(() => void refresh())
  return {
    get: () => snapshot,
    subscribe: (listener) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    refresh,
    close: stop,
  }
}
