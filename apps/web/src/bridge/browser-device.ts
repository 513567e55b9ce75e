import { err } from "@keyferry/base"
import type { PasskeyAuthenticator, Status } from "@keyferry/sdk"

import type { WorkerFrame } from "./connect.ts"
import type { BrowserDevice, Environment, Role, Snapshot, StoragePersistence } from "./contract.ts"
import { readPersistence, requestPersistence } from "./environment.ts"
import type { Reply } from "./messages.ts"
import { NOBODY } from "./nobody.ts"
import { oneAtATime } from "./one-at-a-time.ts"
import { createRemote } from "./proxy.ts"

/** Activity is told at most this often; the time after which tabs lock is counted in minutes. */
const TELL_ACTIVITY_EVERY_MS = 5000

/** The page's side: a snapshot that screens can read at any time, and the SDK's methods over a line to the worker. */
export const createBrowserDevice = (frame: WorkerFrame, environment: Environment): BrowserDevice => {
  const listeners = new Set<() => void>()
  const changeListeners = new Set<() => void>()
  let current: Snapshot = {
    version: 0,
    status: undefined,
    environment,
    failure: undefined,
    storage: "unknown",
    role: "waiting",
    holderClosed: false,
    online: navigator.onLine,
    origin: location.origin,
  }
  const set = (change: Partial<Snapshot>): void => {
    current = { ...current, ...change }
    for (const listener of listeners) listener()
  }
  let isAnswered = false
  const setRole = (role: Role): void => {
    // A follower hears of a role again only when the one it followed is gone.
    const hasLost = current.role === "follower" && current.status?.lock === "unlocked"
    set({ role, ...(hasLost ? { holderClosed: true } : {}) })
    isAnswered ||= role !== "waiting"
    // Also where the role stays: another leader knows nothing of what the last one had open.
    if (role !== "waiting") void changed()
  }
  const setStorage = (storage: StoragePersistence): StoragePersistence => {
    set({ storage })
    return storage
  }

  const remote = createRemote(frame.line, (reply) => {
    if (reply.kind === "failed") set({ failure: reply.failure })
    else if (reply.kind === "passkey") void askPasskey(reply)
    else if (reply.kind === "role") setRole(reply.role)
    else void changed()
  })
  const askPasskey = async ({ id, what, options }: Extract<Reply, { kind: "passkey" }>): Promise<void> => {
    remote.send({ kind: "passkey", id, answer: await askPage(what, options) })
  }
  /** After a change the screens and this snapshot ask in the same turn: one question serves both. */
  let sameTurn: Promise<Status> | undefined
  const statusNow = (): Promise<Status> => {
    if (sameTurn === undefined) {
      sameTurn = remote.keyferry.status()
      queueMicrotask(() => (sameTurn = undefined))
    }
    return sameTurn
  }
  const status: BrowserDevice["status"] = async (options) =>
    !isAnswered && !(await frame.hasStore) && !isAnswered
      ? NOBODY
      : options?.fresh === true
        ? remote.keyferry.status(options)
        : statusNow()
  let isKept = false
  const readStatus = oneAtATime(async () => {
    const status = await statusNow()
    if (status.mode !== "none" && !isKept) {
      isKept = true
      frame.keepApp()
    }
    const isOpen = status.lock === "unlocked" || status.lock === "standard-only"
    set({ version: current.version + 1, status, ...(isOpen ? { holderClosed: false } : {}) })
  })
  const changed = (): Promise<void> => {
    for (const listener of changeListeners) listener()
    return readStatus()
  }

  addEventListener("online", () => set({ online: true }))
  addEventListener("offline", () => set({ online: false }))
  void readPersistence().then(setStorage)

  let toldMs = 0
  return Object.freeze<BrowserDevice>({
    ...remote.keyferry,
    status,
    close: async () => frame.end(),
    onChange: (listener) => {
      changeListeners.add(listener)
      return () => changeListeners.delete(listener)
    },
    snapshot: () => current,
    subscribe: (listener) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    lockEverywhere: () => remote.keyferry.lock(),
    activity: () => {
      const nowMs = performance.now()
      if (toldMs !== 0 && nowMs - toldMs < TELL_ACTIVITY_EVERY_MS) return
      toldMs = nowMs
      remote.send({ kind: "activity" })
    },
    forgetEverything: async () => {
      // This tab's worker may hold the databases open.
      frame.end()
      await deleteOwnDatabases()
    },
    keepStorage: async () => setStorage(await requestPersistence()),
  })
}

/** The worker waits for an answer, whatever becomes of the question. */
const askPage = async (what: keyof PasskeyAuthenticator, options: unknown): Promise<unknown> => {
  try {
    // Loaded when it is first needed; most tabs never are asked.
    const { pageAuthenticator } = await import("./authenticator.ts")
    return await pageAuthenticator[what](options as never)
  } catch (error) {
    // A part of the app that a server without a connection cannot bring, or a defect; said where it is looked for.
    reportError(error)
    return err("not-used")
  }
}

/** Waits for other tabs that still hold one open. */
const deleteOwnDatabases = async (): Promise<void> => {
  for (const { name } of await indexedDB.databases()) {
    if (name === undefined || !name.startsWith("keyferry")) continue
    await new Promise<void>((resolve, reject) => {
      const request = indexedDB.deleteDatabase(name)
      request.addEventListener("success", () => resolve())
      request.addEventListener("error", () => reject(request.error ?? new Error(name)))
    })
  }
}
