import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

import { bytesToBase32, concatBytes, Defect, equalBytes, expectOk, lp, type Result, secret } from "@keyferry/base"
import {
  type AccountState,
  accountGenesisPayload,
  accountPayload,
  ACCOUNT_HOLDER_ADD,
  countersignPayload,
  decodeLink,
  encodeLink,
  HOLDER_PASSWORD,
  HOLDER_RECOVERY,
  type Holder,
  holderAddStruct,
  HOW_DEVICE,
  type Link,
  type LinkSigner,
  newestAccountKey,
  signPayload,
  verifyAccountLink,
} from "@keyferry/chain"
import {
  deriveAccountKem,
  deriveRecoveryAuth,
  encodeWrapEntry,
  finishMac,
  makeAccountSeed,
  makeKemKeyPair,
  makeRecoveryCode,
  makeSigSeed,
  makeWrap,
  type SigSeed,
  sessionBinding,
  sigPublicKey,
  startOpaqueLogin,
  startOpaqueRegistration,
  wrapsHash,
} from "@keyferry/crypto"
import { nodePrimitives as p } from "@keyferry/crypto/node"
import { type Failure } from "@keyferry/protocol"
import type { CallResult, CommitNotice } from "@keyferry/strongroom-api"

import type { cborShapes, Handlers } from "./execute.ts"

import { type HandlerParts, type OpenStrongroom, openStrongroom } from "./strongroom.ts"
import {
  holderOfDevice,
  json,
  makeDevice,
  must,
  NO_LIMITS,
  random,
  type Reach,
  send,
  type TestDevice,
} from "./fixture-requests.ts"

/*
 * A world for tests: a strongroom on a real SQLite file with a clock that the test moves, and people whose devices sign
 * real requests. Development only.
 */
export const START_MS = 1_790_000_000_000

export interface World {
  readonly folder: string
  readonly clock: { nowMs: () => number; readonly add: (ms: number) => void }
  readonly room: () => OpenStrongroom
  readonly notices: readonly CommitNotice[]
  /** Closes and opens the same folder again, as a restart does. */
  readonly restart: () => Promise<void>
  readonly close: () => Promise<void>
}
export interface WorldOptions {
  readonly folder?: string
  readonly handlers?: (parts: HandlerParts) => Handlers
  readonly storeUrl?: string
  readonly leaseStoreUrl?: string
}

export const createWorld = async (
  handlers: (parts: HandlerParts) => Handlers,
  options: WorldOptions = {},
): Promise<World> => {
  const folder = options.folder ?? mkdtempSync(join(tmpdir(), "kf-strongroom-"))
  let nowMs = START_MS
  const clock = { nowMs: () => nowMs, add: (ms: number) => void (nowMs += ms) }
  const notices: CommitNotice[] = []
  const open = async (): Promise<OpenStrongroom> => {
    const opened = await openStrongroom({
      folder,
      ...(options.storeUrl === undefined ? {} : { storeUrl: options.storeUrl }),
      ...(options.leaseStoreUrl === undefined ? {} : { leaseStoreUrl: options.leaseStoreUrl }),
      clock,
      random,
      primitives: p,
      startedAtMs: nowMs - 1000,
      handlers,
      log: () => undefined,
      // Tests run without the permission model; the process test looks at the ways out.
      onIsolation: () => true,
    })
    if (!opened.ok) throw new Defect(`${opened.error.code}: ${opened.error.detail}`)
    opened.value.onNotice((notice) => notices.push(notice))
    return opened.value
  }
  let room = await open()
  return {
    folder,
    clock,
    notices,
    room: () => room,
    restart: async () => {
      await room.close()
      room = await open()
    },
    close: async () => {
      await room.close()
      if (options.folder === undefined) rmSync(folder, { recursive: true, force: true })
    },
  }
}
export const reachOf = (world: World): Reach => ({
  call: (name, params) => (world.room().calls[name] as (q: unknown) => Promise<never>)(params),
  nowMs: () => world.clock.nowMs(),
})
export interface Person {
  readonly accountUuid: string
  readonly accountId: Uint8Array
  readonly password: string
  readonly device: TestDevice
  readonly slots: { readonly password: TestSlot; readonly recovery: TestSlot }
  readonly recoverySeed: SigSeed
  readonly recPk: Uint8Array
  readonly chain: AccountState
  readonly accountSeed: ReturnType<typeof makeAccountSeed>
}
export interface TestSlot {
  readonly holder: Holder
  readonly signer: LinkSigner
}

const makeSlot = async (
  kind: typeof HOLDER_PASSWORD | typeof HOLDER_RECOVERY,
  extra: Partial<Holder> = {},
): Promise<TestSlot> => {
  const seed = makeSigSeed(random)
  const id = random.bytes(16)
  const kem = await makeKemKeyPair(random)
  const holder = { id, kind, sigPk: await sigPublicKey(p, seed), kemPk: kem.publicKey, ...extra } as Holder
  return { holder, signer: { holderId: id, sign: (message) => p.ed25519Sign(seed.reveal(), message) } }
}

export interface SigningUp extends Person {
  readonly body: ReturnType<(typeof cborShapes)["signup.finish"]["body"]["fromCbor"]>
}

const RECORD_BYTES = 192

/** Everything up to the request that makes the account. Without a password nobody can sign in, and it is much faster. */
export const prepareSignUp = async (reach: Reach, password?: string): Promise<SigningUp> => {
  const accountUuid = crypto.randomUUID()
  const device = await makeDevice("first device")
  const { deploymentId } = await must(reach.call("hello", {}))
  const registering = await startOpaqueRegistration(password ?? "nobody signs in with this")
  const started = await must(
    reach.call("registerStart", { accountUuid, registrationRequest: registering.request, device: device.keys }),
  )
  const identifiers = { account: accountUuid, deployment: deploymentId }
  const registrationRecord =
    password === undefined
      ? random.bytes(RECORD_BYTES)
      : expectOk(await registering.finish(started.registrationResponse, identifiers), "registration").record
  const accountSeed = makeAccountSeed(random)
  const accountSalt = random.bytes(32)
  const kem = await deriveAccountKem(p, accountSeed, accountSalt, 1)
  const recovery = await deriveRecoveryAuth(p, makeRecoveryCode(random))
  const password1 = await makeSlot(HOLDER_PASSWORD)
  const recovery1 = await makeSlot(HOLDER_RECOVERY, { recPk: recovery.recPk })
  const holders = [holderOfDevice(device, started.lease), password1.holder, recovery1.holder]
  const context = {
    kind: 1,
    chainId: new Uint8Array(32),
    epoch: 1,
    byUid: new Uint8Array(32),
    by: device.deviceId,
    seq: 1,
    prev: new Uint8Array(32),
  } as const
  const wraps = await Promise.all(holders.map((holder) => makeWrap(p, random, context, holder, accountSeed)))
  const payload = accountGenesisPayload(
    {
      holders,
      key: { epoch: 1, kemPk: kem.publicKey, wrapsHash: wrapsHash(p, wraps) },
      minSuite: 1,
      accountSalt,
      skSealed: random.bytes(100),
    },
    { byHolder: device.deviceId, ts: reach.nowMs() },
  )
  const signers = [device.signer, password1.signer, recovery1.signer]
  const link = await signPayload(
    device.signer,
    payload,
    await Promise.all(signers.map((s) => countersignPayload(s, payload))),
  )
  const chain = expectOk(await verifyAccountLink(p, undefined, link), "genesis")
  return {
    accountUuid,
    accountId: chain.id,
    password: password ?? "",
    device,
    slots: { password: password1, recovery: recovery1 },
    recoverySeed: recovery.seed,
    recPk: recovery.recPk,
    chain,
    accountSeed,
    body: {
      accountUuid,
      registrationRecord,
      genesis: encodeLink(link),
      wraps: wraps.map(encodeWrapEntry),
    },
  }
}

export const signUp = async (reach: Reach, password?: string): Promise<Person> => {
  const prepared = await prepareSignUp(reach, password)
  const answer = await send(reach, prepared.device, "signup.finish", prepared.body)
  if (answer.status !== 200) throw new Defect(`sign-up: ${answer.code ?? ""} ${answer.detail ?? ""}`)
  return prepared
}

/** Signs in on a new device, up to level 1. */
export const signIn = async (
  reach: Reach,
  accountUuid: string,
  password: string,
  authPk: Uint8Array,
): Promise<Result<CallResult<"loginFinish">, Failure>> => {
  const { deploymentId } = await must(reach.call("hello", {}))
  const login = await startOpaqueLogin(password)
  const started = await must(reach.call("loginStart", { accountUuid, startLoginRequest: login.request }))
  const finished = await login.finish(started.loginResponse, { account: accountUuid, deployment: deploymentId })
  if (!finished.ok) return { ok: false, error: { code: "wrong-credentials" } }
  const binding = await finishMac(p, await sessionBinding(p, finished.value.sessionKey), authPk)
  return reach.call("loginFinish", {
    loginId: started.loginId,
    finishLoginRequest: finished.value.finish,
    authPk,
    binding,
  })
}

/** RFC 6238, written again so that the tests do not ask the code under test. */
export const totpCode = async (otpauth: string, nowMs: number): Promise<string> => {
  const text = new URL(otpauth).searchParams.get("secret") ?? ""
  const key = await crypto.subtle.importKey("raw", fromBase32(text), { name: "HMAC", hash: "SHA-1" }, false, ["sign"])
  const counter = lp(Math.floor(nowMs / 30_000)).slice(4)
  const mac = new Uint8Array(await crypto.subtle.sign("HMAC", key, counter))
  const at = (mac[19] ?? 0) & 15
  const number = new DataView(mac.buffer).getUint32(at) & 0x7fffffff
  return String(number % 1_000_000).padStart(6, "0")
}
/** Six digits that are no code of any step that is near. */
export const wrongTotpCode = async (otpauth: string, nowMs: number): Promise<string> => {
  const near = await Promise.all([-2, -1, 0, 1, 2].map((step) => totpCode(otpauth, nowMs + step * 30_000)))
  return ["000000", "111111", "222222", "333333", "444444", "555555"].find((code) => !near.includes(code)) ?? ""
}

const fromBase32 = (text: string): Uint8Array<ArrayBuffer> => {
  let bits = ""
  for (const c of text) bits += "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".indexOf(c).toString(2).padStart(5, "0")
  return Uint8Array.from(bits.match(/.{8}/g) ?? [], (byte) => Number.parseInt(byte, 2))
}

/** First-account link and second factor: the device becomes active. Gives the seed's URI. */
export const makeActive = async (reach: Reach, person: Person): Promise<string> => {
  await must(reach.call("confirmFirst", { accountUuid: person.accountUuid }))
  return setFactor(reach, person.device)
}

export const setFactor = async (reach: Reach, device: TestDevice): Promise<string> => {
  const { otpauth } = await json(send(reach, device, "two-factor.start"))
  const code = await totpCode(String(otpauth), reach.nowMs())
  await json(send(reach, device, "two-factor.confirm", { code }))
  return String(otpauth)
}

export interface EnrolledDevice {
  readonly device: TestDevice
  readonly token: Uint8Array
  readonly answer: CallResult<"enrol">
}

export const tokenHashOf = (token: Uint8Array): Uint8Array => p.sha256(token)

export const enrolDevice = async (reach: Reach, person: Person, limits = NO_LIMITS): Promise<EnrolledDevice> => {
  const device = await makeDevice("second device")
  const token = random.bytes(32)
  const answer = await must(
    reach.call("enrol", {
      accountUuid: person.accountUuid,
      device: device.keys,
      tokenHash: tokenHashOf(token),
      limits,
    }),
  )
  return { device, token, answer }
}

/** The link with which `approver` adds a device, its wrap, and the chain after it. */
export const addDevice = async (
  chain: AccountState,
  approver: TestDevice,
  added: EnrolledDevice,
  accountSeed: Person["accountSeed"],
  nowMs: number,
): Promise<{
  readonly link: Uint8Array
  readonly wraps: readonly Uint8Array[]
  readonly next: AccountState
  readonly parsed: Link
}> => {
  const holder = holderOfDevice(added.device, added.answer.lease)
  const { epoch } = newestAccountKey(chain)
  const context = {
    kind: 1,
    chainId: chain.id,
    epoch,
    byUid: chain.id,
    by: approver.deviceId,
    seq: chain.head.seq + 1,
    prev: chain.head.hash,
  } as const
  const wraps = [await makeWrap(p, random, context, holder, accountSeed)]
  const body = { holder, how: HOW_DEVICE, transcript: random.bytes(32), wrapsHash: wrapsHash(p, wraps) } as const
  const payload = accountPayload(chain, ACCOUNT_HOLDER_ADD, holderAddStruct, body, {
    byHolder: approver.deviceId,
    ts: nowMs,
  })
  const link = await signPayload(approver.signer, payload, [await countersignPayload(added.device.signer, payload)])
  const encoded = encodeLink(link)
  const next = expectOk(await verifyAccountLink(p, chain, expectOk(decodeLink(encoded), "link")), "holder.add")
  return { link: encoded, wraps: wraps.map(encodeWrapEntry), next, parsed: link }
}

export const recoveryKeyId = (recPk: Uint8Array): string => `rec_${bytesToBase32(recPk)}`
export {
  bodyBytes,
  codeOf,
  holderOfDevice,
  json,
  makeDevice,
  must,
  NO_LIMITS,
  ORIGIN,
  random,
  type Reach,
  send,
  type SignOptions,
  signRequest,
  type TestDevice,
} from "./fixture-requests.ts"
export { concatBytes, equalBytes, p, secret }
