/**
 * Every door of the server, once. The server's handlers, the SDK's client, the OpenAPI description and the test that
 * knocks on every door are mapped over this table.
 *
 * actor   public      nobody is signed in (L0)
 *         session1…3  an `Authorization: Bearer` session at least at that level; session3 also needs the device signature
 *         reserved    signed with the auth key of a device that reserved its lease key and is in no chain yet
 *         device      signed with the auth key of a device in one of `states`; no session (decided in ADR 0002)
 *         recovery    signed with the key derived from the kit code
 * owner   server      the server acts, after `authenticate` where a device signed
 *         strongroom  the server forwards the signed bytes; the strongroom verifies, parses and executes exactly that
 * body    none | json | cbor
 *
 * Source   spec/http.md
 */
export type Actor = "public" | "session1" | "session2" | "session3" | "reserved" | "device" | "recovery"
export type DeviceState =
  | "reserved"
  | "pending-first"
  | "pending"
  | "confirmed"
  | "approved"
  | "active"
  | "lease-locked"
  | "retired"
  | "removed"
  | "rejected"
  | "expired"

export interface Route {
  readonly method: "GET" | "POST"
  readonly path: string
  readonly actor: Actor
  readonly owner: "server" | "strongroom"
  readonly body: "none" | "json" | "cbor"
  readonly reply: "json" | "cbor" | "stream"
  /** Device states that may pass, where a device signs. */
  readonly states: readonly DeviceState[]
  /** Needs a second factor of this device within five minutes, and the password where it says so. */
  readonly fresh: "none" | "factor" | "factor+password"
  /** Limiter bucket. */
  readonly limit: "default" | "login" | "second-factor" | "mail" | "confirm" | "lease"
}

// The type keeps who acts, who owns a route and what its body is, so that a missing or mistaken handler does not compile.
const route = <A extends Actor, O extends Route["owner"], B extends Route["body"]>(
  method: Route["method"],
  path: string,
  actor: A,
  owner: O,
  body: B,
  rest: Partial<Pick<Route, "reply" | "states" | "fresh" | "limit">> = {},
): Route & { readonly actor: A; readonly owner: O; readonly body: B } => ({
  method,
  path: `/api/v1${path}`,
  actor,
  owner,
  body,
  reply: rest.reply ?? (body === "cbor" ? "cbor" : "json"),
  states:
    rest.states ??
    (actor === "device" ? ["active"] : actor === "reserved" ? ["reserved"] : actor === "session3" ? ["confirmed"] : []),
  fresh: rest.fresh ?? "none",
  limit: rest.limit ?? "default",
})

const IN_CHAIN: readonly DeviceState[] = ["pending-first", "approved", "active"]

export const routes = {
  // ── signing up (decided: one strongroom transaction makes record, lease key, chain) ──
  "signup.start": route("POST", "/signup/start", "public", "server", "json", { limit: "login" }),
  // Also from pending-first: the same genesis sent again, after its answer was lost, is answered the same.
  "signup.finish": route("POST", "/signup/finish", "reserved", "strongroom", "cbor", {
    states: ["reserved", "pending-first"],
  }),
  // ── signing in on a new device ──
  "login.start": route("POST", "/login/start", "public", "server", "json", { limit: "login" }),
  "login.finish": route("POST", "/login/finish", "public", "server", "json", { limit: "login" }),
  "login.second-factor": route("POST", "/login/second-factor", "session1", "server", "json", {
    limit: "second-factor",
  }),
  "login.passkey": route("POST", "/login/passkey", "session1", "server", "json", { limit: "second-factor" }),
  "login.second-factor-reset": route("POST", "/login/second-factor-reset", "session1", "server", "json", {
    limit: "mail",
  }),
  "login.thaw-wait": route("POST", "/login/thaw-wait", "session2", "server", "json", { limit: "mail" }),
  "recovery.start": route("POST", "/recovery/start", "recovery", "server", "json", { limit: "login" }),
  // ── enrolling ──
  "enrol.start": route("POST", "/enrol", "session2", "server", "json", { limit: "mail" }),
  "enrol.state": route("GET", "/enrol", "session2", "server", "none"),
  "enrol.mail": route("POST", "/enrol/mail", "session2", "server", "json", { limit: "mail" }),
  "enrol.relay-send": route("POST", "/enrol/relay", "session2", "server", "json"),
  "enrol.relay-read": route("GET", "/enrol/relay", "session2", "server", "none"),
  "enrol.chain": route("GET", "/enrol/chain", "session3", "strongroom", "none", {
    reply: "cbor",
    states: ["confirmed"],
  }),
  "enrol.slot-wraps": route("GET", "/enrol/slot-wraps", "session3", "strongroom", "none", {
    reply: "cbor",
    states: ["confirmed"],
  }),
  "enrol.passkeys": route("GET", "/enrol/passkeys", "session3", "strongroom", "none", { states: ["confirmed"] }),
  "enrol.password-start": route("POST", "/enrol/password-start", "session3", "strongroom", "json", {
    states: ["confirmed"],
    limit: "login",
  }),
  "enrol.append": route("POST", "/enrol/append", "session3", "strongroom", "cbor", { states: ["confirmed"] }),
  // ── the mailed link: what its page may do ──
  "confirm.describe": route("POST", "/confirm/describe", "public", "server", "json", { limit: "confirm" }),
  "confirm.code": route("POST", "/confirm", "public", "server", "json", { limit: "confirm" }),
  "confirm.deny": route("POST", "/confirm/deny", "public", "server", "json", { limit: "confirm" }),
  // ── the link of a security mail: it can freeze, and nothing else ──
  "freeze.link": route("POST", "/freeze", "public", "server", "json", { limit: "confirm" }),
  // ── a first device that waits for its confirmation ──
  "first.mail": route("POST", "/first/mail", "device", "server", "json", { states: ["pending-first"], limit: "mail" }),
  // ── account chain ──
  "account.status": route("GET", "/account", "device", "strongroom", "none", {
    states: [...IN_CHAIN, "lease-locked", "removed", "retired"],
  }),
  "account.chain": route("GET", "/account/chain", "device", "strongroom", "none", {
    reply: "cbor",
    states: [...IN_CHAIN, "lease-locked", "removed"],
  }),
  "account.keys": route("GET", "/account/keys", "device", "strongroom", "none", { reply: "cbor", states: IN_CHAIN }),
  "account.freeze": route("POST", "/account/freeze", "device", "strongroom", "json", {
    states: [...IN_CHAIN, "lease-locked"],
  }),
  "account.thaw": route("POST", "/account/thaw", "device", "strongroom", "json", { fresh: "factor" }),
  "account.thaw-wait": route("POST", "/account/thaw-wait", "device", "strongroom", "json", {
    states: [...IN_CHAIN, "lease-locked"],
    limit: "mail",
  }),
  "account.append": route("POST", "/account/append", "device", "strongroom", "cbor"),
  // ── vaults ──
  sync: route("POST", "/sync", "device", "strongroom", "cbor"),
  bootstrap: route("POST", "/bootstrap", "device", "strongroom", "cbor"),
  history: route("POST", "/history", "device", "strongroom", "cbor"),
  repair: route("POST", "/repair", "device", "strongroom", "cbor"),
  feed: route("POST", "/feed", "device", "strongroom", "cbor", { reply: "stream" }),
  // ── lease ──
  "lease.evaluate": route("POST", "/lease/evaluate", "device", "strongroom", "json", {
    states: ["reserved", "pending", "confirmed", ...IN_CHAIN],
    limit: "lease",
  }),
  "lease.unlocked": route("POST", "/lease/unlocked", "device", "strongroom", "json", {
    states: IN_CHAIN,
    limit: "lease",
  }),
  "lease.renew": route("POST", "/lease/renew", "device", "strongroom", "json", { limit: "lease" }),
  "lease.reset": route("POST", "/lease/reset", "session2", "server", "json", { limit: "lease" }),
  "lease.reset-wait": route("POST", "/lease/reset-wait", "session2", "server", "json", { limit: "mail" }),
  // ── devices ──
  "devices.list": route("GET", "/devices", "device", "strongroom", "none", { states: IN_CHAIN }),
  "devices.relay-send": route("POST", "/devices/relay", "device", "server", "json"),
  "devices.relay-read": route("GET", "/devices/relay", "device", "server", "none"),
  "devices.deny": route("POST", "/devices/deny", "device", "strongroom", "json"),
  "devices.lease-reset": route("POST", "/devices/lease-reset", "device", "strongroom", "json", { fresh: "factor" }),
  "devices.lease-reset-cancel": route("POST", "/devices/lease-reset-cancel", "device", "strongroom", "json"),
  "device.retire": route("POST", "/device/retire", "device", "strongroom", "json", {
    states: [...IN_CHAIN, "lease-locked"],
  }),
  // ── second factor and password of a device that is in the chain ──
  "two-factor.start": route("POST", "/two-factor/start", "device", "strongroom", "json", { states: IN_CHAIN }),
  "two-factor.confirm": route("POST", "/two-factor/confirm", "device", "strongroom", "json", {
    states: IN_CHAIN,
    limit: "second-factor",
  }),
  "two-factor.check": route("POST", "/two-factor/check", "device", "strongroom", "json", { limit: "second-factor" }),
  "two-factor.codes": route("POST", "/two-factor/codes", "device", "strongroom", "json", { fresh: "factor" }),
  "two-factor.disable": route("POST", "/two-factor/disable", "device", "strongroom", "json", {
    fresh: "factor+password",
  }),
  "two-factor.reset-cancel": route("POST", "/two-factor/reset-cancel", "device", "strongroom", "json"),
  "passkeys.list": route("GET", "/passkeys", "device", "strongroom", "none", { states: IN_CHAIN }),
  "passkeys.start": route("POST", "/passkeys/start", "device", "strongroom", "json", { states: IN_CHAIN }),
  "passkeys.finish": route("POST", "/passkeys", "device", "strongroom", "json", {
    states: IN_CHAIN,
    limit: "second-factor",
  }),
  "passkeys.challenge": route("POST", "/passkeys/challenge", "device", "strongroom", "json", {
    limit: "second-factor",
  }),
  "passkeys.remove": route("POST", "/passkeys/remove", "device", "strongroom", "json", { fresh: "factor+password" }),
  "sync.resume": route("POST", "/sync/resume", "device", "strongroom", "json", { fresh: "factor" }),
  "password.check-start": route("POST", "/password/check-start", "device", "strongroom", "json", { limit: "login" }),
  "password.check-finish": route("POST", "/password/check-finish", "device", "strongroom", "json", { limit: "login" }),
  "password.start": route("POST", "/password/start", "device", "strongroom", "json", { limit: "login" }),
  // ── address and log, which only the server keeps ──
  "address.show": route("GET", "/address", "device", "server", "none", { states: IN_CHAIN }),
  "address.start": route("POST", "/address", "device", "server", "json", { fresh: "factor", limit: "mail" }),
  "address.confirm": route("POST", "/address/confirm", "public", "server", "json", { limit: "confirm" }),
  activity: route("GET", "/activity", "device", "server", "none"),
} as const satisfies Readonly<Record<string, Route>>

export type RouteName = keyof typeof routes

/** Finds the route of a request, by method and path without query. */
export const routeOf = (method: string, path: string): RouteName | undefined => ROUTE_BY_KEY.get(`${method} ${path}`)

const ROUTE_BY_KEY: ReadonlyMap<string, RouteName> = new Map(
  (Object.keys(routes) as RouteName[]).map((name) => [`${routes[name].method} ${routes[name].path}`, name]),
)
