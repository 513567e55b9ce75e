import { err, ok, type Result, type Secret, secret } from "@keyferry/base"
import { DEFAULT_POLICY } from "@keyferry/chain"
import { type DeviceSecret, kOff, unlockFactor } from "@keyferry/crypto"
import { decideOfflineUnlock, type LeaseTerms, limitTerms, noteTime } from "@keyferry/engine"
import type { Failure, LeaseToken } from "@keyferry/protocol"

import type { Device } from "./device.ts"
import { type AccountRecord, type GraceBundle, graceBundle } from "./formats.ts"
import { placeOf, readToken } from "./lease-token.ts"
import type { Row } from "./ports.ts"
import { openRow, sealRow } from "./sealing.ts"

/** What the token grants, cut to the account's signed policy; `undefined` where there is no grace. */
export const termsOf = (device: Device, token: LeaseToken): LeaseTerms | undefined =>
  limitTerms(
    {
      issuedAtMs: token.issuedAtS * 1000,
      expiresAtMs: token.graceS === 0 ? 0 : token.expiresAtS * 1000,
      maxOfflineUnlocks: token.maxOfflineUnlocks,
    },
    device.account?.policy ?? DEFAULT_POLICY,
  )

export const graceRow = async (device: Device, key: Secret<"OfflineKey">, bundle: GraceBundle): Promise<Row> => ({
  table: "bundle",
  key: "off",
  value: await sealRow(device.ports.primitives, device.ports.random, key, "bundle", "off", graceBundle.encode(bundle)),
})

/**
 * Opens the standard class without the server, inside the grace. The count is lowered before anything opens; an
 * expired bundle is taken out; a clock that went back closes it.
 */
export const openOffline = async (
  device: Device,
  password: string,
  d: DeviceSecret,
  account: AccountRecord,
  saltOff: Uint8Array,
): Promise<Result<void, Failure>> => {
  const { ports } = device
  const row = await ports.store.read("bundle", "off")
  if (row === undefined) return err({ code: "lease-expired" })
  const uOff = await unlockFactor(ports.primitives, password, saltOff)
  const key = await kOff(ports.primitives, uOff, d, saltOff, placeOf(account))
  const opened = await openRow(ports.primitives, key, "bundle", "off", row)
  if (!opened.ok) return err({ code: "wrong-password" })
  const bundle = graceBundle.decode(opened.value, 4096)
  if (!bundle.ok) return err({ code: "store-corrupt" })
  const token = await readToken(device, account, bundle.value.token)
  if (!token.ok) return token
  const terms = termsOf(device, token.value)
  const clock = { highWaterMs: bundle.value.highWaterMs, unlocksLeft: bundle.value.unlocks }
  const decided =
    terms === undefined
      ? ({ decision: "wipe", code: "lease-expired" } as const)
      : decideOfflineUnlock(terms, clock, ports.clock.nowMs())
  if (decided.decision === "wipe") await ports.store.write([{ table: "bundle", key: "off" }])
  if (decided.decision !== "open" || terms === undefined)
    return err({ code: decided.decision === "open" ? "lease-expired" : decided.code })
  await ports.store.write([
    await graceRow(device, key, {
      ...bundle.value,
      highWaterMs: decided.clock.highWaterMs,
      unlocks: decided.clock.unlocksLeft,
    }),
  ])
  device.local = { standard: secret<"StandardKey">(bundle.value.standardKey) }
  device.grace = { key, untilMs: terms.expiresAtMs }
  return ok(undefined)
}

/** Raises the mark in the grace bundle to now, so that a clock that is set back later is noticed. Only while open. */
export const noteGraceTime = async (device: Device): Promise<void> => {
  const { ports } = device
  const key = device.full?.offlineKey ?? device.grace?.key
  const row = key === undefined ? undefined : await ports.store.read("bundle", "off")
  if (key === undefined || row === undefined) return
  const opened = await openRow(ports.primitives, key, "bundle", "off", row)
  const bundle = opened.ok ? graceBundle.decode(opened.value, 4096) : opened
  if (!bundle.ok) return
  const before = { highWaterMs: bundle.value.highWaterMs, unlocksLeft: bundle.value.unlocks }
  const { highWaterMs } = noteTime(before, ports.clock.nowMs())
  if (highWaterMs !== before.highWaterMs)
    await ports.store.write([await graceRow(device, key, { ...bundle.value, highWaterMs })])
}
