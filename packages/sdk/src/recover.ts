import { bytesToBase32, equalBytes, err, ok, parseId, type Result, secret } from "@keyferry/base"
import {
  ACCOUNT_RECOVERY_USED,
  accountPayload,
  activeDevices,
  areSlotKeys,
  countersignPayload,
  encodeLink,
  HOLDER_PASSWORD,
  HOLDER_RECOVERY,
  newestAccountKey,
  newestSlot,
  recoveryUsedStruct,
  signPayload,
  verifyAccountLink,
} from "@keyferry/chain"
import {
  deriveRecoveryAuth,
  deriveSecretKey,
  deriveSlot,
  fingerprintDigits,
  formatKitCode,
  makeRecoveryCode,
  recoverySlotSecret,
  serverWords,
  startOpaqueRegistration,
} from "@keyferry/crypto"
import { accountAppendStruct, type Failure } from "@keyferry/protocol"

import {
  deviceHolder,
  encodeWraps,
  holdersAfter,
  makeAccountKey,
  makePasswordSlot,
  makeRecoverySlot,
  nextPlace,
  openAccountSk,
  slotSigner,
} from "./account-keys.ts"
import { type EnrolmentState, type Kit } from "./api.ts"
import { type Device, transportOf } from "./device.ts"
import { parseKit } from "./kit-code.ts"
import { openSlot, readChain } from "./enrolment-chain.ts"
import {
  accountOf,
  afterJoining,
  credentialsOf,
  currentEnrolment,
  type EnrolmentBox,
  newDeviceKeys,
  originOf,
  publicKeysOf,
  saveEnrolment,
  startOver,
} from "./enrolment.ts"
import { PURPOSE_RECOVERY, STEP_FACTOR, STEP_KEYS } from "./formats.ts"
import { finishStaged, serverOf } from "./signup.ts"
import { stage, startLease } from "./staged.ts"
import { createLocalStore, passwordProblem } from "./unlock.ts"
import { b64, fromB64 } from "./wire.ts"

type Done<T> = Promise<Result<T, Failure>>

export const recoverStart = async (
  device: Device,
  box: EnrolmentBox,
  input: {
    readonly server: string
    readonly kitCode: string
    readonly deviceName: string
    readonly newPassword?: string
  },
): Done<EnrolmentState> => {
  const weak = input.newPassword === undefined ? undefined : passwordProblem(input.newPassword)
  if (weak !== undefined) return err(weak)
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

  const signedIn = await transport.json(
    "recovery.start",
    {},
    {
      signer: {
        keyId: `rec_${bytesToBase32(auth.recPk)}`,
        tag: "kf1-rec",
        sign: (message) => device.ports.primitives.ed25519Sign(auth.seed.reveal(), message),
      },
    },
  )
  if (!signedIn.ok) return signedIn
  const accountId = parseId("acc", signedIn.value.accountId)
  if (!accountId.ok) return err({ code: "malformed" })
  const keys = await newDeviceKeys(device)
  if (device.record === undefined && input.newPassword !== undefined) {
    const made = await createLocalStore(device, input.newPassword)
    if (!made.ok) return made
  }
  await saveEnrolment(device, box, {
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
    ...(input.newPassword === undefined ? {} : { password: input.newPassword }),
    state: "signed-in",
    approver: false,
  })
  return currentEnrolment(box)
}

/** One link: this device in, the others out, new password slot, new kit, new key. Commits with the new password's record. */
export const recoverFinish = async (device: Device, box: EnrolmentBox, chosen?: string): Done<Kit> => {
  const e = box.current
  const newPassword = chosen ?? e?.password
  if (newPassword === undefined) return err({ code: "password-too-weak" })
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
  const authSeed = secret<"AuthKey">(e.authSeed.slice())
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
