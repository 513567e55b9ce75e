import { err, ok, type Result } from "@keyferry/base"
import {
  ACCOUNT_POLICY_SET,
  accountPayload,
  DEFAULT_POLICY,
  encodeLink,
  policySetStruct,
  signPayload,
  verifyAccountLink,
} from "@keyferry/chain"
import {
  accountAppendReplyStruct,
  accountAppendStruct,
  type Failure,
  isErrorCode,
  PUSH_ACCEPTED,
} from "@keyferry/protocol"

import { deviceCalls } from "./device-calls.ts"
import { slotSigner } from "./account-keys.ts"
import type { AccountPolicy } from "./api.ts"
import type { Device } from "./device.ts"
import { acceptAccount } from "./sync-account.ts"
import { syncScope } from "./sync-exchange.ts"
import { isFreshPassword, limitUnlocked } from "./open-time.ts"
import { renewLease } from "./lease.ts"

type Done<T> = Promise<Result<T, Failure>>

/** The rules that a device of the account signed, as this device has verified them. Errors: sync-not-enabled-here */
export const accountPolicy = (device: Device): Result<AccountPolicy, Failure> => {
  if (device.record?.account === undefined)
    return err({ code: "sync-not-enabled-here", detail: "This device has no account." })
  const { graceMaxS, requireDeviceApproval, reloginMaxS, unlockMaxS } = device.account?.policy ?? DEFAULT_POLICY
  return ok({ graceMaxS, requireDeviceApproval, reloginMaxS, unlockMaxS })
}

/**
 * One signed link; every device and the strongroom hold to it. What is left out stays.
 * Errors: reauth-required (the password of this device within five minutes), usage-wrong, revision-conflict
 */
export const setAccountPolicy = async (device: Device, change: Partial<AccountPolicy>): Done<AccountPolicy> => {
  const scope = syncScope(device)
  if (!scope.ok) return scope
  if (!isFreshPassword(device))
    return err({ code: "reauth-required", detail: "This needs the password of this device within five minutes." })
  const { account, record, full } = scope.value
  const payload = accountPayload(
    account,
    ACCOUNT_POLICY_SET,
    policySetStruct,
    { ...account.policy, ...change },
    { byHolder: record.deviceId, ts: device.ports.clock.nowMs() },
  )
  const link = await signPayload(slotSigner(device, { id: record.deviceId, sigSeed: full.sigSeed }), payload)
  const next = await verifyAccountLink(device.ports.primitives, account, link)
  if (!next.ok)
    return err({ code: "usage-wrong", detail: "Grace has 0 to 7 days; the other times are longer than nothing." })
  const calls = await deviceCalls(device)
  if (!calls.ok) return calls
  const body = accountAppendStruct.encode({ link: encodeLink(link), wraps: [], rotations: [] })
  const sent = await calls.value.transport.cbor("account.append", body, calls.value.as)
  if (!sent.ok) return sent
  const reply = accountAppendReplyStruct.decode(sent.value, 16 * 1024 * 1024)
  if (!reply.ok) return err({ code: "malformed" })
  const { outcome, code } = reply.value
  if (outcome !== PUSH_ACCEPTED)
    return err({ code: code !== undefined && isErrorCode(code) ? code : "revision-conflict" })
  const accepted = await acceptAccount(device, next.value, [...device.links, encodeLink(link)])
  if (!accepted.ok) return accepted
  limitUnlocked(device)
  // The grace that lies on this disk is one of the older rules until the next answer.
  const renewed = await renewLease(device)
  if (!renewed.ok) return renewed
  device.changed()
  return accountPolicy(device)
}
