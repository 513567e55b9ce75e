import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"

import { type Clock, err, ok, type Random, type Result } from "@keyferry/base"
import { errors } from "@keyferry/protocol"
import { type FolderLock, lockFolder, openStore, storeFailureOf } from "@keyferry/store"
import type { FastifyInstance } from "fastify"
import type { Logger } from "pino"

import type { Settings } from "./config/settings.ts"
import { createFeed } from "./feed/feed.ts"
import type { WebBundle } from "./http/web-bundle.ts"
import { createMailQueue } from "./mail/queue.ts"
import { createDevelopmentTransport, createSmtpTransport, type MailTransport, noTransport } from "./mail/transport.ts"
import { openOperatorSocket } from "./operator/socket.ts"
import { onlyPlan } from "./policy/plans.ts"
import type { Context, ServiceSettings } from "./service/context.ts"
import { createEvents } from "./service/events.ts"
import { keepHouse } from "./service/housekeeping.ts"
import { createLimiter } from "./service/limiter.ts"
import { invite } from "./service/operator.ts"
import { countAccounts } from "./store/accounts.ts"
import { insertDevelopmentMail } from "./store/mail-queue.ts"
import { migrations } from "./store/migrations.ts"
import { readOrMakeSecret } from "./store/secrets.ts"
import type { ServerStore, Tables } from "./store/tables.ts"
import { startStrongroom, type StrongroomProcessOptions } from "./strongroom/process.ts"

export interface StartOptions {
  readonly settings: Settings
  readonly folder: string
  readonly version: string
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  readonly web?: WebBundle | undefined
  readonly strongroom: Omit<StrongroomProcessOptions, "folder" | "log" | "args">
}

export interface StartFailure {
  readonly code: "store-in-use" | "schema-newer" | "store-corrupt" | "store-full" | "internal" | "network-unreachable"
  readonly detail: string
  readonly exitCode: number
}

export interface RunningServer {
  /** Where people reach it. */
  readonly origin: string
  readonly mailbox: string | undefined
  /** The one-time link, while there is no account. */
  readonly firstLink: string | undefined
  readonly accounts: number
  readonly isNew: boolean
  readonly context: Context
  /** Finishes what is being answered, then ends the strongroom. Gives the strongroom's exit code. */
  readonly stop: () => Promise<number>
}

const HOUR_MS = 3_600_000
const FLUSH_MS = 5_000
const DRAIN_MS = 10_000
const IDLE_LOOK_MS = 50

/** Builds everything in its order and undoes it in reverse. The only place of the server that constructs anything. */
export const startServer = async (options: StartOptions): Promise<Result<RunningServer, StartFailure>> => {
  const { settings, folder, clock, random, log, version } = options
  const undo: (() => unknown)[] = []
  const undoAll = async (): Promise<void> => {
    for (const step of undo.reverse()) await step()
  }
  const prepared = prepareFolder(
    folder,
    `server, process ${process.pid}, since ${new Date(clock.nowMs()).toISOString()}`,
  )
  if (!prepared.ok) return prepared
  undo.push(() => prepared.value.release())

  const opened = await openStore<Tables>({
    url: settings.database_url ?? `sqlite:${join(folder, "server.db")}`,
    migrations,
    name: "server",
    clock,
  })
  if (!opened.ok) {
    await undoAll()
    const { code, detail } = opened.error
    const known = code === "schema-newer" || code === "store-corrupt" || code === "store-full" ? code : "internal"
    return err(failureOf(known, detail, errors[known].exit))
  }
  const store: ServerStore = opened.value
  undo.push(() => store.close())

  const kept = join(folder, "strongroom")
  const starting = startStrongroom({ ...options.strongroom, folder: kept, args: ["--data-dir", kept], log })
  // Done while the strongroom starts.
  const { createApp } = await import("./http/app.ts")
  const limiterKey = await readOrMakeSecret(store, "limiter", random)
  const pseudonymKey = await readOrMakeSecret(store, "pseudonym", random)
  const started = await starting
  if (!started.ok) {
    await undoAll()
    const { exitCode, reason } = started.error
    return err(failureOf("internal", `The strongroom did not start. ${reason}`, exitCode === 0 ? 1 : exitCode))
  }
  const strongroom = started.value
  let strongroomCode = 0
  undo.push(async () => {
    strongroomCode = await strongroom.stop()
  })

  const limiter = await createLimiter({
    store,
    clock,
    key: limiterKey,
    scale: settings["limits.rate_scale"],
  })
  undo.push(() => limiter.flush())
  const transport = chooseTransport(settings, store, clock)
  const mail = createMailQueue({ store, transport, clock, random, log })
  undo.push(() => mail.stop())
  const feed = createFeed()

  let address = { host: settings.listen.host, port: settings.listen.port }
  const origin = (): string => settings.public_url ?? urlOf(address)
  const origins = (): readonly string[] => [
    ...new Set([
      origin(),
      ...settings.other_origins,
      urlOf(address),
      `http://localhost:${address.port}`,
      `http://127.0.0.1:${address.port}`,
    ]),
  ]
  const plan = onlyPlan({
    devices: settings["limits.devices"],
    items: settings["limits.items"],
    bytes: settings["limits.bytes"],
  })
  // The port is known once it listens, so what depends on it is asked for each time.
  const serviceSettings: ServiceSettings = {
    get origin() {
      return origin()
    },
    get origins() {
      return origins()
    },
    get authorities() {
      return origins().map((o) => new URL(o).host)
    },
    folder,
    registration: settings.registration,
    limits: { devices: plan.devices, items: plan.items, bytes: plan.bytes },
    version,
    pseudonymKey,
  }
  const events = createEvents({ store, strongroom, mail, feed, log, origin, random })
  const context: Context = {
    store,
    strongroom,
    mail,
    feed,
    events,
    limiter,
    clock,
    random,
    log,
    settings: serviceSettings,
  }

  const catchUp = (): void => void events.catchUp().catch((error: unknown) => log.error({ err: error }, "events"))
  strongroom.onNotice((notice) => {
    feed.publish(notice)
    if (notice.eventsTo > 0) catchUp()
  })
  strongroom.onRestart(() => {
    // What was committed while nobody listened is unknown here; devices read it when they come back.
    feed.endAll("restart")
    catchUp()
  })
  // The server knows everything that was decided before it answers anybody.
  await events.catchUp()
  await keepHouse(context)

  const app = createApp({ context, trustedProxies: settings.trusted_proxies, web: options.web })
  undo.push(() => closeApp(app, feed))
  try {
    await app.listen({ host: settings.listen.host, port: settings.listen.port })
  } catch (error) {
    await undoAll()
    const code = error instanceof Error && "code" in error ? String(error.code) : "unknown"
    return err(
      failureOf(
        "network-unreachable",
        `Cannot listen on ${settings.listen.host}:${settings.listen.port} (${code}).`,
        1,
      ),
    )
  }
  const bound = app.server.address()
  if (typeof bound === "object" && bound !== null) address = { host: settings.listen.host, port: bound.port }
  const operator = await openOperatorSocket(folder, context, log)
  undo.push(() => operator.close())
  const timers = [
    setInterval(() => void limiter.flush().catch((error: unknown) => log.error({ err: error }, "limits")), FLUSH_MS),
    setInterval(
      () => void keepHouse(context).catch((error: unknown) => log.error({ err: error }, "housekeeping")),
      HOUR_MS,
    ),
    // A notice tells at once; this is for an event whose notice was lost with a restart of either side.
    setInterval(catchUp, 60_000),
  ]
  undo.push(() => {
    for (const timer of timers) clearInterval(timer)
  })
  mail.wake()

  const accounts = await store.read(countAccounts)
  const invitation = accounts === 0 ? await invite(context) : undefined
  return ok({
    origin: origin(),
    mailbox: mail.mode === "development" ? `${urlOf(address)}/dev/mailbox` : undefined,
    firstLink: invitation?.ok === true ? invitation.value.link : undefined,
    accounts,
    isNew: store.migrated.from === 0,
    context,
    stop: async () => {
      await undoAll()
      return strongroomCode
    },
  })
}

/** Makes the folder, takes its lock. A disk that is full or cannot be written is an answer with a sentence. */
const prepareFolder = (folder: string, holder: string): Result<FolderLock, StartFailure> => {
  let lock: FolderLock | undefined
  try {
    const locked = lockFolder(folder, holder)
    if (!locked.ok) return err(failureOf("store-in-use", `${folder} is in use by: ${locked.error.holder}`, 1))
    lock = locked.value
    // A data folder inside a checkout must never be committed.
    writeFileSync(join(folder, ".gitignore"), "*\n")
    mkdirSync(join(folder, "strongroom"), { recursive: true, mode: 0o700 })
    return ok(lock)
  } catch (error) {
    lock?.release()
    const known = storeFailureOf(error)
    if (known === undefined) throw error
    return err(failureOf(known.code === "store-full" ? "store-full" : "internal", `${folder}: ${known.detail}`, 1))
  }
}

const failureOf = (code: StartFailure["code"], detail: string, exitCode: number): StartFailure => ({
  code,
  detail,
  exitCode,
})

const urlOf = ({ host, port }: { readonly host: string; readonly port: number }): string => {
  const name = ["0.0.0.0", "::", "127.0.0.1", "::1"].includes(host) ? "localhost" : host
  return `http://${name.includes(":") ? `[${name}]` : name}:${port}`
}

const chooseTransport = (settings: Settings, store: ServerStore, clock: Clock): MailTransport => {
  if (settings["mail.mode"] === "off") return noTransport
  const url = settings["mail.url"]
  if (settings["mail.mode"] === "auto" && url !== undefined) return createSmtpTransport(url, settings["mail.from"])
  return createDevelopmentTransport(({ id, to, subject, body }) =>
    store.transaction((tx) =>
      insertDevelopmentMail(tx, { id, recipient: to, subject, body, created_ms: clock.nowMs() }),
    ),
  )
}

/** Ends streams, takes no new request, and waits for those that are being answered, but not for ever. */
const closeApp = async (app: FastifyInstance, feed: ReturnType<typeof createFeed>): Promise<void> => {
  feed.endAll("restart")
  // Connections that fall idle only now, such as those of the streams just ended, would stay open until their client left.
  const idle = setInterval(() => app.server.closeIdleConnections(), IDLE_LOOK_MS)
  const patience = setTimeout(() => app.server.closeAllConnections(), DRAIN_MS)
  await app.close()
  clearTimeout(patience)
  clearInterval(idle)
}

/** Randomness of the running program. */
export const systemRandom: Random = { bytes: (length) => crypto.getRandomValues(new Uint8Array(length)) }
