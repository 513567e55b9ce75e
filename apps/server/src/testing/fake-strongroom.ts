import { bytesToHex, concatBytes, equalBytes, err, ok, parseId, type Result, utf8 } from "@keyferry/base"
import {
  type ErrorCode,
  type Failure,
  parseSignatureInput,
  routeOf,
  type Route,
  routes,
  signupFinishStruct,
  syncReplyStruct,
} from "@keyferry/protocol"
import type {
  CommitNotice,
  Executed,
  SignedRequest,
  StrongroomEvent,
  StrongroomHandlers,
} from "@keyferry/strongroom-api"

/*
 * A strongroom for the server's tests: the contract without cryptography. A "signature" is the header `sig1=:<key id>:`;
 * passwords and codes are compared as plain bytes. It keeps just enough state to tell right from wrong answers.
 */
export interface FakeDevice {
  accountUuid: string
  state: string
  code: string
  lastFactorMs: number
  lastPasswordMs: number
  tokenHash: Uint8Array
  platform: string
}

export interface FakeStrongroom {
  readonly handlers: StrongroomHandlers
  readonly devices: Map<string, FakeDevice>
  readonly accounts: Map<string, { id: Uint8Array; factors: string[]; vaults: number }>
  readonly events: StrongroomEvent[]
  /** Names of calls in their order. */
  readonly calls: string[]
  /** The next call of this name fails so. */
  readonly failNext: (name: string, failure: Failure) => void
  readonly addEvent: (event: Partial<StrongroomEvent> & { kind: string; accountUuid: string }) => void
  /** Set by the host: carries notices to the server. */
  notify: (notice: CommitNotice) => void
  readonly restore: () => void
  readonly resetOpen: Set<string>
  readonly frozen: Set<string>
}

export const FAKE_PASSWORD = utf8("right password")
export const FAKE_CODE = "123456"

export const createFakeStrongroom = (nowMs: () => number): FakeStrongroom => {
  const devices = new Map<string, FakeDevice>()
  const accounts: FakeStrongroom["accounts"] = new Map()
  const logins = new Map<string, string>()
  const failures = new Map<string, Failure>()
  const resetOpen = new Set<string>()
  const frozen = new Set<string>()
  const calls: string[] = []
  let events: StrongroomEvent[] = []
  let logId = new Uint8Array(16).fill(7)
  let commit = 0

  const fail = (code: ErrorCode): Result<never, Failure> => err({ code })
  const addEvent: FakeStrongroom["addEvent"] = (event) => {
    events.push({ n: events.length + 1, logId, atMs: nowMs(), ...event })
    fake.notify({
      commit: ++commit,
      accountUuid: event.accountUuid,
      audience: [],
      event: new Uint8Array(),
      closed: [],
      eventsTo: events.length,
    })
  }
  const signer = (request: SignedRequest): Result<readonly [string, FakeDevice, Route], Failure> => {
    const name = routeOf(request.method, request.path)
    const input = request.headers.find(([k]) => k === "signature-input")?.[1]
    const parsed = input === undefined ? undefined : parseSignatureInput(input, request.body.length > 0)
    if (name === undefined || parsed?.ok !== true) return fail("signature-invalid")
    const id = parseId("dev", parsed.value.keyId)
    const key = id.ok ? bytesToHex(id.value) : ""
    const device = devices.get(key)
    if (device === undefined) return fail("device-not-enrolled")
    return ok([key, device, routes[name]])
  }
  const byToken = (tokenHash: Uint8Array) =>
    [...devices.entries()].find(([, d]) => equalBytes(d.tokenHash, tokenHash) && d.code !== "")
  const executed = (
    body: Uint8Array,
    accountUuid: string,
    deviceKey: string,
    contentType = "application/cbor",
  ): Executed => ({
    status: 200,
    contentType,
    body,
    accountUuid,
    deviceId: Uint8Array.from(Buffer.from(deviceKey, "hex")),
    commit: 0,
  })
  const setState = (key: string, device: FakeDevice, state: string): void => {
    device.state = state
    addEvent({
      kind: `device-${state}`,
      accountUuid: device.accountUuid,
      deviceId: Uint8Array.from(Buffer.from(key, "hex")),
    })
  }

  const handlers: StrongroomHandlers = {
    hello: async () =>
      ok({
        deploymentId: "dep-test",
        opaquePk: new Uint8Array(32).fill(1),
        leaseTokenPk: new Uint8Array(32).fill(2),
        logId,
        accounts: accounts.size,
        version: "test",
      }),
    health: async () => ok({ kms: true, store: true, accounts: accounts.size, devices: devices.size }),
    execute: async ({ request }) => {
      const who = signer(request)
      if (!who.ok) return ok(refusal(who.error))
      const [key, device, route] = who.value
      if (!route.states.includes(device.state as never)) return ok(refusal({ code: "device-not-verified" }))
      if (route.path.endsWith("/signup/finish")) {
        const body = signupFinishStruct.decode(request.body, 1 << 20)
        if (!body.ok || body.value.accountUuid !== device.accountUuid) return ok(refusal({ code: "malformed" }))
        const id = new Uint8Array(32).fill(accounts.size + 1)
        accounts.set(device.accountUuid, { id, factors: [], vaults: 0 })
        device.state = "pending-first"
        addEvent({ kind: "account-created", accountUuid: device.accountUuid, accountId: id })
        return ok(executed(concatBytes(id), device.accountUuid, key))
      }
      if (route.reply === "stream") {
        const body = syncReplyStruct.encode({ logId, commit, accountLinks: [], results: [], vaults: [], heads: [] })
        return ok(executed(body, device.accountUuid, key))
      }
      const type = route.reply === "json" ? "application/json" : "application/cbor"
      return ok(executed(request.body, device.accountUuid, key, type))
    },
    authenticate: async ({ request }) => {
      const who = signer(request)
      if (!who.ok) return who
      const [key, { accountUuid, state, lastFactorMs, lastPasswordMs }] = who.value
      const accountId = accounts.get(accountUuid)?.id ?? new Uint8Array(32)
      const deviceId = Uint8Array.from(Buffer.from(key, "hex"))
      return ok({ accountUuid, accountId, deviceId, state, lastFactorMs, lastPasswordMs })
    },
    events: async ({ after, max }) => ok({ logId, events: events.filter((e) => e.n > after).slice(0, max) }),
    registerStart: async ({ accountUuid, device }) => {
      devices.set(bytesToHex(device.deviceId), blankDevice(accountUuid, "reserved", device.platform))
      return ok({ registrationResponse: new Uint8Array(64).fill(9), lease: fakeLease })
    },
    loginStart: async ({ accountUuid }) => {
      const loginId = `login-${logins.size + 1}`
      logins.set(loginId, accountUuid)
      return ok({ loginId, loginResponse: new Uint8Array(320).fill(3) })
    },
    loginFinish: async ({ loginId, finishLoginRequest }) => {
      const accountUuid = logins.get(loginId) ?? ""
      logins.delete(loginId)
      const account = accounts.get(accountUuid)
      if (account === undefined || !equalBytes(finishLoginRequest, FAKE_PASSWORD)) return fail("wrong-credentials")
      return ok({ accountUuid, accountId: account.id, factors: account.factors })
    },
    secondFactor: async ({ code }) => (code === FAKE_CODE ? ok({}) : fail("second-factor-wrong")),
    passkeyRequest: async () => ok({ challenge: new Uint8Array(32).fill(7), rpId: "localhost", credentials: [] }),
    secondFactorPasskey: async () => fail("second-factor-wrong"),
    factorReset: async ({ accountUuid }) => {
      addEvent({ kind: "factor-reset-requested", accountUuid })
      return ok({ readyAtMs: nowMs() + 72 * 3_600_000, open: resetOpen.has(accountUuid) })
    },
    recoveryStart: async () => {
      const [first] = accounts
      return first === undefined
        ? fail("wrong-credentials")
        : ok({ accountUuid: first[0], accountId: first[1].id, factors: first[1].factors })
    },
    enrol: async ({ accountUuid, device, tokenHash }) => {
      const made = { ...blankDevice(accountUuid, "pending", device.platform), tokenHash, code: FAKE_CODE }
      devices.set(bytesToHex(device.deviceId), made)
      addEvent({ kind: "device-pending", accountUuid, deviceId: device.deviceId })
      return ok({ code: FAKE_CODE, lease: fakeLease, expiresAtMs: nowMs() + 1_800_000 })
    },
    enrolMail: async ({ deviceId, tokenHash }) => {
      const device = devices.get(bytesToHex(deviceId))
      if (device === undefined) return fail("device-not-enrolled")
      Object.assign(device, { tokenHash, code: FAKE_CODE })
      return ok({ code: FAKE_CODE })
    },
    enrolRunning: async ({ deviceId }) => {
      const device = devices.get(bytesToHex(deviceId))
      return ok(device?.tokenHash === undefined || device.code === "" ? {} : { code: device.code })
    },
    enrolState: async ({ deviceId }) => {
      const device = devices.get(bytesToHex(deviceId))
      return device === undefined ? fail("device-not-enrolled") : ok({ state: device.state, approver: false })
    },
    confirmDescribe: async ({ tokenHash }) => {
      const found = byToken(tokenHash)
      return found === undefined
        ? fail("verify-link-expired")
        : ok({ platform: found[1].platform, requestedAtMs: nowMs() })
    },
    confirmCode: async ({ tokenHash, code }) => {
      const found = byToken(tokenHash)
      if (found === undefined) return fail("verify-link-used")
      if (code !== found[1].code) return fail("verify-code-wrong")
      found[1].code = ""
      setState(found[0], found[1], "confirmed")
      return ok({ state: "confirmed" })
    },
    confirmDeny: async ({ tokenHash }) => {
      const found = byToken(tokenHash)
      if (found === undefined) return fail("verify-link-used")
      found[1].code = ""
      setState(found[0], found[1], "rejected")
      return ok({ state: "rejected" })
    },
    confirmFirst: async ({ accountUuid }) => {
      const found = [...devices.entries()].find(([, d]) => d.accountUuid === accountUuid)
      if (found === undefined) return fail("device-not-enrolled")
      if (found[1].state === "pending-first") addEvent({ kind: "device-confirmed", accountUuid })
      return ok({ state: "pending-first" })
    },
    leaseResetWait: async () => ok({ state: "lease-locked", readyAtMs: nowMs() + 72 * 3_600_000 }),
    leaseReset: async () => ok({ state: "active" }),
    operatorConfirm: async ({ code }) => {
      const found = [...devices.entries()].find(([, d]) => d.code === code)
      if (found === undefined) return fail("verify-code-wrong")
      found[1].code = ""
      setState(found[0], found[1], "confirmed")
      return ok({
        accountUuid: found[1].accountUuid,
        deviceId: Uint8Array.from(Buffer.from(found[0], "hex")),
        state: "confirmed",
      })
    },
    freeze: async ({ accountUuid, by }) => {
      if (!accounts.has(accountUuid)) return fail("not-found")
      frozen.add(accountUuid)
      addEvent({ kind: "account-frozen", accountUuid, detail: by })
      return ok({ frozen: true })
    },
    thawWait: async ({ accountUuid }) => {
      addEvent({ kind: "thaw-requested", accountUuid })
      return ok({ frozen: true, readyAtMs: nowMs() + 72 * 3_600_000 })
    },
    operatorResetTwoFactor: async ({ accountUuid }) => {
      resetOpen.add(accountUuid)
      return ok({ openUntilMs: nowMs() + 86_400_000 })
    },
    accounts: async () =>
      ok({
        accounts: [...accounts].map(([accountUuid, a]) => ({
          accountUuid,
          accountId: a.id,
          devices: [...devices.values()].filter((d) => d.accountUuid === accountUuid).length,
          factors: a.factors.length,
          createdAtMs: 1,
          frozen: frozen.has(accountUuid),
          syncSuspended: false,
        })),
      }),
    losses: async () => ok({ accounts: [] }),
    acceptLoss: async () => fail("not-found"),
    rotateKek: async () => ok({ rewrapped: 3, destroyed: 1 }),
    deleteAccount: async ({ accountUuid }) => {
      const account = accounts.get(accountUuid)
      if (account === undefined) return fail("not-found")
      if (account.vaults > 0) return fail("not-allowed")
      accounts.delete(accountUuid)
      addEvent({ kind: "account-deleted", accountUuid })
      return ok({})
    },
  }
  const guarded = Object.fromEntries(
    Object.entries(handlers).map(([name, handler]) => [
      name,
      async (params: never) => {
        calls.push(name)
        const failure = failures.get(name)
        failures.delete(name)
        return failure === undefined ? (handler as (p: never) => Promise<unknown>)(params) : err(failure)
      },
    ]),
  ) as unknown as StrongroomHandlers

  const fake: FakeStrongroom = {
    handlers: guarded,
    devices,
    accounts,
    get events() {
      return events
    },
    calls,
    failNext: (name, failure) => void failures.set(name, failure),
    addEvent,
    notify: () => undefined,
    restore: () => {
      logId = Uint8Array.from(logId, (b) => b + 1)
      events = []
    },
    resetOpen,
    frozen,
  }
  return fake
}

const fakeLease = { leaseId: new Uint8Array(16).fill(5), leasePk: new Uint8Array(32).fill(6) }

const blankDevice = (accountUuid: string, state: string, platform: string): FakeDevice => ({
  accountUuid,
  state,
  code: "",
  lastFactorMs: 0,
  lastPasswordMs: 0,
  tokenHash: new Uint8Array(32),
  platform,
})

const refusal = ({ code }: Failure): Executed => ({
  status: 403,
  contentType: "application/problem+json",
  body: new Uint8Array(),
  code,
  commit: 0,
})
