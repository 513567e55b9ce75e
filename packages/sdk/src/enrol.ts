import { equalBytes, err, formatId, ok, parseId, type Result, secret } from "@keyferry/base"
import {
  ACCOUNT_HOLDER_ADD,
  ACCOUNT_RECOVERY_USED,
  type AccountState,
  accountPayload,
  activeDevices,
  areSlotKeys,
  countersignPayload,
  encodeLink,
  holderAddStruct,
  HOLDER_PASSWORD,
  HOLDER_RECOVERY,
  HOW_KIT,
  newestAccountKey,
  newestSlot,
  recoveryUsedStruct,
  signPayload,
  verifyAccountChain,
  verifyAccountLink,
} from "@keyferry/chain"
import {
  type AccountSeed,
  decodeWrapEntry,
  deriveRecoveryAuth,
  deriveSecretKey,
  deriveSlot,
  fingerprintDigits,
  finishMac,
  formatKitCode,
  kemKeyPairFromSeed,
  makeKemKeyPair,
  makeRecoveryCode,
  makeSigSeed,
  parseKitCode,
  passwordSlotSecret,
  type RecoveryCode,
  recoverySlotSecret,
  serverWords,
  sessionBinding,
  sigPublicKey,
  type SlotKeys,
  startOpaqueLogin,
  startOpaqueRegistration,
  wrapsHash,
} from "@keyferry/crypto"
import {
  accountAppendStruct,
  accountChainReplyStruct,
  accountKeysReplyStruct,
  type ErrorCode,
  type Failure,
  isErrorCode,
} from "@keyferry/protocol"

import {
  deviceHolder,
  encodeWraps,
  fetchAccountKeys,
  makeAccountKey,
  makePasswordSlot,
  makeRecoverySlot,
  nextPlace,
  openAccountSk,
  openAccountWrap,
  slotSigner,
  wrapSeed,
  holdersAfter,
} from "./account-keys.ts"
import type { EnrolmentState, Kit } from "./api.ts"
import { decodeLinks, type Device, readState, requestSigner, stateRow, transportOf } from "./device.ts"
import {
  type AccountRecord,
  type Enrolment,
  enrolmentStruct,
  PURPOSE_LOGIN,
  PURPOSE_RECOVERY,
  STEP_CONFIRM,
  STEP_FACTOR,
  STEP_KEYS,
} from "./formats.ts"
import { wipe } from "./wipe.ts"
import { finishStaged, readLease, serverOf } from "./signup.ts"
import { stage, startLease } from "./staged.ts"
import type { Credentials } from "./transport.ts"
import { afterUnlock, createLocalStore, passwordProblem, readToken, reportUnlocked, storeLease } from "./unlock.ts"
import { b64, fromB64, keyIdOf } from "./wire.ts"

const ZERO32 = new Uint8Array(32)
type Done<T> = Promise<Result<T, Failure>>

/** The enrolment of this device, in memory and, where the store is open, on disk. */
export interface EnrolmentBox {
  current: Enrolment | undefined
}

export const loadEnrolment = async (device: Device, box: EnrolmentBox): Promise<void> => {
  if (device.local === undefined || box.current !== undefined) return
  const bytes = await readState(device, device.local, "enrolment")
  const decoded = bytes === undefined ? undefined : enrolmentStruct.decode(bytes, 64 * 1024)
  if (decoded?.ok === true) box.current = decoded.value
}

const save = async (device: Device, box: EnrolmentBox, next: Enrolment): Promise<void> => {
  box.current = next
  if (device.local !== undefined)
    await device.ports.store.write([await stateRow(device, device.local, "enrolment", enrolmentStruct.encode(next))])
  device.changed()
}

const clear = async (device: Device, box: EnrolmentBox): Promise<void> => {
  box.current = undefined
  await device.ports.store.write([{ table: "state", key: "enrolment" }])
  device.changed()
}

export const describeEnrolment = (e: Enrolment): EnrolmentState => ({
  purpose: e.purpose === PURPOSE_LOGIN ? "login" : "recovery",
  step: e.step === STEP_FACTOR ? "second-factor" : e.step === STEP_CONFIRM ? "confirm" : "keys",
  address: e.address,
  server: e.server.origin,
  state: e.state,
  approver: e.approver,
  factors: e.factors,
  ...(e.code === undefined ? {} : { code: e.code }),
  ...(e.mailedTo === undefined ? {} : { mailedTo: e.mailedTo }),
  ...(e.mail === undefined || e.mail === NO_MAIL ? {} : { mail: mailState(e.mail) }),
  ...(e.reason !== undefined && isErrorCode(e.reason) ? { reason: e.reason satisfies ErrorCode } : {}),
})

// ── signing in ───────────────────────────────────────────────────────────────────────────────────────────────────

export const loginStart = async (
  device: Device,
  box: EnrolmentBox,
  input: { readonly server: string; readonly address: string; readonly password: string; readonly deviceName: string },
): Done<EnrolmentState> => {
  await startOver(device)
  const here = device.record?.account
  if (here !== undefined && here.address.toLowerCase() !== input.address.trim().toLowerCase())
    return err({ code: "wrong-account", detail: `This device belongs to ${here.address}.` })
  if (here !== undefined) return err({ code: "account-exists-here" })
  if (device.record !== undefined && device.local === undefined) return err({ code: "locked" })
  const origin = originOf(input.server)
  if (origin === undefined) return err({ code: "usage-wrong", detail: "The server's address is not a URL." })
  const transport = transportOf(device, origin)
  const discovered = await transport.discover()
  if (!discovered.ok) return discovered
  const server = serverOf(origin, discovered.value)
  if (!server.ok) return server
  const keys = await newDeviceKeys(device)
  const login = await startOpaqueLogin(input.password)
  const started = await transport.json(
    "login.start",
    { address: input.address, startLoginRequest: b64(login.request) },
    {},
  )
  if (!started.ok) return started
  const response = fromB64(started.value.loginResponse)
  if (response === undefined) return err({ code: "malformed" })
  const finished = await login.finish(response, {
    account: started.value.accountUuid,
    deployment: server.value.deploymentId,
  })
  if (!finished.ok) return err({ code: "wrong-credentials" })
  if (!equalBytes(finished.value.serverStaticPk, server.value.opaquePk)) return err({ code: "server-identity-changed" })
  const binding = await finishMac(
    device.ports.primitives,
    await sessionBinding(device.ports.primitives, finished.value.sessionKey),
    keys.authPk,
  )
  const signedIn = await transport.json(
    "login.finish",
    {
      loginId: started.value.loginId,
      finishLoginRequest: b64(finished.value.finish),
      authPk: b64(keys.authPk),
      binding: b64(binding),
    },
    {},
  )
  if (!signedIn.ok) return signedIn
  const accountId = parseId("acc", signedIn.value.accountId)
  if (!accountId.ok) return err({ code: "malformed" })
  // The store of a new device opens with the account's password; on a device with a vault the old one stays until then.
  if (device.record === undefined) {
    const made = await createLocalStore(device, input.password)
    if (!made.ok) return made
  }
  await save(device, box, {
    purpose: PURPOSE_LOGIN,
    server: server.value,
    accountUuid: started.value.accountUuid,
    accountId: accountId.value,
    address: input.address,
    deviceName: input.deviceName,
    ...keys.secret,
    session: signedIn.value.session.token,
    step: STEP_FACTOR,
    factors: signedIn.value.factors,
    exportKey: finished.value.exportKey.reveal(),
    password: input.password,
    state: "signed-in",
    approver: false,
  })
  return current(box)
}

/** A device that saw its own removal holds nothing any more; what is left of it goes, and it may enrol with new keys. */
const startOver = async (device: Device): Promise<void> => {
  if (device.record?.removed !== undefined) await wipe(device)
}

export const originOf = (server: string): string | undefined => {
  try {
    const url = new URL(/^https?:\/\//.test(server) ? server : `https://${server}`)
    return url.protocol === "https:" || url.protocol === "http:" ? url.origin : undefined
  } catch {
    return undefined
  }
}

const newDeviceKeys = async (device: Device) => {
  const { primitives: p, random } = device.ports
  const sigSeed = makeSigSeed(random)
  const authSeed = makeSigSeed(random)
  const kem = await makeKemKeyPair(random)
  return {
    authPk: await sigPublicKey(p, authSeed),
    secret: {
      deviceId: random.bytes(16),
      sigSeed: sigSeed.reveal(),
      kemSeed: kem.seed.reveal(),
      authSeed: authSeed.reveal(),
    },
  }
}

/** The public half of an enrolling device's keys. */
export const publicKeysOf = async (device: Device, e: Enrolment) => ({
  deviceId: e.deviceId,
  sigPk: await device.ports.primitives.ed25519PublicKey(e.sigSeed),
  kemPk: (await kemKeyPairFromSeed(secret<"KemSeed">(e.kemSeed.slice()))).publicKey,
  authPk: await device.ports.primitives.ed25519PublicKey(e.authSeed),
})

const current = (box: EnrolmentBox): Result<EnrolmentState, Failure> =>
  box.current === undefined ? err({ code: "signed-out" }) : ok(describeEnrolment(box.current))

/** Raises the login by the second factor and asks for this device to be let in. */
export const secondFactor = async (
  device: Device,
  box: EnrolmentBox,
  { kind, code, mail }: { readonly kind: "totp" | "recovery-code"; readonly code: string; readonly mail: boolean },
): Done<EnrolmentState> => {
  const e = box.current
  if (e === undefined) return err({ code: "signed-out" })
  const transport = transportOf(device, e.server.origin)
  const passed = await transport.json(
    "login.second-factor",
    { kind, code: code.replace(/\s/g, "") },
    { session: e.session },
  )
  if (!passed.ok) return passed
  await save(device, box, { ...e, session: passed.value.session.token })
  return startEnrolment(device, box, mail)
}

/**
 * The second factor is lost: the first call starts the 72 hours, tells the mailbox and every device, and answers
 * `recovery-waiting` with the time; a call after that time raises the login without a code.
 */
export const factorLost = async (device: Device, box: EnrolmentBox): Done<EnrolmentState> => {
  const e = box.current
  if (e === undefined) return err({ code: "signed-out" })
  const asked = await transportOf(device, e.server.origin).json("login.second-factor-reset", {}, { session: e.session })
  if (!asked.ok) return asked
  if (asked.value.session === undefined) {
    const waitS = Math.max(1, Math.ceil((asked.value.readyAtMs - device.ports.clock.nowMs()) / 1000))
    return err({
      code: "recovery-waiting",
      detail: `It opens at ${new Date(asked.value.readyAtMs).toISOString()}.`,
      retryAfterS: waitS,
    })
  }
  await save(device, box, { ...e, session: asked.value.session.token })
  return startEnrolment(device, box)
}

/** The server sent no link for this device, because it did not ask for one. */
const NO_MAIL = "none"

const startEnrolment = async (device: Device, box: EnrolmentBox, mail = true): Done<EnrolmentState> => {
  const e = box.current
  if (e === undefined) return err({ code: "signed-out" })
  const keys = await publicKeysOf(device, e)
  const asked = await transportOf(device, e.server.origin).json(
    "enrol.start",
    {
      device: {
        deviceId: formatId("dev", e.deviceId),
        sigPk: b64(keys.sigPk),
        kemPk: b64(keys.kemPk),
        authPk: b64(keys.authPk),
        platform: device.ports.platform,
      },
      ...(mail ? {} : { mail }),
    },
    { session: e.session },
  )
  if (!asked.ok) return asked
  const lease = readLease(asked.value.lease)
  if (lease === undefined) return err({ code: "malformed" })
  await save(device, box, {
    ...e,
    ...lease,
    step: STEP_CONFIRM,
    code: asked.value.code,
    mailedTo: asked.value.mailedTo,
    mail: asked.value.mail,
    state: asked.value.state,
  })
  return confirmation(device, box)
}

/** A new mail for the waiting device; the older link is dead from then on. */
export const requestMail = async (
  device: Device,
  box: EnrolmentBox,
): Done<{ mail: "queued" | "off" | "failed"; mailedTo: string; code: string; nextInS: number }> => {
  const e = box.current
  if (e === undefined) return err({ code: "signed-out" })
  const reply = await transportOf(device, e.server.origin).json("enrol.mail", {}, { session: e.session })
  if (!reply.ok) return reply
  await save(device, box, { ...e, mail: reply.value.mail, mailedTo: reply.value.mailedTo })
  return ok({
    mail: mailState(reply.value.mail),
    mailedTo: reply.value.mailedTo,
    code: e.code ?? "",
    nextInS: reply.value.nextInS,
  })
}

/** A mail that has left is as good as one that waits to: asking for another would kill its link. */
export const mailState = (mail: string): "queued" | "off" | "failed" =>
  mail === "off" ? mail : mail === "queued" || mail === "sent" ? "queued" : "failed"

/** Asks the server where the enrolment stands; the level rises here once the device is confirmed. */
export const confirmation = async (device: Device, box: EnrolmentBox): Done<EnrolmentState> => {
  const e = box.current
  if (e === undefined) return err({ code: "signed-out" })
  if (e.step === STEP_FACTOR) return current(box)
  const reply = await transportOf(device, e.server.origin).json("enrol.state", {}, { session: e.session })
  if (!reply.ok) return reply
  const { state, reason, session, approver } = reply.value
  const { reason: _old, ...rest } = e
  await save(device, box, {
    ...rest,
    state,
    approver,
    // The server tells of the account's newest mail, which was another device's where this one asked for none.
    mail: e.mail === NO_MAIL ? NO_MAIL : reply.value.mail,
    step: state === "confirmed" || state === "approved" ? STEP_KEYS : STEP_CONFIRM,
    session: session?.token ?? e.session,
    ...(reason === undefined ? {} : { reason }),
  })
  return current(box)
}

// ── keys by password and kit ─────────────────────────────────────────────────────────────────────────────────────

export const credentialsOf = (device: Device, e: Enrolment): Credentials => ({
  session: e.session,
  signer: requestSigner(device.ports, keyIdOf(e.deviceId), "kf1-dev", secret<"SigSeed">(e.authSeed)),
})

/** The account chain as served to a confirmed device, verified whole, and of the account that was signed in to. */
const readChain = async (
  device: Device,
  e: Enrolment,
): Done<{ readonly state: AccountState; readonly links: readonly Uint8Array[] }> => {
  const reply = await transportOf(device, e.server.origin).cbor("enrol.chain", undefined, credentialsOf(device, e))
  if (!reply.ok) return reply
  return verifyServedChain(device, reply.value, e.accountId)
}

export const verifyServedChain = async (
  device: Device,
  bytes: Uint8Array,
  accountId: Uint8Array,
): Done<{ readonly state: AccountState; readonly links: readonly Uint8Array[] }> => {
  const served = accountChainReplyStruct.decode(bytes, 80 * 1024 * 1024)
  const links = served.ok ? decodeLinks(served.value.links) : undefined
  if (!served.ok || links === undefined) return err({ code: "chain-invalid" })
  const verified = await verifyAccountChain(device.ports.primitives, links)
  if (!verified.ok || !equalBytes(verified.value.id, accountId)) return err({ code: "chain-invalid" })
  return ok({ state: verified.value, links: served.value.links })
}

export const parseKit = (device: Device, text: string): Result<RecoveryCode, Failure> => {
  const parsed = parseKitCode(device.ports.primitives, text)
  if (parsed.ok) return parsed
  const why = {
    "wrong-length": "It has 36 characters after KF1.",
    "bad-character": "It holds a character that kit codes do not use.",
    "check-failed": "The last group says there is a typing mistake.",
  }[parsed.error]
  return err({ code: "kit-code-wrong", detail: why })
}

export const finishWithKit = async (device: Device, box: EnrolmentBox, kitText: string): Done<void> => {
  const e = box.current
  const code = parseKit(device, kitText)
  if (!code.ok) return code
  if (e === undefined || e.exportKey === undefined || e.password === undefined) return err({ code: "signed-out" })
  if (e.step !== STEP_KEYS) return err({ code: "device-not-verified" })
  const chain = await readChain(device, e)
  if (!chain.ok) return chain
  const { state, links } = chain.value
  const sk = await deriveSecretKey(device.ports.primitives, code.value, state.accountSalt)
  const entry = newestSlot(state, HOLDER_PASSWORD)
  if (entry === undefined) return err({ code: "chain-invalid" })
  const slot = await deriveSlot(
    device.ports.primitives,
    passwordSlotSecret(secret<"ExportKey">(e.exportKey.slice()), sk),
    state.accountSalt,
    HOLDER_PASSWORD,
    entry.holder.id,
  )
  // The public keys that countersigned the slot's own link decide; a chain forged around the account would hold others.
  if (!areSlotKeys(entry, slot))
    return err({
      code: "kit-code-wrong",
      detail: "Kit and password do not belong together; the kit may have been replaced.",
    })
  const seed = await openSlot(device, e, state, entry.holder.id, slot)
  if (!seed.ok) return seed
  const keys = await publicKeysOf(device, e)
  if (e.leaseId === undefined || e.leasePk === undefined) return err({ code: "device-not-verified" })
  const holder = deviceHolder({ ...keys, leaseId: e.leaseId, leasePk: e.leasePk })
  const account = accountOf(e, e.leaseId, e.leasePk)
  const authSeed = secret<"SigSeed">(e.authSeed.slice())
  const lease = await startLease(device, account, e.password, authSeed)
  if (!lease.ok) return lease
  const place = nextPlace(state, entry.holder.id)
  const epoch = newestAccountKey(state).epoch
  const wrap = await wrapSeed(device, seed.value, epoch, place, holder)
  const payload = accountPayload(
    state,
    ACCOUNT_HOLDER_ADD,
    holderAddStruct,
    { holder, how: HOW_KIT, transcript: ZERO32, wrapsHash: wrapsHash(device.ports.primitives, [wrap]) },
    { byHolder: entry.holder.id, ts: device.ports.clock.nowMs() },
  )
  const own = slotSigner(device, { id: e.deviceId, sigSeed: secret<"SigSeed">(e.sigSeed) })
  const link = await signPayload(slotSigner(device, { id: entry.holder.id, sigSeed: slot.sigSeed }), payload, [
    await countersignPayload(own, payload),
  ])
  const verified = await verifyAccountLink(device.ports.primitives, state, link)
  if (!verified.ok)
    return err(
      verified.error.code === "not-allowed"
        ? { code: "not-allowed", detail: "Your policy asks for approval by another device: kf login --by words" }
        : { code: "chain-invalid" },
    )
  const staged = await stage(device, {
    account,
    keys: { sigSeed: e.sigSeed, kemSeed: e.kemSeed, accountSeeds: [[epoch, seed.value.reveal()]] },
    links: [...links, encodeLink(link)],
    lease: lease.value,
    authSeed,
    route: "enrol.append",
    body: accountAppendStruct.encode({ link: encodeLink(link), wraps: [...encodeWraps([wrap])], rotations: [] }),
    session: e.session,
  })
  if (!staged.ok) return staged
  const finished = await finishStaged(device, staged.value)
  if (!finished.ok) return finished
  return afterJoining(device, box, account, lease.value)
}

export const accountOf = (e: Enrolment, leaseId: Uint8Array, leasePk: Uint8Array): AccountRecord => ({
  server: e.server,
  accountUuid: e.accountUuid,
  accountId: e.accountId,
  address: e.address,
  deviceId: e.deviceId,
  deviceName: e.deviceName,
  leaseId,
  leasePk,
  lastContactS: 0,
  graceUntilS: 0,
})

/** The device is in the chain: reports the unlock (which makes it active), keeps the lease, fetches older keys. */
export const afterJoining = async (
  device: Device,
  box: EnrolmentBox,
  account: AccountRecord,
  lease: { readonly attempt: number; readonly tokenBytes: Uint8Array },
): Done<void> => {
  await clear(device, box)
  const reported = await reportUnlocked(device, account, lease.attempt)
  if (!reported.ok) return reported
  const token = await readToken(device, account, lease.tokenBytes)
  if (token.ok) await storeLease(device, token.value, lease.tokenBytes)
  if (device.account !== undefined) {
    const keyed = await fetchAccountKeys(device, device.account)
    if (!keyed.ok) return keyed
  }
  afterUnlock(device)
  return ok(undefined)
}

const openSlot = async (
  device: Device,
  e: Enrolment,
  state: AccountState,
  slotId: Uint8Array,
  slot: SlotKeys,
): Done<AccountSeed> => {
  const query = `slot=${formatId("slt", slotId)}`
  const reply = await transportOf(device, e.server.origin).cbor(
    "enrol.slot-wraps",
    undefined,
    credentialsOf(device, e),
    query,
  )
  if (!reply.ok) return reply
  const served = accountKeysReplyStruct.decode(reply.value, 4 * 1024 * 1024)
  if (!served.ok) return err({ code: "malformed" })
  const { epoch } = newestAccountKey(state)
  for (const [wrapEpoch, bytes] of served.value.wraps) {
    const wrap = wrapEpoch === epoch ? decodeWrapEntry(bytes) : undefined
    if (wrap?.ok === true && equalBytes(wrap.value.recipient, slotId))
      return openAccountWrap(device, state, { id: slotId, kemSeed: slot.kemSeed }, wrap.value)
  }
  return err({ code: "key-not-trusted" })
}

// ── recovery with the kit alone ──────────────────────────────────────────────────────────────────────────────────

export const recoverStart = async (
  device: Device,
  box: EnrolmentBox,
  input: { readonly server: string; readonly kitCode: string; readonly deviceName: string },
): Done<EnrolmentState> => {
  await startOver(device)
  if (device.record?.account !== undefined) return err({ code: "account-exists-here" })
  const code = parseKit(device, input.kitCode)
  if (!code.ok) return code
  const origin = originOf(input.server)
  if (origin === undefined) return err({ code: "usage-wrong", detail: "The server's address is not a URL." })
  const transport = transportOf(device, origin)
  const discovered = await transport.discover()
  if (!discovered.ok) return discovered
  const server = serverOf(origin, discovered.value)
  if (!server.ok) return server
  const auth = await deriveRecoveryAuth(device.ports.primitives, code.value)
  const { bytesToBase32 } = await import("@keyferry/base")
  const signedIn = await transport.json(
    "recovery.start",
    {},
    { signer: requestSigner(device.ports, `rec_${bytesToBase32(auth.recPk)}`, "kf1-rec", auth.seed) },
  )
  if (!signedIn.ok) return signedIn
  const accountId = parseId("acc", signedIn.value.accountId)
  if (!accountId.ok) return err({ code: "malformed" })
  const keys = await newDeviceKeys(device)
  await save(device, box, {
    purpose: PURPOSE_RECOVERY,
    server: server.value,
    accountUuid: "",
    accountId: accountId.value,
    address: "",
    deviceName: input.deviceName,
    ...keys.secret,
    session: signedIn.value.session.token,
    step: STEP_FACTOR,
    factors: signedIn.value.factors,
    kitCode: code.value.reveal().slice(),
    state: "signed-in",
    approver: false,
  })
  return current(box)
}

/** One link: this device in, the others out, new password slot, new kit, new key. Commits with the new password's record. */
export const recoverFinish = async (device: Device, box: EnrolmentBox, newPassword: string): Done<Kit> => {
  const e = box.current
  const weak = passwordProblem(newPassword)
  if (weak !== undefined) return err(weak)
  if (e === undefined || e.kitCode === undefined) return err({ code: "signed-out" })
  if (e.step !== STEP_KEYS || e.leaseId === undefined || e.leasePk === undefined)
    return err({ code: "device-not-verified" })
  if (device.record === undefined) {
    const made = await createLocalStore(device, newPassword)
    if (!made.ok) return made
  }
  const { primitives: p, random } = device.ports
  const chain = await readChain(device, e)
  if (!chain.ok) return chain
  const { state, links } = chain.value
  const entry = newestSlot(state, HOLDER_RECOVERY)
  if (entry === undefined) return err({ code: "chain-invalid" })
  const oldCode = secret<"RecoveryCode">(e.kitCode.slice())
  const slot = await deriveSlot(p, recoverySlotSecret(oldCode), state.accountSalt, HOLDER_RECOVERY, entry.holder.id)
  if (!areSlotKeys(entry, slot)) return err({ code: "kit-replaced" })
  const seed = await openSlot(device, e, state, entry.holder.id, slot)
  if (!seed.ok) return seed
  const oldSk = await openAccountSk(device, state, seed.value)
  if (!oldSk.ok) return oldSk

  const transport = transportOf(device, e.server.origin)
  const registration = await startOpaqueRegistration(newPassword)
  const started = await transport.json(
    "enrol.password-start",
    { registrationRequest: b64(registration.request) },
    credentialsOf(device, e),
  )
  if (!started.ok) return started
  const response = fromB64(started.value.registrationResponse)
  const accountUuid = started.value.accountUuid
  if (response === undefined) return err({ code: "malformed" })
  const registered = await registration.finish(response, { account: accountUuid, deployment: e.server.deploymentId })
  if (!registered.ok || !equalBytes(registered.value.serverStaticPk, e.server.opaquePk))
    return err({ code: "server-identity-changed" })

  const newCode = makeRecoveryCode(random)
  const sk = await deriveSecretKey(p, newCode, state.accountSalt)
  const password = await makePasswordSlot(device, registered.value.exportKey, sk, state.accountSalt)
  const recovery = await makeRecoverySlot(device, newCode, state.accountSalt)
  const keys = await publicKeysOf(device, e)
  const holder = deviceHolder({ ...keys, leaseId: e.leaseId, leasePk: e.leasePk })
  const oldSlots = [newestSlot(state, HOLDER_PASSWORD), entry].flatMap((s) => (s === undefined ? [] : [s.holder.id]))
  const removed = [...activeDevices(state).map((d) => d.holder.id), ...oldSlots]
  const added = [holder, password.holder, recovery.holder]
  const epoch = newestAccountKey(state).epoch + 1
  const made = await makeAccountKey(device, {
    epoch,
    accountSalt: state.accountSalt,
    sk,
    holders: holdersAfter(state, removed, added),
    place: nextPlace(state, entry.holder.id),
    previous: seed.value,
  })
  const payload = accountPayload(
    state,
    ACCOUNT_RECOVERY_USED,
    recoveryUsedStruct,
    {
      device: holder,
      removed,
      passwordSlot: password.holder,
      recoverySlot: recovery.holder,
      key: made.epoch,
      skSealed: made.skSealed,
    },
    { byHolder: entry.holder.id, ts: device.ports.clock.nowMs() },
  )
  const own = slotSigner(device, { id: e.deviceId, sigSeed: secret<"SigSeed">(e.sigSeed) })
  const link = await signPayload(slotSigner(device, { id: entry.holder.id, sigSeed: slot.sigSeed }), payload, [
    await countersignPayload(own, payload),
    await countersignPayload(slotSigner(device, { id: password.holder.id, sigSeed: password.keys.sigSeed }), payload),
    await countersignPayload(slotSigner(device, { id: recovery.holder.id, sigSeed: recovery.keys.sigSeed }), payload),
  ])
  const verified = await verifyAccountLink(p, state, link)
  if (!verified.ok) return err({ code: "chain-invalid", detail: `Own link refused: ${verified.error.code}.` })

  const account = { ...accountOf(e, e.leaseId, e.leasePk), accountUuid, address: e.mailedTo ?? "" }
  const authSeed = secret<"SigSeed">(e.authSeed.slice())
  const lease = await startLease(device, account, newPassword, authSeed)
  if (!lease.ok) return lease
  const staged = await stage(device, {
    account,
    keys: {
      sigSeed: e.sigSeed,
      kemSeed: e.kemSeed,
      accountSeeds: [
        [epoch - 1, seed.value.reveal()],
        [epoch, made.seed.reveal()],
      ],
    },
    links: [...links, encodeLink(link)],
    lease: lease.value,
    authSeed,
    route: "enrol.append",
    body: accountAppendStruct.encode({
      link: encodeLink(link),
      wraps: [...encodeWraps(made.wraps)],
      rotations: [],
      registrationRecord: registered.value.record,
      ...(made.prevSealed === undefined ? {} : { prevSealed: made.prevSealed }),
    }),
    session: e.session,
  })
  if (!staged.ok) return staged
  const finished = await finishStaged(device, staged.value)
  if (!finished.ok) return finished
  const joined = await afterJoining(device, box, account, lease.value)
  if (!joined.ok) return joined
  return ok({
    code: formatKitCode(p, newCode),
    accountDigits: fingerprintDigits(state.id),
    serverWords: serverWords(p, e.server.opaquePk).join(" "),
    address: account.address,
    server: e.server.origin,
  })
}
