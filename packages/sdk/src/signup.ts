import { bytesToHex, err, formatId, ok, parseId, type Result, secret } from "@keyferry/base"
import { accountGenesisPayload, countersignPayload, encodeLink, signPayload, verifyAccountLink } from "@keyferry/chain"
import {
  deriveSecretKey,
  fingerprintDigits,
  formatKitCode,
  makeRecoveryCode,
  makeSigSeed,
  serverWords,
  sigPublicKey,
  startOpaqueRegistration,
} from "@keyferry/crypto"
import {
  accountAppendReplyStruct,
  type Discovery,
  type Failure,
  isErrorCode,
  PUSH_ACCEPTED,
  signupFinishStruct,
} from "@keyferry/protocol"

import {
  encodeWraps,
  deviceHolder,
  genesisPlace,
  makeAccountKey,
  makePasswordSlot,
  makeRecoverySlot,
  slotSigner,
} from "./account-keys.ts"
import type { Kit } from "./api.ts"
import { type Device, requestSigner, transportOf } from "./device.ts"
import type { AccountRecord, ServerRecord } from "./formats.ts"
import { keysOf, retryable } from "./ports.ts"
import { dropStaged, settle, stage, type Staged, startLease } from "./staged.ts"
import { afterUnlock } from "./open-time.ts"
import { reportUnlocked, storeLease } from "./lease.ts"
import { readToken } from "./lease-token.ts"
import { checkLocalPassword, createLocalStore, passwordProblem } from "./unlock.ts"
import { b64, fromB64, keyIdOf } from "./wire.ts"

/** `https://keys.example.com/setup#t=<token>` or `/join#t=<token>`: the token never reaches a server log. */
export const parseInvitation = (link: string): Result<{ readonly origin: string; readonly token: string }, Failure> => {
  try {
    const url = new URL(link)
    const token = new URLSearchParams(url.hash.slice(1)).get("t")
    if (token === null || token === "") return err({ code: "invitation-invalid" })
    return ok({ origin: url.origin, token })
  } catch {
    return err({ code: "invitation-invalid" })
  }
}

/** What `/.well-known/keyferry` says, as the device pins it. */
export const serverOf = (origin: string, d: Discovery): Result<ServerRecord, Failure> => {
  const opaquePk = fromB64(d.opaquePk)
  const leaseTokenPk = fromB64(d.leaseTokenPk)
  if (opaquePk === undefined || leaseTokenPk?.length !== 32) return err({ code: "malformed" })
  return ok({ origin, deploymentId: d.deploymentId, opaquePk, leaseTokenPk })
}

/** Another deployment or static key under a known address is a different server, whatever it says. */
export const samePinnedServer = (pinned: ServerRecord, now: ServerRecord): boolean =>
  pinned.deploymentId === now.deploymentId &&
  bytesToHex(pinned.opaquePk) === bytesToHex(now.opaquePk) &&
  bytesToHex(pinned.leaseTokenPk) === bytesToHex(now.leaseTokenPk)

/**
 * Makes the account: password registration, kit, genesis, and this device's store under its lease, in the order that
 * leaves something to go on from at every instant. The bundle is sealed and durable before the first link is sent.
 */
export const signUp = async (
  device: Device,
  input: { readonly link: string; readonly address: string; readonly password: string; readonly deviceName: string },
): Promise<Result<Kit, Failure>> => {
  const { primitives: p, random } = device.ports
  if (device.record?.account !== undefined) return err({ code: "account-exists-here" })
  if (device.record !== undefined && device.local === undefined) return err({ code: "locked" })
  const weak = passwordProblem(input.password)
  if (weak !== undefined) return err(weak)
  const invitation = parseInvitation(input.link)
  if (!invitation.ok) return invitation
  // It seals this device anew: one that was mistyped would close what is here for good.
  const ready = await (device.record === undefined
    ? createLocalStore(device, input.password)
    : checkLocalPassword(device, input.password))
  if (!ready.ok) return ready
  const transport = transportOf(device, invitation.value.origin)
  const discovered = await transport.discover()
  if (!discovered.ok) return discovered
  const server = serverOf(invitation.value.origin, discovered.value)
  if (!server.ok) return server

  const deviceId = random.bytes(16)
  const sigSeed = makeSigSeed(random)
  const keys = keysOf(device.ports)
  const authSeed = await keys.makeAuth()
  const kem = await keys.kemPair(await keys.makeKem())
  const sigPk = await sigPublicKey(p, sigSeed)
  const authPk = await keys.authPublicKey(authSeed)
  const registration = await startOpaqueRegistration(input.password)
  const started = await transport.json(
    "signup.start",
    {
      invitation: invitation.value.token,
      address: input.address,
      registrationRequest: b64(registration.request),
      device: {
        deviceId: formatId("dev", deviceId),
        sigPk: b64(sigPk),
        kemPk: b64(kem.publicKey),
        authPk: b64(authPk),
        platform: device.ports.platform,
      },
    },
    {},
  )
  if (!started.ok) return started
  const lease = readLease(started.value.lease)
  const response = fromB64(started.value.registrationResponse)
  if (lease === undefined || response === undefined) return err({ code: "malformed" })
  const { accountUuid } = started.value
  const registered = await registration.finish(response, {
    account: accountUuid,
    deployment: server.value.deploymentId,
  })
  if (!registered.ok) return err({ code: "server-identity-changed" })
  if (bytesToHex(registered.value.serverStaticPk) !== bytesToHex(server.value.opaquePk))
    return err({ code: "server-identity-changed" })

  // Genesis: this device, the password slot, the recovery slot.
  const accountSalt = random.bytes(32)
  const code = makeRecoveryCode(random)
  const sk = await deriveSecretKey(p, code, accountSalt)
  const password = await makePasswordSlot(device, registered.value.exportKey, sk, accountSalt)
  const recovery = await makeRecoverySlot(device, code, accountSalt)
  const self = deviceHolder({ deviceId, sigPk, kemPk: kem.publicKey, authPk, ...lease })
  const holders = [self, password.holder, recovery.holder]
  const key = await makeAccountKey(device, { epoch: 1, accountSalt, sk, holders, place: genesisPlace(deviceId) })
  const payload = accountGenesisPayload(
    { holders, key: key.epoch, minSuite: 1, accountSalt, skSealed: key.skSealed },
    { byHolder: deviceId, ts: device.ports.clock.nowMs() },
  )
  const deviceSlot = { id: deviceId, sigSeed }
  const link = await signPayload(slotSigner(device, deviceSlot), payload, [
    await countersignPayload(slotSigner(device, deviceSlot), payload),
    await countersignPayload(slotSigner(device, { id: password.holder.id, sigSeed: password.keys.sigSeed }), payload),
    await countersignPayload(slotSigner(device, { id: recovery.holder.id, sigSeed: recovery.keys.sigSeed }), payload),
  ])
  const state = await verifyAccountLink(p, undefined, link)
  if (!state.ok) throw new Error(`own genesis refused: ${state.error.code}`)

  const account: AccountRecord = {
    server: server.value,
    accountUuid,
    accountId: state.value.id,
    address: input.address,
    deviceId,
    deviceName: input.deviceName,
    leaseId: lease.leaseId,
    leasePk: lease.leasePk,
    lastContactS: 0,
    graceUntilS: 0,
  }
  const lease0 = await startLease(device, account, input.password, authSeed)
  if (!lease0.ok) return lease0
  const body = signupFinishStruct.encode({
    accountUuid,
    registrationRecord: registered.value.record,
    genesis: encodeLink(link),
    wraps: [...encodeWraps(key.wraps)],
  })
  const staged = await stage(device, {
    account,
    keys: { sigSeed: sigSeed.reveal(), kemSeed: kem.seed.reveal(), accountSeeds: [[1, key.seed.reveal()]] },
    links: [encodeLink(link)],
    lease: lease0.value,
    authSeed,
    route: "signup.finish",
    body,
  })
  if (!staged.ok) return staged
  const finished = await finishStaged(device, staged.value)
  if (!finished.ok) return finished
  await reportUnlocked(device, account, lease0.value.attempt)
  const token = await readToken(device, account, lease0.value.tokenBytes)
  if (token.ok) await storeLease(device, token.value, lease0.value.tokenBytes)
  afterUnlock(device)
  return ok({
    code: formatKitCode(p, code),
    accountDigits: fingerprintDigits(state.value.id),
    serverWords: serverWords(p, server.value.opaquePk).join(" "),
    address: input.address,
    server: invitation.value.origin,
  })
}

export const readLease = (lease: {
  readonly leaseId: string
  readonly leasePk: string
}): { readonly leaseId: Uint8Array; readonly leasePk: Uint8Array } | undefined => {
  const leaseId = parseId("lea", lease.leaseId)
  const leasePk = fromB64(lease.leasePk)
  return leaseId.ok && leasePk?.length === 32 ? { leaseId: leaseId.value, leasePk } : undefined
}

/**
 * Sends what was staged and settles. A refusal leaves the store as it was before, with everything in it; where the
 * answer is not known the preparation stays and is finished at the next unlock.
 */
export const finishStaged = async (device: Device, staged: Staged): Promise<Result<void, Failure>> => {
  const transport = transportOf(device, staged.account.server.origin)
  const signer = requestSigner(
    device.ports,
    keyIdOf(staged.account.deviceId),
    "kf1-dev",
    secret<"AuthKey">(staged.authSeed),
  )
  const as = staged.session === undefined ? { signer } : { signer, session: staged.session }
  const route = staged.route === "signup.finish" ? "signup.finish" : "enrol.append"
  const sent = await transport.cbor(route, staged.body, as)
  if (!sent.ok) {
    if (!retryable(sent.error)) await dropStaged(device)
    return sent
  }
  if (route === "enrol.append") {
    const reply = accountAppendReplyStruct.decode(sent.value, 16 * 1024 * 1024)
    if (!reply.ok) return err({ code: "malformed" })
    if (reply.value.outcome !== PUSH_ACCEPTED) {
      await dropStaged(device)
      return err({
        code: reply.value.code !== undefined && isErrorCode(reply.value.code) ? reply.value.code : "revision-conflict",
      })
    }
  }
  return settle(device, staged)
}
