import { bytesToBase64url, err, ok, parseId, type Result, secret } from "@keyferry/base"
import { activeHolders, areSlotKeys, HOLDER_PASSKEY, type HolderEntry, holderOf, HOW_PASSKEY } from "@keyferry/chain"
import { deriveSlot, passkeyPrfInput } from "@keyferry/crypto"
import type { Failure, JsonReply, PasskeyAssertion } from "@keyferry/protocol"

import type { EnrolmentState } from "./api.ts"
import { type Device, transportOf } from "./device.ts"
import { passed } from "./enrol.ts"
import { readChain } from "./enrolment-chain.ts"
import { credentialsOf, type EnrolmentBox } from "./enrolment.ts"
import { STEP_KEYS } from "./formats.ts"
import { joinBySlot } from "./join-by-slot.ts"
import type { PasskeyAnswer, PasskeyQuestion } from "./passkey-port.ts"

/*
 * A passkey on the way in: as second factor, and as the slot that brings the keys. Source: spec/passkeys.md PK4, PK8–PK12
 */
type Done<T> = Promise<Result<T, Failure>>

/** Asks the host's authenticator. Errors: passkey-not-used, also where the host has none. */
export const askAuthenticator = async (device: Device, question: PasskeyQuestion): Done<PasskeyAnswer> => {
  const { passkeys } = device.ports
  if (passkeys === undefined) return err({ code: "passkey-not-used", detail: "This program reaches no passkeys." })
  if (question.credentials.length === 0)
    return err({ code: "passkey-not-used", detail: "The account has no passkey of this address." })
  const answer = await passkeys.get(question)
  return answer.ok ? answer : err({ code: "passkey-not-used" })
}

/** What goes to the server: the signed answer, and nothing that an extension gave. */
export const postable = ({ id, rawId, type, response }: PasskeyAssertion): PasskeyAssertion => ({
  id,
  rawId,
  type,
  response: {
    clientDataJSON: response.clientDataJSON,
    authenticatorData: response.authenticatorData,
    signature: response.signature,
    ...(response.userHandle === undefined ? {} : { userHandle: response.userHandle }),
  },
  clientExtensionResults: {},
})

/** The answer to a challenge of the server, which asks for no PRF. */
export const answerChallenge = async (device: Device, asked: JsonReply<"login.passkey">): Done<PasskeyAssertion> => {
  const answer = await askAuthenticator(device, {
    rpId: asked.rpId,
    challenge: asked.challenge,
    credentials: asked.credentials.map(({ id, transports }) => ({ id, transports })),
  })
  return answer.ok ? ok(postable(answer.value.assertion)) : answer
}

/** Raises the login by a passkey and asks for this device to be let in. */
export const loginPasskey = async (device: Device, box: EnrolmentBox, mail: boolean): Done<EnrolmentState> => {
  const e = box.current
  if (e === undefined) return err({ code: "signed-out" })
  const transport = transportOf(device, e.server.origin)
  const asked = await transport.json("login.passkey", {}, { session: e.session })
  if (!asked.ok) return asked
  const assertion = await answerChallenge(device, asked.value)
  if (!assertion.ok) return assertion
  const raised = await transport.json(
    "login.second-factor",
    { kind: "passkey", assertion: assertion.value },
    { session: e.session },
  )
  return raised.ok ? passed(device, box, raised.value.session.token, mail) : raised
}

/** Passkey slots of the verified chain that a passkey of this address is said to open. */
const slotsOf = (
  active: readonly HolderEntry[],
  credentials: JsonReply<"enrol.passkeys">["credentials"],
): readonly { readonly id: string; readonly transports: readonly string[]; readonly entry: HolderEntry }[] =>
  credentials.flatMap(({ id, transports, slotId }) => {
    const parsed = slotId === undefined ? undefined : parseId("slt", slotId)
    const entry =
      parsed?.ok === true
        ? active.find(({ holder }) => bytesToBase64url(holder.id) === bytesToBase64url(parsed.value))
        : undefined
    return entry === undefined ? [] : [{ id, transports, entry }]
  })

/**
 * The keys by a passkey. Which passkey opens which slot is the server's word; what its authenticator evaluates is made
 * here from the verified chain, and the keys must be those that countersigned the slot's own link. A wrong word gives
 * other keys, and those match nothing. Errors: passkey-cannot-unlock, passkey-not-used, those of `joinBySlot`
 */
export const finishWithPasskey = async (device: Device, box: EnrolmentBox): Done<void> => {
  const e = box.current
  if (e === undefined || e.password === undefined) return err({ code: "signed-out" })
  if (e.step !== STEP_KEYS) return err({ code: "device-not-verified" })
  const { primitives: p, random } = device.ports
  const chain = await readChain(device, e)
  if (!chain.ok) return chain
  const { state } = chain.value
  const known = await transportOf(device, e.server.origin).json("enrol.passkeys", {}, credentialsOf(device, e))
  if (!known.ok) return known
  const active = activeHolders(state).filter(({ holder }) => holder.kind === HOLDER_PASSKEY)
  const slots = slotsOf(active, known.value.credentials)
  if (slots.length === 0)
    return err({ code: "passkey-cannot-unlock", detail: "No passkey of this address opens the account." })
  const answer = await askAuthenticator(device, {
    rpId: known.value.rpId,
    // Nobody checks the signature: what proves this passkey is the key that it evaluates.
    challenge: bytesToBase64url(random.bytes(32)),
    credentials: slots.map(({ id, transports, entry }) => ({
      id,
      transports,
      prfInput: passkeyPrfInput(p, state.id, entry.holder.id),
    })),
  })
  if (!answer.ok) return answer
  const { prf, assertion } = answer.value
  const chosen = slots.find(({ id }) => id === assertion.id)
  const entry = chosen === undefined ? undefined : holderOf(state, chosen.entry.holder.id)
  if (prf === undefined || prf.length !== 32 || entry === undefined) return err({ code: "passkey-cannot-unlock" })
  const keys = await deriveSlot(p, secret<"SlotSecret">(prf), state.accountSalt, HOLDER_PASSKEY, entry.holder.id)
  if (!areSlotKeys(entry, keys))
    return err({ code: "passkey-cannot-unlock", detail: "Its key is not the one in the account's chain." })
  return joinBySlot(device, box, { ...e, password: e.password }, chain.value, {
    id: entry.holder.id,
    keys,
    how: HOW_PASSKEY,
  })
}
