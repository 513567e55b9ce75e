import { bytesToBase64url, bytesToHex, err, formatId, ok, parseId } from "@keyferry/base"

import type { Handler, Handlers } from "../execute.ts"
import { statement } from "../store/statement.ts"
import type { MainTables } from "../store/tables.ts"
import { denyDevice } from "./confirmation.ts"
import { lossAcceptedMs, lossNoteName } from "./losses.ts"
import { openKinds } from "./second-factor.ts"
import { readWaiting, THAW_SUBJECT } from "./waiting-period.ts"

type StatusRow = Pick<
  MainTables["account"],
  "frozen" | "sync_suspended" | "confirmed_ms" | "head_seq" | "head_hash" | "sealed_opaque_record"
> & {
  readonly kind: string | null
  readonly loss_note: Uint8Array | null
  readonly thaw_ready_ms: number | null
  readonly thaw_until_ms: number | null
  readonly reset_ready_ms: number | null
  readonly reset_until_ms: number | null
  readonly has_code: number | boolean
}

/** One row for each second factor, and one where there is none. One statement, so that all of it is of one moment. */
const statusOf = statement<"accountUuid" | "lossNote", StatusRow>((db, $) =>
  db
    .selectFrom("account as a")
    .leftJoin("factor as f", "f.account_uuid", "a.uuid")
    .leftJoin("meta as m", (on) => on.on("m.name", "=", $("lossNote")))
    .leftJoin("waiting_period as w", (on) =>
      on.onRef("w.account_uuid", "=", "a.uuid").on("w.what", "=", "thaw").on("w.subject", "=", THAW_SUBJECT),
    )
    .leftJoin("factor_reset as fr", "fr.account_uuid", "a.uuid")
    .select(["a.frozen", "a.sync_suspended", "a.confirmed_ms", "a.head_seq", "a.head_hash", "a.sealed_opaque_record"])
    .select(["f.kind", "m.value as loss_note", "w.ready_ms as thaw_ready_ms", "w.open_until_ms as thaw_until_ms"])
    .select(["fr.ready_ms as reset_ready_ms", "fr.open_until_ms as reset_until_ms"])
    .select((e) =>
      e
        .exists(
          e
            .selectFrom("recovery_code as r")
            .select("r.hash")
            .whereRef("r.account_uuid", "=", "a.uuid")
            .where("r.used_ms", "=", 0),
        )
        .as("has_code"),
    )
    .where("a.uuid", "=", $("accountUuid"))
    .orderBy("f.kind"),
)

/** What a device may know of its account without opening anything. */
const status: Handler<"account.status"> = async (ctx, { device }) => {
  const { accountUuid } = device
  const rows = await ctx.store.read((db) => statusOf.rows(db, { accountUuid, lossNote: lossNoteName(accountUuid) }))
  const [account] = rows
  const nowMs = ctx.clock.nowMs()
  const held = device.state === "lease-locked" ? await ctx.leases.attempts(device.deviceId) : undefined
  if (account === undefined || account.head_hash === null) return err({ code: "device-not-enrolled" })
  return ok({
    reply: {
      accountId: formatId("acc", device.accountId),
      state: device.state,
      frozen: account.frozen === 1,
      syncSuspended: account.sync_suspended === 1,
      factors: [
        ...openKinds(
          rows.flatMap(({ kind }) => kind ?? []),
          Boolean(account.has_code),
        ),
      ],
      confirmed: account.confirmed_ms !== 0,
      seq: account.head_seq,
      head: bytesToBase64url(account.head_hash),
      serverTimeMs: nowMs,
      ...(account.frozen === 0 || account.thaw_ready_ms === null || (account.thaw_until_ms ?? 0) <= nowMs
        ? {}
        : { thawAtMs: account.thaw_ready_ms }),
      ...(account.reset_ready_ms === null || (account.reset_until_ms ?? 0) <= nowMs
        ? {}
        : { factorResetAtMs: account.reset_ready_ms }),
      ...(account.sealed_opaque_record === null ? { passwordLost: true } : {}),
      ...(account.loss_note === null ? {} : { lossAcceptedAtMs: lossAcceptedMs(account.loss_note) }),
      ...(held === undefined ? {} : { leaseAttempt: held.attempts }),
    },
  })
}

/** Rows, not the chain: a client lists what the verified chain says and takes times and waiting devices from here. */
const list: Handler<"devices.list"> = async (ctx, { device }) => {
  const nowMs = ctx.clock.nowMs()
  const rows = await ctx.store.read((db) =>
    db
      .selectFrom("device")
      .select([
        "id",
        "state",
        "expires_ms",
        "platform",
        "created_ms",
        "last_seen_ms",
        "sig_pk",
        "kem_pk",
        "auth_pk",
        "lease_pk",
        "lease_id",
        "retire_seq",
        "retire_head",
        "retire_signature",
      ])
      .where("account_uuid", "=", device.accountUuid)
      .orderBy("created_ms")
      .execute(),
  )
  const resets = new Map<string, { readonly attempt: number; readonly readyAtMs: number }>()
  for (const { id } of rows) {
    const asked = { accountUuid: device.accountUuid, what: "lease-reset", subject: id } as const
    const waiting = await ctx.store.read((db) => readWaiting(db, asked))
    const held = waiting === undefined || waiting.open_until_ms <= nowMs ? undefined : await ctx.leases.attempts(id)
    if (waiting !== undefined && held !== undefined)
      resets.set(bytesToHex(id), { attempt: held.attempts, readyAtMs: waiting.ready_ms })
  }
  return ok({
    reply: {
      devices: rows.map((row) => ({
        deviceId: formatId("dev", row.id),
        state: row.expires_ms !== 0 && row.expires_ms <= nowMs ? "expired" : row.state,
        platform: row.platform,
        createdAtMs: row.created_ms,
        lastSeenMs: ctx.sightings.lastMs(row.id, row.last_seen_ms),
        sigPk: bytesToBase64url(row.sig_pk),
        kemPk: bytesToBase64url(row.kem_pk),
        authPk: bytesToBase64url(row.auth_pk),
        leasePk: bytesToBase64url(row.lease_pk),
        leaseId: formatId("lea", row.lease_id),
        ...resetField(resets.get(bytesToHex(row.id))),
        ...(row.retire_seq === null || row.retire_head === null || row.retire_signature === null
          ? {}
          : {
              retirement: {
                seq: row.retire_seq,
                head: bytesToBase64url(row.retire_head),
                signature: bytesToBase64url(row.retire_signature),
              },
            }),
      })),
    },
  })
}

const resetField = (leaseReset: { readonly attempt: number; readonly readyAtMs: number } | undefined) =>
  leaseReset === undefined ? {} : { leaseReset }

/** An active device says that a waiting one is nobody's. */
const deny: Handler<"devices.deny"> = async (ctx, { device }, body) => {
  const deviceId = parseId("dev", body.deviceId)
  if (!deviceId.ok) return err({ code: "malformed" })
  const denied = await denyDevice(ctx, { accountUuid: device.accountUuid, deviceId: deviceId.value }, device.deviceId)
  // To a device of the account it need not be neutral.
  return denied.ok ? ok({ reply: denied.value }) : err({ code: "not-found" })
}

export const statusHandlers = {
  "account.status": status,
  "devices.list": list,
  "devices.deny": deny,
} as const satisfies Partial<Handlers>
