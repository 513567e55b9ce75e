import { useEffect, useState } from "react"

import type { BrowserDevice } from "../bridge/contract.ts"
import { AppProvider } from "./data/app-context.tsx"
import { type AppStore, createAppStore } from "./data/store.ts"
import { StepUpProvider } from "./data/use-act.tsx"
import { Gate } from "./frame/gate.tsx"

/** The whole app on one bridge. */
export const App = ({ bridge }: { readonly bridge: BrowserDevice }) => {
  const [store, setStore] = useState<AppStore>()
  useEffect(() => {
    const made = createAppStore(bridge)
    setStore(made)
    // What only the server knows (factors, device state) is asked for once at the start, after the first draw.
    void made.refresh().then(() => made.refresh(true))
    return made.close
  }, [bridge])
  useEffect(() => {
    const events = ["pointerdown", "keydown", "wheel"] as const
    for (const name of events) addEventListener(name, bridge.activity, { passive: true })
    return () => {
      for (const name of events) removeEventListener(name, bridge.activity)
    }
  }, [bridge])
  if (store === undefined) return null
  return (
    <AppProvider bridge={bridge} store={store}>
      <StepUpProvider>
        <Gate />
      </StepUpProvider>
    </AppProvider>
  )
}
