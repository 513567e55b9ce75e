import { createContext, type ReactNode, use, useSyncExternalStore } from "react"

import type { DeviceInfo, ItemSummary, Status } from "@keyferry/sdk"

import type { BrowserDevice } from "../../bridge/contract.ts"
import type { AppStore, Snapshot } from "./store.ts"
import { type Surroundings, surroundingsOf } from "./surroundings.ts"

interface AppValue {
  readonly bridge: BrowserDevice
  readonly store: AppStore
}

const AppContext = createContext<AppValue | undefined>(undefined)

export const AppProvider = ({ bridge, store, children }: AppValue & { readonly children: ReactNode }) => (
  <AppContext value={{ bridge, store }}>{children}</AppContext>
)

const useApp = (): AppValue => {
  const app = use(AppContext)
  if (app === undefined) throw new Error("a screen stands outside the app")
  return app
}

export const useKeyferry = (): BrowserDevice => useApp().bridge

/** A part of the snapshot that stays the same object until it changes: only then is what uses it drawn again. */
export const useSnapshot = <T,>(part: (snapshot: Snapshot) => T): T => {
  const { store } = useApp()
  return useSyncExternalStore(store.subscribe, () => part(store.get()))
}

export const useRefresh = (): AppStore["refresh"] => useApp().store.refresh

/** The status; screens inside the frame exist only once there is one. */
export const useStatus = (): Status => useStatusPart((status) => status)

/** A plain value of the status, for what need not be drawn again with every sync. */
export const useStatusPart = <T,>(part: (status: Status) => T): T =>
  useSnapshot(({ status }) => {
    if (status === undefined) throw new Error("a screen was shown before the status was known")
    return part(status)
  })

const NO_ITEMS: readonly ItemSummary[] = []
const NO_DEVICES: readonly DeviceInfo[] = []

export const useItems = (): readonly ItemSummary[] => useSnapshot(({ items }) => items ?? NO_ITEMS)
export const useDevices = (): readonly DeviceInfo[] => useSnapshot(({ devices }) => devices ?? NO_DEVICES)

export const useSurroundings = (): Surroundings => {
  const { bridge } = useApp()
  return useSyncExternalStore(bridge.subscribe, () => surroundingsOf(bridge))
}
