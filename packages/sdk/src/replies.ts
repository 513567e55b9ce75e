import type { JsonRoute } from "@keyferry/protocol"

/*
 * What a JSON answer must look like before anybody takes something out of it. The server is not trusted, and what it says
 * is kept beside the person's own items: a text longer than its place would make a store that nobody can read again.
 * The same limits as the server's own schemas, which need a library that a device does not load; a test compares them.
 */
export type Check = (value: unknown) => boolean

const text =
  (max: number): Check =>
  (value) =>
    typeof value === "string" && value.length <= max
const whole: Check = (value) => typeof value === "number" && Number.isSafeInteger(value) && value >= 0
const flag: Check = (value) => typeof value === "boolean"
const one =
  (...values: readonly string[]): Check =>
  (value) =>
    typeof value === "string" && values.includes(value)
const list =
  (item: Check): Check =>
  (value) =>
    Array.isArray(value) && value.every(item)
/** A name that ends in `?` may be absent. Properties that nobody knows here are let through: a newer server may say more. */
const shape =
  (fields: Readonly<Record<string, Check>>): Check =>
  (value) =>
    typeof value === "object" &&
    value !== null &&
    Object.entries(fields).every(([name, check]) => {
      const key = name.endsWith("?") ? name.slice(0, -1) : name
      const inner = Object.hasOwn(value, key) ? (value as Record<string, unknown>)[key] : undefined
      return inner === undefined ? name.endsWith("?") : check(inner)
    })

const id = text(64)
const session = shape({ token: text(44), level: whole })
const lease = shape({ leaseId: id, leasePk: text(44) })
const signedIn = shape({ session, accountId: id, factors: list(text(16)) })
const messages = shape({ messages: list(shape({ n: whole, from: one("new", "approver"), body: text(8192) })) })
const state = shape({ state: text(32) })
const passkeyRef = { id: text(1366), transports: list(text(16)), "slotId?": id }
const passkeyRefs = list(shape(passkeyRef))
const passkeyRequest = shape({ challenge: text(44), rpId: text(253), credentials: passkeyRefs })
const frozen = shape({ frozen: flag })
const thawing = shape({ frozen: flag, readyAtMs: whole })
const sent = shape({ n: whole })

const replies: Readonly<Record<JsonRoute, Check>> = {
  "signup.start": shape({ accountUuid: id, registrationResponse: text(256), lease, mailed: flag }),
  "login.start": shape({ loginId: id, loginResponse: text(1024), accountUuid: id }),
  "login.finish": signedIn,
  "login.second-factor": shape({ session }),
  "login.passkey": passkeyRequest,
  "login.second-factor-reset": shape({ readyAtMs: whole, "session?": session }),
  "login.thaw-wait": thawing,
  "recovery.start": signedIn,
  "enrol.start": shape({
    state: text(32),
    code: text(6),
    lease,
    mail: one("queued", "off", "none"),
    mailedTo: text(254),
    expiresAtMs: whole,
  }),
  "enrol.state": shape({ state: text(32), "reason?": text(64), "session?": session, mail: text(16), approver: flag }),
  "enrol.mail": shape({ mail: text(16), mailedTo: text(254), nextInS: whole }),
  "enrol.relay-send": sent,
  "enrol.relay-read": messages,
  "enrol.password-start": shape({ registrationResponse: text(256), accountUuid: id }),
  "confirm.describe": shape({ platform: id, requestedAtMs: whole }),
  "confirm.code": state,
  "confirm.deny": state,
  "freeze.link": frozen,
  "first.mail": shape({ mail: text(16), mailedTo: text(254), code: text(6), nextInS: whole }),
  "account.status": shape({
    accountId: id,
    state: text(32),
    frozen: flag,
    syncSuspended: flag,
    factors: list(text(16)),
    confirmed: flag,
    seq: whole,
    head: text(44),
    serverTimeMs: whole,
    "thawAtMs?": whole,
    "factorResetAtMs?": whole,
    "passwordLost?": flag,
    "lossAcceptedAtMs?": whole,
    "leaseAttempt?": whole,
  }),
  "account.freeze": frozen,
  "account.thaw": frozen,
  "account.thaw-wait": thawing,
  "lease.evaluate": shape({ evaluated: text(44), proof: text(88), attempt: whole, token: text(1024) }),
  "lease.unlocked": state,
  "lease.renew": shape({ token: text(1024) }),
  "lease.reset": state,
  "lease.reset-wait": shape({ state: text(32), readyAtMs: whole }),
  "devices.list": shape({
    devices: list(
      shape({
        deviceId: id,
        state: text(32),
        platform: id,
        createdAtMs: whole,
        lastSeenMs: whole,
        sigPk: text(44),
        kemPk: text(1640),
        authPk: text(44),
        leasePk: text(44),
        leaseId: id,
        "leaseReset?": shape({ attempt: whole, readyAtMs: whole }),
        "retirement?": shape({ seq: whole, head: text(44), signature: text(88) }),
      }),
    ),
  }),
  "devices.relay-send": sent,
  "devices.relay-read": messages,
  "devices.deny": state,
  "devices.lease-reset": state,
  "devices.lease-reset-cancel": shape({ cancelled: flag }),
  "device.retire": state,
  "two-factor.start": shape({ otpauth: text(512) }),
  "two-factor.confirm": shape({ factors: list(text(16)), state: text(32) }),
  "two-factor.check": shape({ freshUntilMs: whole }),
  "two-factor.codes": shape({ codes: list(text(40)) }),
  "two-factor.disable": shape({ devices: whole, factors: list(text(16)) }),
  "two-factor.reset-cancel": shape({ cancelled: flag }),
  "enrol.passkeys": shape({ rpId: text(253), credentials: passkeyRefs }),
  "passkeys.list": shape({
    rpId: text(253),
    passkeys: list(
      shape({
        ...passkeyRef,
        label: text(64),
        rpId: text(253),
        backedUp: flag,
        createdAtMs: whole,
        lastUsedAtMs: whole,
      }),
    ),
  }),
  "passkeys.start": shape({ challenge: text(44), rpId: text(253), userHandle: text(44), credentials: passkeyRefs }),
  "passkeys.finish": shape({ id: text(1366), factors: list(text(16)), state: text(32) }),
  "passkeys.challenge": passkeyRequest,
  "passkeys.remove": shape({ factors: list(text(16)) }),
  "sync.resume": shape({ syncSuspended: flag }),
  "password.check-start": shape({ loginId: id, loginResponse: text(1024) }),
  "password.check-finish": shape({ freshUntilMs: whole }),
  "password.start": shape({ registrationResponse: text(256) }),
  "address.show": shape({ address: text(254), waiting: flag }),
  "address.start": shape({ mail: text(16) }),
  "address.confirm": shape({ address: text(254) }),
  activity: shape({ events: list(shape({ atMs: whole, kind: id, "deviceId?": id, "detail?": text(200) })) }),
}

/** Whether a parsed answer is one that this route may give. */
export const isReply = (route: JsonRoute, value: unknown): boolean => replies[route](value)

/** `GET /.well-known/keyferry`, as far as a device uses it. */
export const isDiscovery: Check = shape({ deploymentId: id, opaquePk: id, leaseTokenPk: text(44), origin: text(300) })
