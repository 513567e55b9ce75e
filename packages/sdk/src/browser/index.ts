import { err, type Random, type Result } from "@keyferry/base"
import { hasEd25519, webPrimitives } from "@keyferry/crypto/web"
import type { Failure } from "@keyferry/protocol"

import type { Keyferry } from "../api.ts"
import { openKeyferry } from "../keyferry.ts"
import type { PasskeyAuthenticator } from "../passkey-port.ts"
import { browserName } from "./browser-name.ts"
import { createFetchHttp } from "./http.ts"
import { createKeyObjects } from "./key-objects.ts"
import { hasKeyObjects } from "./key-support.ts"
import { createRowStore } from "./row-store.ts"
import { createSecretStore } from "./secret-store.ts"

export interface BrowserOptions {
  readonly client: string
  /** Names of the databases begin with it. */
  readonly profile: string
  /** On the page's side of the worker's border; a worker has no `navigator.credentials` itself. */
  readonly passkeys?: PasskeyAuthenticator
  /** Is given what to call when a person does something in a tab. */
  readonly attention?: (lookAgain: () => void) => void
}

/** Opens (or prepares) this browser profile as a device. To be called in a worker. Errors: schema-newer, store-corrupt, store-full. */
export const openBrowserKeyferry = async (options: BrowserOptions): Promise<Result<Keyferry, Failure>> => {
  const { subtle } = crypto
  const keyDatabase = `${options.profile}-keys`
  const random: Random = { bytes: (length) => crypto.getRandomValues(new Uint8Array(length)) }
  try {
    const primitives = webPrimitives(subtle, await hasEd25519(subtle))
    return await openKeyferry({
      store: createRowStore(options.profile),
      secrets: createSecretStore(keyDatabase),
      http: createFetchHttp(),
      clock: { nowMs: () => Date.now(), monotonicMs: () => performance.now() },
      random,
      primitives,
      ...((await hasKeyObjects(subtle)) ? { keys: createKeyObjects(keyDatabase, primitives, random) } : {}),
      platform: browserName(navigator.userAgent),
      client: options.client,
      ...(options.passkeys === undefined ? {} : { passkeys: options.passkeys }),
      failureOf: browserFailure,
      schedule: (run, delayMs) => {
        const timer = setTimeout(run, Math.min(delayMs, 2_000_000_000))
        return () => clearTimeout(timer)
      },
      attention: (lookAgain) => {
        addEventListener("online", lookAgain)
        options.attention?.(lookAgain)
      },
    })
  } catch (error) {
    const failure = browserFailure(error)
    if (failure === undefined) throw error
    return err(failure)
  }
}

/** What IndexedDB says, by the names of https://www.w3.org/TR/IndexedDB/#exceptions; `undefined` for a defect. */
export const browserFailure = (error: unknown): Failure | undefined => {
  if (!(error instanceof DOMException)) return undefined
  if (error.name === "QuotaExceededError") return { code: "store-full" }
  if (error.name === "VersionError") return { code: "schema-newer" }
  if (error.name === "UnknownError" || error.name === "NotReadableError") return { code: "store-corrupt" }
  return undefined
}
