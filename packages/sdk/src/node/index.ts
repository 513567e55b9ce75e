import { randomBytes } from "node:crypto"
import { statSync } from "node:fs"
import { join } from "node:path"

import { type Clock, err, type MonotonicClock, type Random, type Result } from "@keyferry/base"
import { nodePrimitives } from "@keyferry/crypto/node"
import type { Failure } from "@keyferry/protocol"

import type { Keyferry } from "../api.ts"
import { openKeyferry } from "../keyferry.ts"
import type { PasskeyAuthenticator } from "../passkey-port.ts"
import type { Http, SecretStorage } from "../ports.ts"
import { createFileStore } from "./file-store.ts"
import { createNodeHttp } from "./http.ts"
import { createSecretFile, SecretDamaged } from "./secret-file.ts"

export { createFileStore } from "./file-store.ts"
export { createNodeHttp } from "./http.ts"
export { createKeychainStorage, type KeychainEntry } from "./keychain.ts"
export { createSecretFile } from "./secret-file.ts"

export interface NodeOptions {
  /** The profile's own folder, 0700. Holds `device.db` and, without a keychain, `device.secret`. */
  readonly folder: string
  readonly client?: string
  readonly clock?: Clock & MonotonicClock
  readonly random?: Random
  readonly secrets?: SecretStorage
  readonly http?: Http
  readonly passkeys?: PasskeyAuthenticator
}

/** Opens (or prepares) a device in a folder. Errors: schema-newer, store-corrupt, store-full, store-read-only, store-in-use. */
export const openNodeKeyferry = async (options: NodeOptions): Promise<Result<Keyferry, Failure>> => {
  try {
    const secrets = options.secrets ?? createSecretFile(join(options.folder, "device.secret"))
    const path = join(options.folder, "device.db")
    // An empty file would be a new vault. Where a secret is kept there was one, and it is gone: that must be said.
    if (statSync(path, { throwIfNoEntry: false })?.size === 0 && (await secrets.load()) !== undefined)
      return err({ code: "store-corrupt", detail: "The file with the vault is empty." })
    return await openKeyferry({
      store: createFileStore(path),
      secrets,
      http: options.http ?? createNodeHttp(),
      clock: options.clock ?? { nowMs: () => Date.now(), monotonicMs: () => performance.now() },
      random: options.random ?? { bytes: (length) => new Uint8Array(randomBytes(length)) },
      primitives: nodePrimitives,
      platform: `${PLATFORM_NAMES[process.platform] ?? process.platform} · Node ${process.versions.node.split(".")[0]}`,
      client: options.client ?? "sdk/0.1.0",
      ...(options.passkeys === undefined ? {} : { passkeys: options.passkeys }),
      failureOf: storeFailure,
      schedule: (run, delayMs, somebodyWaits = false) => {
        const timer = setTimeout(run, Math.min(delayMs, 2_000_000_000))
        if (!somebodyWaits) timer.unref()
        return () => clearTimeout(timer)
      },
    })
  } catch (error) {
    const failure = storeFailure(error)
    if (failure === undefined) throw error
    return err(failure)
  }
}

// SQLITE_IOERR_SHMSIZE, _SHMMAP: no room for the index of the log, https://sqlite.org/rescode.html
const NO_ROOM: ReadonlySet<number> = new Set([4874, 5386])

const PLATFORM_NAMES: Readonly<Record<string, string>> = { linux: "Linux", darwin: "macOS", win32: "Windows" }

/** What SQLite and the file system say about a damaged, newer, full or foreign store. */
export const storeFailure = (error: unknown): Failure | undefined => {
  if (!(error instanceof Error)) return undefined
  const code = (error as NodeJS.ErrnoException).code
  if (error.message === "keychain-unavailable") return { code: "keychain-unavailable" }
  if (error.message === "schema-newer") return { code: "schema-newer" }
  if (error instanceof SecretDamaged)
    return { code: "store-corrupt", detail: "The file with this device's secret is damaged." }
  const errcode = "errcode" in error ? Number(error.errcode) : 0
  if (code === "ERR_SQLITE_ERROR" && NO_ROOM.has(errcode)) return { code: "store-full" }
  if (/malformed|not a database|corrupt/i.test(error.message)) return { code: "store-corrupt" }
  if (code === "ENOSPC" || /disk is full|database or disk/i.test(error.message)) return { code: "store-full" }
  if (code === "EACCES" || code === "EROFS" || /readonly|unable to open/i.test(error.message))
    return { code: "store-read-only" }
  if (/database is locked/i.test(error.message)) return { code: "store-in-use" }
  return undefined
}
