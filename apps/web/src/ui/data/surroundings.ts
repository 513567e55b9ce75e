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

let last: Surroundings | undefined

/** The same object until something in it changes, for `useSyncExternalStore`. */
export const surroundingsOf = (device: BrowserDevice): Surroundings => {
  const { environment, failure, storage, online, holderClosed, origin } = device.snapshot()
  const surroundings: Surroundings = {
    secure: environment.state !== "insecure_context",
    missing: environment.state === "unsupported" ? environment.what : NONE,
    failure,
    storage,
    online,
    holderClosed,
    safari: isSafari(),
    origin,
  }
  if (last === undefined || !isSame(last, surroundings)) last = surroundings
  return last
}
const NONE: readonly string[] = []

const isSame = (a: Surroundings, b: Surroundings): boolean =>
  (Object.keys(a) as (keyof Surroundings)[]).every((name) => a[name] === b[name])
