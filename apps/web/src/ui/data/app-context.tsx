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

export const useSnapshot = (): Snapshot => {
  const { store } = useApp()
  return useSyncExternalStore(store.subscribe, store.get)
}

export const useRefresh = (): AppStore["refresh"] => useApp().store.refresh

/** The status; screens inside the frame exist only once there is one. */
export const useStatus = (): Status => {
  const { status } = useSnapshot()
  if (status === undefined) throw new Error("a screen was shown before the status was known")
  return status
}

const NO_ITEMS: readonly ItemSummary[] = []
const NO_DEVICES: readonly DeviceInfo[] = []

export const useItems = (): readonly ItemSummary[] => useSnapshot().items ?? NO_ITEMS
export const useDevices = (): readonly DeviceInfo[] => useSnapshot().devices ?? NO_DEVICES

export const useSurroundings = (): Surroundings => {
  const { bridge } = useApp()
  return useSyncExternalStore(bridge.subscribe, () => surroundingsOf(bridge))
}
