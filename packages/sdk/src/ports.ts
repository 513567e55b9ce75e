import type { Clock, MonotonicClock, Random, Result } from "@keyferry/base"
import type { Primitives } from "@keyferry/crypto"
import type { Failure } from "@keyferry/protocol"

import type { PasskeyAuthenticator } from "./passkey-port.ts"
import { type DeviceKeys, seedKeys } from "./device-keys.ts"

/*
 * What a platform gives the SDK. Node and browser each bring an adapter; nothing else of a host is used.
 */

export interface Row {
  readonly table: string
  readonly key: string
  /** Absent: the row is taken out. */
  readonly value?: Uint8Array
}

/** The device's own store: sealed rows by table and key. A batch is durable, whole or not at all, when `write` resolves. */
export interface DeviceStore {
  readonly read: (table: string, key: string) => Promise<Uint8Array | undefined>
  readonly list: (table: string) => Promise<readonly { readonly key: string; readonly value: Uint8Array }[]>
  readonly write: (rows: readonly Row[]) => Promise<void>
  /**
   * Fills a new store and puts it in the place of this one, atomically; the old file is unlinked. Rows that were
   * sealed under older keys do not remain on disk in any page of the new file.
   */
  readonly replace: (rows: readonly Row[]) => Promise<void>
  /** Every row and the file itself. */
  readonly erase: () => Promise<void>
  readonly close: () => Promise<void>
  /** 1: a row for each item; 2: pages. A store that `replace` made, and a new one, is of the newest. */
  readonly format: () => Promise<1 | 2>
}

/** Keeps the 32-byte device secret apart from the store: the system's keychain where there is one, else a 0600 file. */
export interface SecretStorage {
  readonly load: () => Promise<Uint8Array | undefined>
  readonly save: (secret: Uint8Array) => Promise<void>
  readonly destroy: () => Promise<void>
}

export interface HttpRequest {
  readonly method: string
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: Uint8Array
  readonly timeoutMs: number
}
export interface HttpReply {
  readonly status: number
  readonly contentType: string
  readonly body: Uint8Array
}

/** The network. `undefined`: no answer. A stream ends when `closed` resolves. */
export interface Http {
  readonly send: (request: HttpRequest) => Promise<HttpReply | undefined>
  readonly stream: (
    request: HttpRequest,
    onChunk: (chunk: Uint8Array) => void,
  ) => Promise<Result<{ readonly close: () => void; readonly closed: Promise<void> }, HttpReply | undefined>>
}

export interface SdkPorts {
  readonly store: DeviceStore
  readonly secrets: SecretStorage
  readonly http: Http
  readonly clock: Clock & MonotonicClock
  readonly random: Random
  readonly primitives: Primitives
  /** Absent: seeds, as on Node. */
  readonly keys?: DeviceKeys
  /** Shown in device lists: "Linux · Node". */
  readonly platform: string
  /** `<name>/<version>` of the program that embeds the SDK. */
  readonly client: string
  /** Where passkeys are; absent where this host reaches none. */
  readonly passkeys?: PasskeyAuthenticator
  /** What a thrown error of the store or the secret storage means to a person; `undefined` for a defect. */
  readonly failureOf: (error: unknown) => Failure | undefined
  /** Runs later; keeps a process alive only where somebody waits for it. Answers with its own cancellation. */
  readonly schedule: (run: () => void, delayMs: number, somebodyWaits?: boolean) => () => void
  /** Is given what to call when somebody does something here, or the network comes back: cheap, on every event. */
  readonly attention?: (lookAgain: () => void) => void
}

export const retryable = (failure: Failure): boolean =>
  failure.code === "network-unreachable" ||
  failure.code === "timed-out" ||
  failure.code === "strongroom-unavailable" ||
  failure.code === "kms-unavailable" ||
  failure.code === "busy" ||
  failure.code === "rate-limited" ||
  failure.code === "internal"

export const keysOf = (ports: SdkPorts): DeviceKeys => ports.keys ?? seedKeys(ports.primitives, ports.random)
