import { bytesToBase64url, bytesToHex, err, formatId, ok, parseId, type Result, secret } from "@keyferry/base"
import {
  ACCOUNT_HOLDER_ADD,
  accountPayload,
  activeHolders,
  countersignPayload,
  encodeLink,
  HOLDER_PASSKEY,
  type Holder,
  holderAddStruct,
  HOW_DEVICE,
  newestAccountKey,
  REASON_REPLACED,
  signPayload,
  verifyAccountLink,
} from "@keyferry/chain"
import { deriveSlot, passkeyPrfInput, type SlotKeys, wrapsHash } from "@keyferry/crypto"
import {
  accountAppendReplyStruct,
  accountAppendStruct,
  type ErrorCode,
  type Failure,
  isErrorCode,
  type JsonReply,
  PUSH_ACCEPTED,
} from "@keyferry/protocol"

import { checkAccountPassword } from "./account-calls.ts"
import { deviceCalls } from "./device-calls.ts"
import { encodeWraps, nextPlace, slotSigner, wrapSeed } from "./account-keys.ts"
import type { PasskeyInfo } from "./api.ts"
import type { Device } from "./device.ts"
import { answerChallenge, askAuthenticator } from "./passkey-login.ts"
import type { PasskeyMade } from "./passkey-port.ts"
import { removeHolders } from "./remove-holders.ts"
import { acceptAccount } from "./sync-account.ts"
import { syncScope } from "./sync-exchange.ts"
import { syncNow } from "./sync.ts"
import { linkSigner } from "./vault.ts"

/*
 * Passkeys, as a device of the chain lists, adds and removes them. Source: spec/passkeys.md
 */
type Done<T> = Promise<Result<T, Failure>>
const ZERO32 = new Uint8Array(32)

/** A passkey as the server knows it, and what the verified chain says of its slot. Slots that no passkey is left for come last. */
export const listPasskeys = async (device: Device): Done<readonly PasskeyInfo[]> => {
  const calls = await deviceCalls(device)
  if (!calls.ok) return calls
  const served = await calls.value.transport.json("passkeys.list", {}, calls.value.as)
  if (!served.ok) return served
  const slots = new Set(activeSlots(device).map((id) => formatId("slt", id)))
  const { rpId, passkeys } = served.value
  const known = passkeys.map((one) => describe(one, rpId, slots))
  const named = new Set<string>(passkeys.flatMap(({ slotId }) => (slotId === undefined ? [] : [slotId])))
  const orphans = [...slots].filter((id) => !named.has(id))
  return ok([...known, ...orphans.map(orphan)])
}

const describe = (
  one: JsonReply<"passkeys.list">["passkeys"][number],
  rpId: string,
  slots: ReadonlySet<string>,
): PasskeyInfo => ({
  id: one.id,
  label: one.label,
  signsIn: true,
  unlocks: one.slotId !== undefined && slots.has(one.slotId),
  address: one.rpId,
  here: one.rpId === rpId,
  backedUp: one.backedUp,
  createdAtMs: one.createdAtMs,
  lastUsedAtMs: one.lastUsedAtMs,
})

const orphan = (id: string): PasskeyInfo => ({
  id,
  label: "",
  signsIn: false,
  unlocks: true,
  address: "",
  here: false,
  backedUp: false,
  createdAtMs: 0,
  lastUsedAtMs: 0,
})

const activeSlots = (device: Device): readonly Uint8Array[] =>
  device.account === undefined
    ? []
    : activeHolders(device.account)
        .filter(({ holder }) => holder.kind === HOLDER_PASSKEY)
        .map(({ holder }) => holder.id)

/**
 * Makes a passkey, registers it as a second factor, and where its authenticator evaluates PRF adds its slot to the
 * account. `cannotUnlock` says why it signs in only. Errors: passkey-not-used, second-factor-needed, wrong-credentials
 */
export const addPasskey = async (
  device: Device,
  { label, password }: { readonly label: string; readonly password: string },
): Done<{ readonly id: string; readonly unlocks: boolean; readonly cannotUnlock?: ErrorCode }> => {
  const { passkeys, primitives: p, random } = device.ports
  if (passkeys === undefined) return err({ code: "passkey-not-used", detail: "This program reaches no passkeys." })
  const scope = syncScope(device)
  if (!scope.ok) return scope
  const calls = await deviceCalls(device)
  if (!calls.ok) return calls
  const { transport, as, account: record } = calls.value
  const checked = await checkAccountPassword(device, password)
  if (!checked.ok) return checked
  const started = await transport.json("passkeys.start", {}, as)
  if (!started.ok) return started
  const { rpId, challenge, userHandle, credentials } = started.value
  const slotId = random.bytes(16)
  const prfInput = passkeyPrfInput(p, scope.value.account.id, slotId)
  const made = await passkeys.create({
    rpId,
    rpName: "Keyferry",
    challenge,
    user: { handle: userHandle, name: record.address },
    exclude: credentials.map(({ id, transports }) => ({ id, transports })),
    prfInput,
  })
  if (!made.ok) return err({ code: "passkey-not-used" })
  const { credential, prfEnabled } = made.value
  const registered = await transport.json(
    "passkeys.finish",
    {
      label,
      credential: postableCredential(credential),
      ...(prfEnabled ? { slotId: formatId("slt", slotId) } : {}),
    },
    as,
  )
  if (!registered.ok) return registered
  device.changed()
  const { id } = credential
  if (!prfEnabled) return ok({ id, unlocks: false, cannotUnlock: "passkey-cannot-unlock" })
  const evaluated = await evaluate(device, made.value, { rpId, prfInput })
  const added = evaluated.ok ? await addSlot(device, slotId, evaluated.value) : evaluated
  return added.ok ? ok({ id, unlocks: true }) : ok({ id, unlocks: false, cannotUnlock: added.error.code })
}

const postableCredential = ({ id, rawId, type, response }: PasskeyMade["credential"]): PasskeyMade["credential"] => ({
  id,
  rawId,
  type,
  response: {
    clientDataJSON: response.clientDataJSON,
    attestationObject: response.attestationObject,
    ...(response.transports === undefined ? {} : { transports: response.transports }),
  },
  clientExtensionResults: {},
})

/** Many authenticators evaluate only when asked, so the new passkey is asked once. */
const evaluate = async (
  device: Device,
  made: PasskeyMade,
  { rpId, prfInput }: { readonly rpId: string; readonly prfInput: Uint8Array },
): Done<Uint8Array> => {
  if (made.prf !== undefined) return made.prf.length === 32 ? ok(made.prf) : err({ code: "passkey-cannot-unlock" })
  const { credential } = made
  const answer = await askAuthenticator(device, {
    rpId,
    challenge: bytesToBase64url(device.ports.random.bytes(32)),
    credentials: [{ id: credential.id, transports: credential.response.transports ?? [], prfInput }],
  })
  if (!answer.ok) return answer
  const { prf } = answer.value
  return prf?.length === 32 ? ok(prf) : err({ code: "passkey-cannot-unlock" })
}

const addSlot = async (device: Device, slotId: Uint8Array, prf: Uint8Array): Done<void> => {
  const first = device.account
  if (first === undefined) return err({ code: "sync-not-enabled-here" })
  const keys = await deriveSlot(
    device.ports.primitives,
    secret<"SlotSecret">(prf),
    first.accountSalt,
    HOLDER_PASSKEY,
    slotId,
  )
  const holder: Holder = { id: slotId, kind: HOLDER_PASSKEY, sigPk: keys.sigPk, kemPk: keys.kemPk }
  const added = await appendSlot(device, holder, keys)
  if (added.ok || added.error.code !== "revision-conflict") return added
  // The account moved on meanwhile: once more, after what came before.
  const synced = await syncNow(device)
  return synced.ok ? appendSlot(device, holder, keys) : synced
}

const appendSlot = async (device: Device, holder: Holder, keys: SlotKeys): Done<void> => {
  const scope = syncScope(device)
  if (!scope.ok) return scope
  const calls = await deviceCalls(device)
  if (!calls.ok) return calls
  const { account, record, full } = scope.value
  const { primitives: p, clock } = device.ports
  const { epoch } = newestAccountKey(account)
  const seed = full.accountSeeds.get(epoch)
  if (seed === undefined) return err({ code: "key-not-trusted" })
  const wrap = await wrapSeed(device, seed, epoch, nextPlace(account, record.deviceId), holder)
  const payload = accountPayload(
    account,
    ACCOUNT_HOLDER_ADD,
    holderAddStruct,
    { holder, how: HOW_DEVICE, transcript: ZERO32, wrapsHash: wrapsHash(p, [wrap]) },
    { byHolder: record.deviceId, ts: clock.nowMs() },
  )
  const slot = slotSigner(device, { id: holder.id, sigSeed: keys.sigSeed })
  const link = await signPayload(linkSigner(device, full, record.deviceId), payload, [
    await countersignPayload(slot, payload),
  ])
  const next = await verifyAccountLink(p, account, link)
  if (!next.ok) return err({ code: "not-allowed", detail: `Reason: ${next.error.code}.` })
  const body = accountAppendStruct.encode({ link: encodeLink(link), wraps: [...encodeWraps([wrap])], rotations: [] })
  const sent = await calls.value.transport.cbor("account.append", body, calls.value.as)
  if (!sent.ok) return sent
  const reply = accountAppendReplyStruct.decode(sent.value, 16 * 1024 * 1024)
  if (!reply.ok) return err({ code: "malformed" })
  const { outcome, code } = reply.value
  if (outcome !== PUSH_ACCEPTED)
    return err({ code: code !== undefined && isErrorCode(code) ? code : "revision-conflict" })
  return acceptAccount(device, next.value, [...device.links, encodeLink(link)])
}

/**
 * Takes a passkey away: first the server's half, which may refuse, then its slot by a link with a new account key. A slot
 * that is left over stands in the list and is removed by its own id.
 * Errors: wrong-credentials, second-factor-needed, two-factor-disable-blocked, not-found
 */
export const removePasskey = async (
  device: Device,
  { id, password }: { readonly id: string; readonly password: string },
): Done<void> => {
  const scope = syncScope(device)
  if (!scope.ok) return scope
  const calls = await deviceCalls(device)
  if (!calls.ok) return calls
  const { transport, as } = calls.value
  const checked = await checkAccountPassword(device, password)
  if (!checked.ok) return checked
  const lone = parseId("slt", id)
  if (lone.ok) return removeSlot(device, lone.value)
  const served = await transport.json("passkeys.list", {}, as)
  if (!served.ok) return served
  const found = served.value.passkeys.find((one) => one.id === id)
  if (found === undefined) return err({ code: "not-found" })
  const removed = await transport.json("passkeys.remove", { id }, as)
  if (!removed.ok) return removed
  device.changed()
  const slotId = found.slotId === undefined ? undefined : parseId("slt", found.slotId)
  return slotId?.ok === true && isActive(device, slotId.value) ? removeSlot(device, slotId.value) : ok(undefined)
}

const isActive = (device: Device, slotId: Uint8Array): boolean =>
  activeSlots(device).some((id) => bytesToHex(id) === bytesToHex(slotId))

const removeSlot = async (device: Device, slotId: Uint8Array): Done<void> => {
  if (!isActive(device, slotId)) return err({ code: "not-found" })
  const remove = () => removeHolders(device, { ids: [slotId], reason: REASON_REPLACED })
  const first = await remove()
  // The account had moved on, and was read again meanwhile.
  const done = !first.ok && first.error.code === "revision-conflict" ? await remove() : first
  if (!done.ok) return done
  if (done.value < device.vaults.size) await syncNow(device)
  device.changed()
  return ok(undefined)
}

/** Makes the second factor of this device fresh for five minutes. Errors: passkey-not-used, second-factor-wrong, passkey-copied */
export const checkPasskey = async (device: Device): Done<void> => {
  const calls = await deviceCalls(device)
  if (!calls.ok) return calls
  const { transport, as } = calls.value
  const asked = await transport.json("passkeys.challenge", {}, as)
  if (!asked.ok) return asked
  const assertion = await answerChallenge(device, asked.value)
  if (!assertion.ok) return assertion
  const done = await transport.json("two-factor.check", { kind: "passkey", assertion: assertion.value }, as)
  return done.ok ? ok(undefined) : done
}
