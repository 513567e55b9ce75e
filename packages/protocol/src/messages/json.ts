import type { RouteName } from "../routes.ts"
import { factorAnswer, passkeyAssertion, passkeyMessages } from "./passkeys.ts"
import { matches, type Static, Type } from "./schema.ts"

/*
 * Bodies, queries and replies of the JSON routes. Bytes are base64url, times milliseconds since 1970, ids prefixed.
 * The server validates with these, prints its OpenAPI description from them, and the SDK takes its types from them.
 * Browsers import the types only.
 */
const b64 = (max: number) => Type.String({ pattern: "^[A-Za-z0-9_-]*$", maxLength: max })
const id = (prefix: string) => Type.String({ pattern: `^${prefix}_[a-z2-7]+$`, maxLength: 64 })
const text = (max: number) => Type.String({ maxLength: max })
const empty = Type.Object({})

/** Public keys of a device that asks to become one: sig(32), kem(1216), auth(32). The id is the device's own choice. */
const deviceKeys = Type.Object({
  deviceId: id("dev"),
  sigPk: b64(44),
  kemPk: b64(1640),
  authPk: b64(44),
  platform: text(64),
})
const leaseReservation = Type.Object({ leaseId: id("lea"), leasePk: b64(44) })
const session = Type.Object({ token: b64(44), level: Type.Integer({ minimum: 1, maximum: 3 }) })
const relayMessages = Type.Object({
  messages: Type.Array(
    Type.Object({
      n: Type.Integer(),
      from: Type.Union([Type.Literal("new"), Type.Literal("approver")]),
      body: b64(8192),
    }),
  ),
})

/** `readyAtMs` 0: nothing to wait for, the account is not frozen. */
const thawing = Type.Object({ frozen: Type.Boolean(), readyAtMs: Type.Integer() })

const contract = <B, R>(body: B, reply: R) => ({ body, reply })

export const jsonMessages = {
  ...passkeyMessages,
  "signup.start": contract(
    Type.Object({ invitation: text(128), address: text(254), registrationRequest: b64(128), device: deviceKeys }),
    Type.Object({
      accountUuid: text(64),
      registrationResponse: b64(256),
      lease: leaseReservation,
      mailed: Type.Boolean(),
    }),
  ),
  "login.start": contract(
    Type.Object({ address: text(254), startLoginRequest: b64(256), deviceId: Type.Optional(id("dev")) }),
    Type.Object({ loginId: text(64), loginResponse: b64(1024), accountUuid: text(64) }),
  ),
  /** `binding` = HMAC-SHA-256 under the session binding over LP("kf1/finish", auth public key): spec/keys.md KE5. */
  "login.finish": contract(
    Type.Object({ loginId: text(64), finishLoginRequest: b64(256), authPk: b64(44), binding: b64(44) }),
    Type.Object({ session, accountId: id("acc"), factors: Type.Array(text(16)) }),
  ),
  "login.second-factor": contract(factorAnswer, Type.Object({ session })),
  /** `session` is present once the time has come: asked again then, it raises to level 2 without the lost factor. */
  "login.second-factor-reset": contract(
    empty,
    Type.Object({ readyAtMs: Type.Integer(), session: Type.Optional(session) }),
  ),
  /** At level 2, without a device: begins the 72 hours, says how long they still last, or thaws once they are over. */
  "login.thaw-wait": contract(empty, thawing),
  "recovery.start": contract(empty, Type.Object({ session, accountId: id("acc"), factors: Type.Array(text(16)) })),
  /** `mail` false: the device will be approved by another one, so no link is sent unless `enrol.mail` asks for it. */
  "enrol.start": contract(
    Type.Object({ device: deviceKeys, mail: Type.Optional(Type.Boolean()) }),
    Type.Object({
      state: text(32),
      code: text(6),
      lease: leaseReservation,
      mail: Type.Union([Type.Literal("queued"), Type.Literal("off"), Type.Literal("none")]),
      mailedTo: text(254),
      expiresAtMs: Type.Integer(),
    }),
  ),
  /** `session` is present once, when the level rose; `reason` says why a link failed, which its page never does. */
  "enrol.state": contract(
    empty,
    Type.Object({
      state: text(32),
      reason: Type.Optional(text(64)),
      session: Type.Optional(session),
      mail: text(16),
      approver: Type.Boolean(),
    }),
  ),
  "enrol.mail": contract(empty, Type.Object({ mail: text(16), mailedTo: text(254), nextInS: Type.Integer() })),
  "enrol.relay-send": contract(Type.Object({ body: b64(8192) }), Type.Object({ n: Type.Integer() })),
  /** Query: after=<n> */
  "enrol.relay-read": contract(empty, relayMessages),
  /** A new password for an account whose password is lost; its record commits with `recovery.used`. */
  "enrol.password-start": contract(
    Type.Object({ registrationRequest: b64(128) }),
    Type.Object({ registrationResponse: b64(256), accountUuid: text(64) }),
  ),
  "confirm.describe": contract(
    Type.Object({ token: b64(44) }),
    Type.Object({ platform: text(64), requestedAtMs: Type.Integer() }),
  ),
  "confirm.code": contract(Type.Object({ token: b64(44), code: text(16) }), Type.Object({ state: text(32) })),
  "confirm.deny": contract(Type.Object({ token: b64(44) }), Type.Object({ state: text(32) })),
  "freeze.link": contract(Type.Object({ token: b64(44) }), Type.Object({ frozen: Type.Boolean() })),
  /** `running`: only if no link is good any more; else it goes on with that one and its code. */
  "first.mail": contract(
    Type.Object({ running: Type.Optional(Type.Boolean()) }),
    Type.Object({ mail: text(16), mailedTo: text(254), code: text(6), nextInS: Type.Integer() }),
  ),
  "account.status": contract(
    empty,
    Type.Object({
      accountId: id("acc"),
      state: text(32),
      frozen: Type.Boolean(),
      syncSuspended: Type.Boolean(),
      factors: Type.Array(text(16)),
      confirmed: Type.Boolean(),
      seq: Type.Integer(),
      head: b64(44),
      serverTimeMs: Type.Integer(),
      /** From then on a frozen account can be thawed without a second factor; somebody asked for it. */
      thawAtMs: Type.Optional(Type.Integer()),
      /** From then on somebody with the password or the kit gets in without a second factor; they asked for it. */
      factorResetAtMs: Type.Optional(Type.Integer()),
      /** After a restore nobody can sign in with the password until a device registers one again. */
      passwordLost: Type.Optional(Type.Boolean()),
      /** The operator gave up what a restored server had lost of this account. */
      lossAcceptedAtMs: Type.Optional(Type.Integer()),
      /** Of a device whose lease is locked: the count that `lease.reset` signs. */
      leaseAttempt: Type.Optional(Type.Integer()),
    }),
  ),
  /** Any device of the account, also locked out of its lease. Asked again it stops a thaw that somebody waits for. */
  "account.freeze": contract(empty, Type.Object({ frozen: Type.Boolean() })),
  /** An active device with its second factor within five minutes. */
  "account.thaw": contract(empty, Type.Object({ frozen: Type.Boolean() })),
  "account.thaw-wait": contract(empty, thawing),
  "lease.evaluate": contract(
    Type.Object({ leaseId: id("lea"), blinded: b64(44) }),
    Type.Object({ evaluated: b64(44), proof: b64(88), attempt: Type.Integer(), token: b64(1024) }),
  ),
  "lease.unlocked": contract(
    Type.Object({ leaseId: id("lea"), attempt: Type.Integer(), signature: b64(88) }),
    Type.Object({ state: text(32) }),
  ),
  /** signature = chain key over LP("kf1/lease-renew", device_id, lease_id, created seconds of this request). */
  "lease.renew": contract(
    Type.Object({ leaseId: id("lea"), createdS: Type.Integer(), signature: b64(88) }),
    Type.Object({ token: b64(1024) }),
  ),
  /** signature = slot key over LP("kf1/lease-reset", device_id, lease_id, attempt). */
  "lease.reset": contract(
    Type.Object({
      deviceId: id("dev"),
      leaseId: id("lea"),
      attempt: Type.Integer(),
      slotId: id("slt"),
      signature: b64(88),
    }),
    Type.Object({ state: text(32) }),
  ),
  /** `readyAtMs` 0: the lease is not locked. Another active device may open it meanwhile, or stop it. */
  "lease.reset-wait": contract(
    Type.Object({ deviceId: id("dev") }),
    Type.Object({ state: text(32), readyAtMs: Type.Integer() }),
  ),
  "devices.list": contract(
    empty,
    Type.Object({
      devices: Type.Array(
        Type.Object({
          deviceId: id("dev"),
          state: text(32),
          platform: text(64),
          createdAtMs: Type.Integer(),
          lastSeenMs: Type.Integer(),
          sigPk: b64(44),
          kemPk: b64(1640),
          authPk: b64(44),
          leasePk: b64(44),
          leaseId: id("lea"),
          /** Locked out, signed in again, and waiting: `attempt` is what another device signs. */
          leaseReset: Type.Optional(Type.Object({ attempt: Type.Integer(), readyAtMs: Type.Integer() })),
          retirement: Type.Optional(Type.Object({ seq: Type.Integer(), head: b64(44), signature: b64(88) })),
        }),
      ),
    }),
  ),
  "devices.relay-send": contract(
    Type.Object({ deviceId: id("dev"), body: b64(8192) }),
    Type.Object({ n: Type.Integer() }),
  ),
  /** Query: device=<dev_…>&after=<n> */
  "devices.relay-read": contract(empty, relayMessages),
  "devices.deny": contract(Type.Object({ deviceId: id("dev") }), Type.Object({ state: text(32) })),
  /** signature = chain key of the signing device over LP("kf1/lease-reset", device_id, lease_id, attempt). */
  "devices.lease-reset": contract(
    Type.Object({ deviceId: id("dev"), attempt: Type.Integer({ minimum: 0 }), signature: b64(88) }),
    Type.Object({ state: text(32) }),
  ),
  "devices.lease-reset-cancel": contract(
    Type.Object({ deviceId: id("dev") }),
    Type.Object({ cancelled: Type.Boolean() }),
  ),
  /** signature = chain key over LP("kf1/retire", account id, device_id, seq, head). */
  "device.retire": contract(
    Type.Object({ seq: Type.Integer(), head: b64(44), signature: b64(88), lastDeviceConfirmed: Type.Boolean() }),
    Type.Object({ state: text(32) }),
  ),
  "two-factor.start": contract(empty, Type.Object({ otpauth: text(512) })),
  "two-factor.confirm": contract(
    Type.Object({ code: text(16) }),
    Type.Object({ factors: Type.Array(text(16)), state: text(32) }),
  ),
  "two-factor.check": contract(factorAnswer, Type.Object({ freshUntilMs: Type.Integer() })),
  "two-factor.codes": contract(empty, Type.Object({ codes: Type.Array(text(40)) })),
  "two-factor.disable": contract(
    Type.Object({ suspendSync: Type.Boolean() }),
    Type.Object({ devices: Type.Integer(), factors: Type.Array(text(16)) }),
  ),
  "two-factor.reset-cancel": contract(empty, Type.Object({ cancelled: Type.Boolean() })),
  "sync.resume": contract(empty, Type.Object({ syncSuspended: Type.Boolean() })),
  "password.check-start": contract(
    Type.Object({ startLoginRequest: b64(256) }),
    Type.Object({ loginId: text(64), loginResponse: b64(1024) }),
  ),
  "password.check-finish": contract(
    Type.Object({ loginId: text(64), finishLoginRequest: b64(256) }),
    Type.Object({ freshUntilMs: Type.Integer() }),
  ),
  "password.start": contract(
    Type.Object({ registrationRequest: b64(128) }),
    Type.Object({ registrationResponse: b64(256) }),
  ),
  /** `waiting`: a new address waits for its mail to be answered. */
  "address.show": contract(empty, Type.Object({ address: text(254), waiting: Type.Boolean() })),
  "address.start": contract(Type.Object({ address: text(254) }), Type.Object({ mail: text(16) })),
  "address.confirm": contract(Type.Object({ token: b64(44) }), Type.Object({ address: text(254) })),
  activity: contract(
    empty,
    Type.Object({
      events: Type.Array(
        Type.Object({
          atMs: Type.Integer(),
          kind: text(64),
          deviceId: Type.Optional(id("dev")),
          detail: Type.Optional(text(200)),
        }),
      ),
    }),
  ),
} as const satisfies Partial<Record<RouteName, { body: unknown; reply: unknown }>>

export type JsonRoute = keyof typeof jsonMessages

export const isJsonRoute = (route: string): route is JsonRoute => Object.hasOwn(jsonMessages, route)

/** Whether a parsed body is one that this route takes: no property more, none less. */
export const isJsonBody = <R extends JsonRoute>(route: R, body: unknown): body is JsonBody<R> =>
  matches<unknown>(jsonMessages[route].body, body)
export type PasskeyAssertion = Static<typeof passkeyAssertion>
export const isPasskeyAssertion = (value: unknown): value is PasskeyAssertion => matches(passkeyAssertion, value)

export type JsonBody<R extends JsonRoute> = Static<(typeof jsonMessages)[R]["body"]>
export type JsonReply<R extends JsonRoute> = Static<(typeof jsonMessages)[R]["reply"]>

/** `GET /.well-known/keyferry`: what a client must know before it can speak. */
export const discoverySchema = Type.Object({
  api: Type.Literal("/api/v1"),
  protocol: Type.Object({ current: Type.Integer(), minimum: Type.Integer() }),
  /** OPAQUE server identity and lease token context; stable for the life of the deployment. */
  deploymentId: text(64),
  opaquePk: b64(64),
  leaseTokenPk: b64(44),
  origin: text(300),
  registration: Type.Union([Type.Literal("open"), Type.Literal("invite"), Type.Literal("closed")]),
  mail: Type.Union([Type.Literal("smtp"), Type.Literal("development"), Type.Literal("off")]),
  version: text(32),
})
export type Discovery = Static<typeof discoverySchema>
