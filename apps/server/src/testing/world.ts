import { bytesToBase64url, formatId, type Id, type Random } from "@keyferry/base"
import { type RouteName, routes, signatureHeader, signatureInput, signupFinishStruct } from "@keyferry/protocol"
import { openStore } from "@keyferry/store"
import { createChannelPair, createStrongroomClient, serveStrongroom } from "@keyferry/strongroom-api"
import type { FastifyInstance } from "fastify"
import { pino } from "pino"

import { createFeed } from "../feed/feed.ts"
import { createApp } from "../http/app.ts"
import type { WebBundle } from "../http/web-bundle.ts"
import { createMailQueue } from "../mail/queue.ts"
import { createDevelopmentTransport, type MailTransport } from "../mail/transport.ts"
import type { Context, ServiceSettings } from "../service/context.ts"
import { createEvents } from "../service/events.ts"
import { createLimiter } from "../service/limiter.ts"
import { invite } from "../service/operator.ts"
import { insertDevelopmentMail, listDevelopmentMail } from "../store/mail-queue.ts"
import { migrations } from "../store/migrations.ts"
import type { ServerStore, Tables } from "../store/tables.ts"
import { createFakeStrongroom, FAKE_CODE, FAKE_PASSWORD, type FakeStrongroom } from "./fake-strongroom.ts"

/** A server in memory with a clock that a test moves. */
export interface World {
  readonly app: FastifyInstance
  readonly context: Context
  readonly fake: FakeStrongroom
  readonly time: { nowMs: number }
  /** Everything that was logged. */
  readonly logged: () => string
  readonly call: (route: RouteName, options?: CallOptions) => Promise<Reply>
  readonly mails: () => Promise<readonly { to: string; subject: string; body: string }[]>
  readonly close: () => Promise<void>
}

export interface CallOptions {
  readonly body?: unknown
  readonly session?: string | undefined
  readonly device?: Id<"dev"> | undefined
  readonly query?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly from?: string
}

export interface Reply {
  readonly status: number
  readonly json: Readonly<Record<string, unknown>>
  /** The text at a path of the JSON body; empty where there is none. */
  readonly text: (...path: readonly string[]) => string
  readonly headers: Readonly<Record<string, unknown>>
  readonly bytes: Buffer
}

export interface WorldOptions {
  readonly settings?: Partial<ServiceSettings>
  readonly store?: ServerStore
  readonly fake?: FakeStrongroom
  readonly transport?: MailTransport
  readonly time?: { nowMs: number }
  readonly web?: WebBundle | undefined
}

export const openTestStore = async (url = "sqlite::memory:"): Promise<ServerStore> => {
  const opened = await openStore<Tables>({ url, migrations, name: "server", clock: { nowMs: () => 1 } })
  if (!opened.ok) throw new Error(opened.error.detail)
  return opened.value
}

/** Bytes that differ every time and are the same in every run. */
export const createCountingRandom = (): Random => {
  let n = 0
  return {
    bytes: (length) => {
      n++
      return Uint8Array.from({ length }, (_, i) => (n * 37 + i * 11 + (n >> 8) * 101) & 255)
    },
  }
}

export const createWorld = async (options: WorldOptions = {}): Promise<World> => {
  const time = options.time ?? { nowMs: 1_800_000_000_000 }
  const clock = { nowMs: () => time.nowMs }
  const random = createCountingRandom()
  const store = options.store ?? (await openTestStore())
  const fake = options.fake ?? createFakeStrongroom(clock.nowMs)
  let text = ""
  const log = pino({ level: "debug", base: null }, { write: (line: string) => void (text += line) })

  const [ours, theirs] = createChannelPair()
  const served = serveStrongroom(theirs, fake.handlers, (name, error) => log.error({ err: error }, name))
  fake.notify = served.notify
  const client = createStrongroomClient(ours)
  const hello = await client.call("hello", {})
  if (!hello.ok) throw new Error("no hello")
  const strongroom = {
    ...client,
    hello: () => hello.value,
    onRestart: () => undefined,
    pid: () => undefined,
    stop: async () => 0,
  }

  const transport =
    options.transport ??
    createDevelopmentTransport(({ id, to, subject, body }) =>
      store.transaction((tx) =>
        insertDevelopmentMail(tx, { id, recipient: to, subject, body, created_ms: time.nowMs }),
      ),
    )
  const mail = createMailQueue({ store, transport, clock, random, log })
  const feed = createFeed()
  const limiter = await createLimiter({ store, clock, key: new Uint8Array(32), scale: 1 })
  const settings: ServiceSettings = {
    origin: "http://localhost:8420",
    origins: ["http://localhost:8420"],
    authorities: ["localhost:8420"],
    folder: undefined,
    registration: "invite",
    limits: { devices: 0, items: 0, bytes: 0 },
    version: "0.0.0",
    pseudonymKey: new Uint8Array(32).fill(8),
    ...options.settings,
  }
  const events = createEvents({ store, strongroom, mail, feed, log, origin: () => settings.origin, random })
  const context: Context = { store, strongroom, mail, feed, events, limiter, clock, random, log, settings }
  strongroom.onNotice((notice) => feed.publish(notice))
  const app = createApp({ context, trustedProxies: ["127.0.0.1"], web: options.web })

  const call: World["call"] = async (name, { body, session, device, query, headers, from } = {}) => {
    const { method, path, body: form } = routes[name]
    const payload =
      form === "none"
        ? undefined
        : body instanceof Uint8Array
          ? Buffer.from(body)
          : Buffer.from(JSON.stringify(body ?? {}))
    const reply = await app.inject({
      method,
      url: query === undefined ? path : `${path}?${query}`,
      headers: {
        host: "localhost:8420",
        ...(payload === undefined ? {} : { "content-type": form === "cbor" ? "application/cbor" : "application/json" }),
        ...(session === undefined ? {} : { authorization: `Bearer ${session}` }),
        ...(device === undefined ? {} : signedBy(device, payload !== undefined)),
        ...(from === undefined ? {} : { "x-forwarded-for": from }),
        ...headers,
      },
      ...(payload === undefined ? {} : { payload }),
    })
    const type = reply.headers["content-type"] ?? ""
    const json = type.includes("json") && reply.body !== "" ? (JSON.parse(reply.body) as Record<string, unknown>) : {}
    return {
      status: reply.statusCode,
      json,
      text: (...steps) => {
        const found = steps.reduce<unknown>(
          (value, step) => (value as Record<string, unknown> | undefined)?.[step],
          json,
        )
        return typeof found === "string" ? found : ""
      },
      headers: reply.headers,
      bytes: reply.rawPayload,
    }
  }
  return {
    app,
    context,
    fake,
    time,
    logged: () => text,
    call,
    mails: async () => {
      mail.wake()
      for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve))
      const rows = await store.read(listDevelopmentMail)
      return rows.map((r) => ({ to: r.recipient, subject: r.subject, body: r.body }))
    },
    close: async () => {
      await app.close()
      await mail.stop()
      await store.close()
    },
  }
}

/** Headers as a device sends them; the fake believes the key id. */
export const signedBy = (device: Id<"dev">, hasBody: boolean): Record<string, string> => ({
  "signature-input": signatureInput(hasBody, {
    createdS: 1_800_000_000,
    nonce: "AAAAAAAAAAAAAAAAAAAAAA",
    keyId: device,
    tag: "kf1-dev",
  }),
  signature: signatureHeader(new Uint8Array(64)),
  ...(hasBody ? { "content-digest": "sha-256=:AAAA:", "idempotency-key": "req_x" } : {}),
})

export const deviceId = (n: number): Id<"dev"> => formatId("dev", new Uint8Array(16).fill(n))

export const deviceKeys = (n: number) => ({
  deviceId: deviceId(n),
  sigPk: bytesToBase64url(new Uint8Array(32).fill(n)),
  kemPk: bytesToBase64url(new Uint8Array(1216).fill(n)),
  authPk: bytesToBase64url(new Uint8Array(32).fill(n)),
  platform: "Linux terminal",
})

/** Signs somebody up through the routes. The first one gets the first-account link. */
export const signUp = async (world: World, address: string, n: number, confirm = true): Promise<string> => {
  const invitation = await invite(world.context)
  if (!invitation.ok) throw new Error(invitation.error.code)
  const token = new URL(invitation.value.link).hash.slice("#t=".length)
  const started = await world.call("signup.start", {
    body: { invitation: token, address, registrationRequest: "AAAA", device: deviceKeys(n) },
  })
  if (started.status !== 200) throw new Error(JSON.stringify(started.json))
  const accountUuid = String(started.json["accountUuid"])
  const finished = await world.call("signup.finish", { body: finishBody(accountUuid), device: deviceId(n) })
  if (finished.status !== 200) throw new Error(JSON.stringify(finished.json))
  if (confirm && !invitation.value.first) {
    await world.call("first.mail", { device: deviceId(n) })
    const [mail] = await world.mails()
    await world.call("confirm.code", { body: { token: linkToken(mail?.body ?? ""), code: FAKE_CODE } })
  }
  return accountUuid
}

export const finishBody = (accountUuid: string): Uint8Array =>
  signupFinishStruct.encode({
    accountUuid,
    registrationRecord: new Uint8Array(8),
    genesis: new Uint8Array(8),
    wraps: [],
  })

export const linkToken = (body: string): string => /\/(?:v|address|freeze)\/#([A-Za-z0-9_-]{43})/.exec(body)?.[1] ?? ""

/** Password, and the second factor if `level` is 2. */
export const signIn = async (world: World, address: string, n: number, level = 2): Promise<string> => {
  const started = await world.call("login.start", { body: { address, startLoginRequest: "AAAA" } })
  const finished = await world.call("login.finish", {
    body: {
      loginId: started.json["loginId"],
      finishLoginRequest: bytesToBase64url(FAKE_PASSWORD),
      authPk: bytesToBase64url(new Uint8Array(32).fill(n)),
      binding: bytesToBase64url(new Uint8Array(32)),
    },
  })
  const token = finished.text("session", "token")
  if (level === 1) return token
  const raised = await world.call("login.second-factor", { body: { kind: "totp", code: FAKE_CODE }, session: token })
  return raised.text("session", "token")
}
