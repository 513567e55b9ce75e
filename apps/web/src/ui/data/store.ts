import type { DeviceInfo, ItemSummary, RotationEntry, Status } from "@keyferry/sdk"
import type { Failure } from "@keyferry/sdk/errors"

import type { BrowserDevice } from "../../bridge/contract.ts"
import { oneAtATime } from "../../bridge/one-at-a-time.ts"

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

/** What the server said last stays on screen until it says something else. */
const withKnown = (status: Status, before: Status | undefined): Status => {
  const { account } = status
  const known = before?.account
  if (account?.deviceState !== "unknown" || known === undefined || known.id !== account.id) return status
  const { deviceState, factors, frozen, syncSuspended, thawAtMs, factorResetAtMs } = known
  return {
    ...status,
    account: {
      ...account,
      deviceState,
      factors,
      frozen,
      syncSuspended,
      ...(thawAtMs === undefined ? {} : { thawAtMs }),
      ...(factorResetAtMs === undefined ? {} : { factorResetAtMs }),
    },
  }
}

/** An answer that says the same as the last one stays that one, so that nothing is drawn again for it. */
const sameOr = <T>(before: T, now: T): T => (JSON.stringify(before) === JSON.stringify(now) ? before : now)

const isOpen = (status: Status | undefined): boolean => status?.lock === "unlocked" || status?.lock === "standard-only"

const DEVICES_AFTER_MS = 250
/** Another device says within half a minute that a change arrived; one that is off would be asked after in vain. */
const ASK_AGAIN_MS = [20_000, 20_000, 60_000] as const

/** Whether a change is on its way to another device still, as far as the server has said. */
const isOnTheWay = ({ items, devices }: Snapshot): boolean => {
  const changedMs = (items ?? []).reduce(
    (newest, { policy, updatedAtMs }) => (policy === "synced" ? Math.max(newest, updatedAtMs) : newest),
    0,
  )
  return (devices ?? []).some(
    ({ isThis, state, lastSeenMs }) => !isThis && state === "active" && lastSeenMs < changedMs,
  )
}

export const createAppStore = (keyferry: BrowserDevice): AppStore => {
  let snapshot = EMPTY
  let isLearning = false
  let again: ReturnType<typeof setTimeout> | undefined
  /** Times since the last change. */
  let asked = 0
  const listeners = new Set<() => void>()

  const set = (next: Snapshot): void => {
    snapshot = next
    for (const listener of listeners) listener()
  }

  /**
   * A change of the account makes the device forget what only the server knows: it is asked for once more, also if nobody did. A server that
   * is slow to say holds nothing up, and one that says nothing is asked no second time for the same.
   */
  const learn = (): void => {
    if (isLearning) return
    isLearning = true
    void keyferry.status({ fresh: true }).then(() => refresh())
  }

  /** What this device knows by itself. */
  const loadOwn = oneAtATime(async (fresh) => {
    const said = await keyferry.status({ fresh })
    if (said.account?.deviceState !== "unknown") isLearning = false
    else if (!fresh && said.lock === "unlocked") learn()
    const status = sameOr(snapshot.status, withKnown(said, snapshot.status))
    const version = snapshot.version + 1
    if (!isOpen(status)) {
      set({ ...EMPTY, version, status })
      return
    }
    // What stands around the list is drawn while that is on its way.
    if (!isOpen(snapshot.status)) set({ ...EMPTY, version, status })
    const listed = await keyferry.list()
    const { devices, rotation } = snapshot
    set({
      version,
      status,
      items: listed.ok ? listed.value : (snapshot.items ?? []),
      ...(listed.ok ? {} : { itemsFailure: listed.error }),
      devices,
      rotation,
    })
  })

  /** The list of devices asks the server: the credentials are on screen before it answers, and what was saved does not wait for it. */
  const loadDevices = oneAtATime(async () => {
    if (!isOpen(snapshot.status) || snapshot.status?.mode !== "account") return
    const [devices, rotation] = await Promise.all([keyferry.devices(), keyferry.rotationList()])
    if (!isOpen(snapshot.status)) return
    set({
      ...snapshot,
      devices: devices.ok ? sameOr(snapshot.devices, devices.value) : snapshot.devices,
      rotation: rotation.ok ? sameOr(snapshot.rotation, rotation.value) : snapshot.rotation,
    })
    clearTimeout(again)
    const waitMs = isOnTheWay(snapshot) ? ASK_AGAIN_MS[asked++] : undefined
    if (waitMs !== undefined) again = setTimeout(() => void loadDevices(), waitMs)
  })

  const refresh = async (fresh = false): Promise<void> => {
    await loadOwn(fresh)
    await loadDevices()
  }

  /** Most changes are of items, and come several at once: the devices are asked for when they are over. */
  let later: ReturnType<typeof setTimeout> | undefined
  const stop = keyferry.onChange(() => {
    void loadOwn()
    later ??= setTimeout(() => {
      later = undefined
      asked = 0
      void loadDevices()
    }, DEVICES_AFTER_MS)
  })
  return {
    get: () => snapshot,
    subscribe: (listener) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    refresh,
    close: () => {
      stop()
      clearTimeout(later)
      clearTimeout(again)
    },
  }
}
