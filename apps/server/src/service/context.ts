import type { Clock, Random } from "@keyferry/base"
import type { Limits } from "@keyferry/strongroom-api"
import type { Logger } from "pino"

import type { Feed } from "../feed/feed.ts"
import type { MailQueue } from "../mail/queue.ts"
import type { RegistrationMode } from "../policy/registration.ts"
import type { ServerStore } from "../store/tables.ts"
import type { Strongroom } from "../strongroom/process.ts"
import type { Events } from "./events.ts"
import type { Limiter } from "./limiter.ts"

/** Everything a use case may use. Built once, in start.ts or by a test. */
export interface Context {
  readonly store: ServerStore
  readonly strongroom: Strongroom
  readonly mail: MailQueue
  readonly feed: Feed
  readonly events: Events
  readonly limiter: Limiter
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  readonly settings: ServiceSettings
}

export interface ServiceSettings {
  /** Links start with it; never taken from a request. */
  readonly origin: string
  /** What a signed request may name as its authority. */
  readonly origins: readonly string[]
  /** The same as they stand in a Host header. */
  readonly authorities: readonly string[]
  /** Where data is kept, to watch its disk; undefined where nothing is kept in files. */
  readonly folder: string | undefined
  readonly registration: RegistrationMode
  readonly limits: Limits
  readonly version: string
  /** Key of the stable pseudo ids of unknown addresses. */
  readonly pseudonymKey: Uint8Array
}
