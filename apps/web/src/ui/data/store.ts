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

/** What the server said last stays on screen until it says something else. */
const withKnown = (status: Status, before: Status | undefined): Status => {
  const { account } = status
  const known = before?.account
  if (account?.deviceState !== "unknown" || known === undefined || known.id !== account.id) return status
  const { deviceState, factors, frozen, syncSuspended, thawAtMs } = known
  return {
    ...status,
    account: {
      ...account,
      deviceState,
      factors,
      frozen,
      syncSuspended,
      ...(thawAtMs === undefined ? {} : { thawAtMs }),
    },
  }
}

export const createAppStore = (keyferry: BrowserDevice): AppStore => {
  let snapshot = EMPTY
  let isLearning = false
  let running: Promise<void> | undefined
  let next: { readonly fresh: boolean; readonly answer: PromiseWithResolvers<void> } | undefined
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

  const load = async (fresh: boolean): Promise<void> => {
    const said = await keyferry.status({ fresh })
    if (said.account?.deviceState !== "unknown") isLearning = false
    else if (!fresh && said.lock === "unlocked") learn()
    const status = withKnown(said, snapshot.status)
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

  /** Whoever asks while an answer is under way gets the next one, which is as fresh as any of them wanted. */
  const refresh = (fresh = false): Promise<void> => {
    if (running === undefined) {
      running = load(fresh).finally(() => {
        running = undefined
        const waiting = next
        next = undefined
        if (waiting !== undefined) void refresh(waiting.fresh).then(waiting.answer.resolve, waiting.answer.reject)
      })
      return running
    }
    next = { fresh: fresh || next?.fresh === true, answer: next?.answer ?? Promise.withResolvers<void>() }
    return next.answer.promise
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
