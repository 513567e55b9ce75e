import { equalBytes, err, lp, ok } from "@keyferry/base"
import { activeDevices, hashAt, holderOf } from "@keyferry/chain"
import { type Primitives, verifyRetire } from "@keyferry/crypto"
import { type Failure, feedEventStruct } from "@keyferry/protocol"
import { rollBack } from "@keyferry/store"

import { deviceTombstones, IN_CHAIN_STATES, moveDevice } from "../accounts/devices.ts"
import { fieldBytes, type Handler } from "../execute.ts"

/** Stands where a removal names its link: no link says that a device left, its own signature does. */
export const retirementHash = (p: Primitives, signature: Uint8Array): Uint8Array =>
  p.sha256(lp("kf1/retirement", signature))

/**
 * A device leaves of its own will: its lease key is destroyed at once, its row is an end state, and its signature waits
 * for the removal link that another device signs on the strength of it.
 * Errors: malformed, signature-invalid, revision-conflict (a head that this account never had), device-is-last
 * Source   spec/leases.md LS12
 */
export const retireDevice: Handler<"device.retire"> = async (ctx, { device }, body) => {
  const head = fieldBytes(body.head, 32)
  const signature = fieldBytes(body.signature, 64)
  if (!head.ok || !signature.ok) return err({ code: "malformed" })
  const { accountUuid, accountId, deviceId, sigPk } = device
  const retirement = { uid: accountId, deviceId, seq: body.seq, head: head.value }
  if (!(await verifyRetire(ctx.primitives, sigPk, retirement, signature.value)))
    return err({ code: "signature-invalid" })
  const { value } = await ctx.change(async (change) => {
    const { tx } = change
    await change.lockAccount(accountUuid)
    const state = await ctx.accounts.read(tx, accountUuid)
    const known = state === undefined ? undefined : hashAt(state, body.seq)
    if (state === undefined || known === undefined || !equalBytes(known, head.value))
      return rollBack(err<Failure>({ code: "revision-conflict" }))
    const others = await tx
      .selectFrom("device")
      .select("id")
      .where("account_uuid", "=", accountUuid)
      .where("state", "in", [...IN_CHAIN_STATES])
      .where("id", "!=", deviceId)
      .limit(1)
      .execute()
    if (others.length === 0 && !body.lastDeviceConfirmed) return rollBack(err<Failure>({ code: "device-is-last" }))
    const holder = holderOf(state, deviceId)?.holder
    if (!(await moveDevice(tx, deviceId, IN_CHAIN_STATES, "retired", ctx.clock.nowMs())) || holder === undefined)
      return rollBack(err<Failure>({ code: "not-allowed" }))
    await tx
      .updateTable("device")
      .set({
        retire_seq: body.seq,
        retire_head: head.value,
        retire_signature: signature.value,
        sealed_factor_seed: null,
      })
      .where("id", "=", deviceId)
      .execute()
    await change.event({ accountUuid, accountId, deviceId, kind: "device-retired" })
    change.notify({
      accountUuid,
      by: deviceId,
      audience: activeDevices(state)
        .map((entry) => entry.holder.id)
        .filter((id) => !equalBytes(id, deviceId)),
      closed: [deviceId],
      event: (commit) => feedEventStruct.encode({ commit, accountLinks: [], vaults: [], notice: "device" }),
    })
    const { id, kemPk, authPk } = holder
    const tombstones = deviceTombstones(
      ctx.primitives,
      { id, sigPk: holder.sigPk, kemPk, ...(authPk === undefined ? {} : { authPk }) },
      retirementHash(ctx.primitives, signature.value),
    )
    await ctx.leases.kill([deviceId], tombstones)
    return ok(tombstones)
  })
  if (!value.ok) return value
  await ctx.leases.confirm(value.value)
  return ok({ reply: { state: "retired" } })
}
