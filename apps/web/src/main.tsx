import { useSyncExternalStore } from "react"
import { createRoot } from "react-dom/client"

import { connect } from "./bridge/connect.ts"
import type { BrowserDevice } from "./bridge/contract.ts"

/** What is known of this browser as a device, until the screens take this place. */
const Plain = ({ device }: { readonly device: BrowserDevice }) => {
  const { environment, status, role } = useSyncExternalStore(device.subscribe, device.snapshot)
  return (
    <p>
      {environment.state} · {role} · {status === undefined ? "…" : `${status.mode}, ${status.lock}`}
    </p>
  )
}

const root = document.getElementById("app")
if (root === null) throw new Error("the page has no place for the app")
createRoot(root).render(<Plain device={connect()} />)
