import { base32ToBytes, err, ok, parseId, type Result } from "@keyferry/base"
import { type DeviceState, type Failure, type Route, type RouteName, routes } from "@keyferry/protocol"
import type { SignedRequest } from "@keyferry/strongroom-api"

import type { SigningDevice, StrongroomContext, Tx } from "./context.ts"
import { createNonces } from "./nonces.ts"
import { isSigned, type ReadRequest, readSignedRequest } from "./signature-check.ts"
import { statement } from "./store/statement.ts"

/*
 * The one verifier: no other code of the product checks a device's signature or decides what a device in some state may
 * ask for. Source: spec/http.md HT1–HT9, spec/devices.md DV1–DV3
 */
export interface Verified {
  readonly device: SigningDevice
  readonly route: RouteName
  readonly query: string
  readonly createdS: number
}

export interface Verifier {
  /**
   * Errors: not-found, malformed, signature-invalid, clock-skew, replay-rejected, rate-limited, device-not-enrolled, what
   * the device's state says, account-frozen, reauth-required, sync-suspended
   */
  readonly verify: (request: SignedRequest, origins: readonly string[]) => Promise<Result<Verified, Failure>>
  /** Signed with the key of a kit. An unknown key and a bad signature answer alike: wrong-credentials. */
  readonly verifyRecovery: (
    request: SignedRequest,
    origins: readonly string[],
  ) => Promise<Result<{ readonly accountUuid: string; readonly accountId: Uint8Array }, Failure>>
}

export const FRESH_MS = 5 * 60_000
const SEEN_EVERY_MS = 10 * 60_000

/** Answered while the account is frozen: seeing, leaving, and what thaws. */
const WHILE_FROZEN: ReadonlySet<RouteName> = new Set<RouteName>([
  "account.status",
  "account.chain",
  "account.freeze",
  "account.thaw",
  "account.thaw-wait",
  "devices.list",
  "device.retire",
  "two-factor.check",
  "passkeys.list",
  "passkeys.challenge",
  "two-factor.reset-cancel",
  "activity",
])
/** Answered although the last login is longer ago than the policy allows: seeing, and logging in again. */
const WHILE_LOGIN_IS_OLD: ReadonlySet<RouteName> = new Set<RouteName>([
  "account.status",
  "account.chain",
  "account.freeze",
  "device.retire",
  "two-factor.check",
  "passkeys.challenge",
  "password.check-start",
  "password.check-finish",
])
const NEED_SYNC: ReadonlySet<RouteName> = new Set<RouteName>(["sync", "bootstrap", "history", "repair", "feed"])

export const createVerifier = (
  ctx: Pick<StrongroomContext, "store" | "primitives" | "clock" | "startedAtMs" | "sightings">,
  nonces = createNonces(),
): Verifier => {
  const { store, primitives } = ctx

  const read = (request: SignedRequest, origins: readonly string[]): Result<ReadRequest, Failure> =>
    readSignedRequest(primitives, request, origins, { nowMs: ctx.clock.nowMs(), startedAtMs: ctx.startedAtMs })

  const takeNonce = (request: ReadRequest): Failure | undefined => {
    switch (nonces.take(request.keyId, request.nonce, ctx.clock.nowMs())) {
      case "new":
        return undefined
      case "seen":
        return { code: "replay-rejected" }
      case "full":
        return { code: "rate-limited", retryAfterS: 60 }
    }
  }

  const verify = async (request: SignedRequest, origins: readonly string[]): Promise<Result<Verified, Failure>> => {
    const parsed = read(request, origins)
    if (!parsed.ok) return parsed
    const { route, keyId, tag, createdS } = parsed.value
    const rule: Route = routes[route]
    if (!["device", "reserved", "session3"].includes(rule.actor)) return err({ code: "not-found" })
    if (tag !== (rule.limit === "lease" ? "kf1-lease" : "kf1-dev")) return err({ code: "signature-invalid" })
    const deviceId = parseId("dev", keyId)
    if (!deviceId.ok) return err({ code: "signature-invalid" })
    const [row] = await store.read((db) => deviceById.rows(db, { id: deviceId.value }))
    if (row === undefined) return err({ code: "device-not-enrolled" })
    if (!(await isSigned(primitives, parsed.value, row.auth_pk))) return err({ code: "signature-invalid" })
    const replayed = takeNonce(parsed.value)
    if (replayed !== undefined) return err(replayed)
    const nowMs = ctx.clock.nowMs()
    const refused = refusedBy(route, row, nowMs)
    if (refused !== undefined) return err(refused)
    ctx.sightings.note(deviceId.value, nowMs)
    if (nowMs - row.last_seen_ms > SEEN_EVERY_MS)
      await store.transaction((tx) =>
        tx.updateTable("device").set({ last_seen_ms: nowMs }).where("id", "=", deviceId.value).execute(),
      )
    return ok({ route, query: request.query, createdS, device: signingDevice(row) })
  }

  const verifyRecovery: Verifier["verifyRecovery"] = async (request, origins) => {
    const parsed = read(request, origins)
    if (!parsed.ok) return parsed
    const { route, keyId, tag } = parsed.value
    if (routes[route].actor !== "recovery" || tag !== "kf1-rec" || !keyId.startsWith("rec_"))
      return err({ code: "signature-invalid" })
    const recPk = base32ToBytes(keyId.slice("rec_".length))
    if (recPk === undefined || recPk.length !== 32) return err({ code: "signature-invalid" })
    // The signature is checked against the key that the request itself names, before any row is looked for, so that
    // an unknown key costs and answers the same as a known one.
    if (!(await isSigned(primitives, parsed.value, recPk))) return err({ code: "wrong-credentials" })
    const replayed = takeNonce(parsed.value)
    if (replayed !== undefined) return err(replayed)
    const row = await store.read((db) =>
      db.selectFrom("account").select(["uuid", "id"]).where("rec_pk", "=", recPk).executeTakeFirst(),
    )
    if (row === undefined || row.id === null) return err({ code: "wrong-credentials" })
    return ok({ accountUuid: row.uuid, accountId: row.id })
  }

  return Object.freeze({ verify, verifyRecovery })
}

type DeviceRow = NonNullable<Awaited<ReturnType<ReturnType<typeof deviceQuery>["executeTakeFirst"]>>>

const deviceQuery = (db: Tx, deviceId: Uint8Array) =>
  db
    .selectFrom("device")
    .innerJoin("account", "account.uuid", "device.account_uuid")
    .select([
      "device.id",
      "device.account_uuid",
      "device.state",
      "device.expires_ms",
      "device.created_ms",
      "device.sig_pk",
      "device.auth_pk",
      "device.last_seen_ms",
      "device.last_factor_ms",
      "device.last_password_ms",
      "account.id as account_id",
      "account.frozen",
      "account.sync_suspended",
      "account.confirmed_ms",
      "account.relogin_max_s",
    ])
    .select((e) =>
      e
        .exists(
          e.selectFrom("factor").select("factor.kind").whereRef("factor.account_uuid", "=", "device.account_uuid"),
        )
        .as("has_factor"),
    )
    .where("device.id", "=", deviceId)

/** Runs for every signed request, so it is built once. */
const deviceById = statement<"id", DeviceRow>((db, $) => deviceQuery(db, $("id")))

const signingDevice = (row: DeviceRow): SigningDevice => ({
  accountUuid: row.account_uuid,
  accountId: row.account_id ?? new Uint8Array(32),
  deviceId: row.id,
  state: row.state as DeviceState,
  sigPk: row.sig_pk,
  lastFactorMs: row.last_factor_ms,
  lastPasswordMs: row.last_password_ms,
})

const refusedBy = (route: RouteName, row: DeviceRow, nowMs: number): Failure | undefined => {
  const rule: Route = routes[route]
  const state = row.state as DeviceState
  if (row.expires_ms !== 0 && row.expires_ms <= nowMs) return { code: "device-expired" }
  if (!rule.states.includes(state)) return refusalOfState(state, row)
  if (row.frozen === 1 && !WHILE_FROZEN.has(route)) return { code: "account-frozen" }
  if (row.sync_suspended === 1 && NEED_SYNC.has(route)) return { code: "sync-suspended" }
  const login = Math.max(row.last_password_ms, row.last_factor_ms, row.created_ms)
  if (state === "active" && nowMs - login > row.relogin_max_s * 1000 && !WHILE_LOGIN_IS_OLD.has(route))
    return { code: "reauth-required" }
  if (rule.fresh === "factor+password" && nowMs - row.last_password_ms > FRESH_MS) return { code: "reauth-required" }
  if (rule.fresh !== "none" && nowMs - row.last_factor_ms > FRESH_MS) return { code: "second-factor-needed" }
  return undefined
}

/** What a device is told whose state a route does not accept. */
const refusalOfState = (state: DeviceState, row: Pick<DeviceRow, "confirmed_ms" | "has_factor">): Failure => {
  switch (state) {
    case "reserved":
      return { code: "device-not-enrolled" }
    case "pending":
    case "confirmed":
      return { code: "device-not-verified" }
    case "pending-first":
      return { code: row.confirmed_ms === 0 ? "device-not-verified" : "two-factor-required" }
    case "approved":
      return row.has_factor
        ? { code: "not-allowed", detail: "Unlock this device once first." }
        : { code: "two-factor-required" }
    case "active":
      return { code: "not-allowed" }
    case "lease-locked":
      return { code: "lease-locked" }
    case "retired":
      return { code: "device-retired" }
    case "removed":
      return { code: "device-removed" }
    case "rejected":
      return { code: "device-rejected" }
    case "expired":
      return { code: "device-expired" }
  }
}
