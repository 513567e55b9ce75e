import type { BrowserDevice, Snapshot } from "../../bridge/contract.ts"

/** What the browser around the app says, as the screens read it. */
export interface Surroundings {
  /** False on plain HTTP, where browsers give no encryption. */
  readonly secure: boolean
  /** Names of browser abilities that are missing; empty where all is there. */
  readonly missing: readonly string[]
  /** This browser's store cannot be opened; nothing else works then. */
  readonly failure: Snapshot["failure"]
  readonly storage: Snapshot["storage"]
  readonly online: boolean
  /** The tab that held the keys was closed, which locked this one. */
  readonly holderClosed: boolean
  /** Safari clears a site's stored bytes after seven days without a visit. */
  readonly safari: boolean
  /** This page's own origin: the server. */
  readonly origin: string
}

const isSafari = (): boolean => /^((?!chrome|android).)*safari/i.test(navigator.userAgent)

const made = new WeakMap<Snapshot, Surroundings>()

/** One object for each snapshot, for `useSyncExternalStore`. */
export const surroundingsOf = (device: BrowserDevice): Surroundings => {
  const snapshot = device.snapshot()
  const known = made.get(snapshot)
  if (known !== undefined) return known
  const { environment } = snapshot
  const surroundings: Surroundings = {
    secure: environment.state !== "insecure_context",
    missing: environment.state === "unsupported" ? environment.what : [],
    failure: snapshot.failure,
    storage: snapshot.storage,
    online: snapshot.online,
    holderClosed: snapshot.holderClosed,
    safari: isSafari(),
    origin: snapshot.origin,
  }
  made.set(snapshot, surroundings)
  return surroundings
}
