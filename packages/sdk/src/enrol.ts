import { err, formatId, type Result, ok } from "@keyferry/base"
import type { Failure } from "@keyferry/protocol"

import type { EnrolmentState } from "./api.ts"
import { type Device, transportOf } from "./device.ts"
import {
  currentEnrolment,
  type EnrolmentBox,
  mailState,
  newDeviceKeys,
  NO_MAIL,
  originOf,
  publicKeysOf,
  saveEnrolment,
  startOver,
} from "./enrolment.ts"
import { PURPOSE_LOGIN, STEP_CONFIRM, STEP_FACTOR, STEP_KEYS } from "./formats.ts"
import { signIn } from "./sign-in.ts"
import { readLease, serverOf } from "./signup.ts"
import { createLocalStore } from "./unlock.ts"
import { b64 } from "./wire.ts"

type Done<T> = Promise<Result<T, Failure>>

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
  const signedIn = await signIn(device, transport, server.value, {
    address: input.address,
    password: input.password,
    authPk: keys.authPk,
  })
  if (!signedIn.ok) return signedIn
  // The store of a new device opens with the account's password; on a device with a vault the old one stays until then.
  if (device.record === undefined) {
    const made = await createLocalStore(device, input.password)
    if (!made.ok) return made
  }
  await saveEnrolment(device, box, {
    purpose: PURPOSE_LOGIN,
    server: server.value,
    accountUuid: signedIn.value.accountUuid,
    accountId: signedIn.value.accountId,
    address: input.address,
    deviceName: input.deviceName,
    ...keys.secret,
    session: signedIn.value.session,
    step: STEP_FACTOR,
    factors: signedIn.value.factors,
    exportKey: signedIn.value.exportKey.reveal(),
    password: input.password,
    state: "signed-in",
    approver: false,
  })
  return currentEnrolment(box)
}

/** Raises the login by the second factor and asks for this device to be let in. */
export const secondFactor = async (
  device: Device,
  box: EnrolmentBox,
  { kind, code, mail }: { readonly kind: "totp" | "recovery-code"; readonly code: string; readonly mail: boolean },
): Done<EnrolmentState> => {
  const e = box.current
  if (e === undefined) return err({ code: "signed-out" })
  const transport = transportOf(device, e.server.origin)
  const raised = await transport.json(
    "login.second-factor",
    { kind, code: code.replace(/\s/g, "") },
    { session: e.session },
  )
  return raised.ok ? passed(device, box, raised.value.session.token, mail) : raised
}

/** The second factor was right: the session of level 2 is kept, and this device asks to be let in. */
export const passed = async (
  device: Device,
  box: EnrolmentBox,
  session: string,
  mail: boolean,
): Done<EnrolmentState> => {
  const e = box.current
  if (e === undefined) return err({ code: "signed-out" })
  await saveEnrolment(device, box, { ...e, session })
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
  await saveEnrolment(device, box, { ...e, session: asked.value.session.token })
  return startEnrolment(device, box)
}

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
  await saveEnrolment(device, box, {
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
  // Why the last link did not do is past.
  const { reason: _old, ...rest } = e
  await saveEnrolment(device, box, { ...rest, mail: reply.value.mail, mailedTo: reply.value.mailedTo })
  return ok({
    mail: mailState(reply.value.mail),
    mailedTo: reply.value.mailedTo,
    code: e.code ?? "",
    nextInS: reply.value.nextInS,
  })
}

/** Asks the server where the enrolment stands; the level rises here once the device is confirmed. */
export const confirmation = async (device: Device, box: EnrolmentBox): Done<EnrolmentState> => {
  const e = box.current
  if (e === undefined) return err({ code: "signed-out" })
  if (e.step === STEP_FACTOR) return currentEnrolment(box)
  const reply = await transportOf(device, e.server.origin).json("enrol.state", {}, { session: e.session })
  if (!reply.ok) return reply
  const { state, reason, session, approver } = reply.value
  const { reason: _old, ...rest } = e
  await saveEnrolment(device, box, {
    ...rest,
    state,
    approver,
    // The server tells of the account's newest mail, which was another device's where this one asked for none.
    mail: e.mail === NO_MAIL ? NO_MAIL : reply.value.mail,
    step: state === "confirmed" || state === "approved" ? STEP_KEYS : STEP_CONFIRM,
    session: session?.token ?? e.session,
    ...(reason === undefined ? {} : { reason }),
  })
  return currentEnrolment(box)
}
