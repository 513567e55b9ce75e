import {
  bool,
  bytesOf,
  bytesUpTo,
  type Field,
  listOf,
  optional,
  struct,
  textUpTo,
  tuple,
  type TypeOf,
  uint,
} from "@keyferry/base"

/*
 * The private contract between the server (who) and the strongroom (what is kept). Every call is idempotent by
 * (account, request id) or by its own state guard. The strongroom believes nothing here but the limits: whatever a
 * device asked for arrives as the bytes that the device signed.
 * Source: spec/strongroom.md
 */
const MAX_BODY = 5 * 1024 * 1024
const none = struct({})

/** A device's request exactly as it arrived. `headers` holds the covered ones and the two signature headers, lower case. */
export const signedRequest = struct({
  method: [1, textUpTo(8)],
  authority: [2, textUpTo(300)],
  path: [3, textUpTo(200)],
  query: [4, textUpTo(2000)],
  headers: [5, listOf(tuple(textUpTo(64), textUpTo(2000)), 16)],
  body: [6, bytesUpTo(MAX_BODY)],
})
export type SignedRequest = TypeOf<typeof signedRequest>

/** Values of the plan; 0 means without limit. */
export const limits = struct({ devices: [1, uint], items: [2, uint], bytes: [3, uint] })
export type Limits = TypeOf<typeof limits>

const deviceKeys = struct({
  deviceId: [1, bytesOf(16)],
  sigPk: [2, bytesOf(32)],
  kemPk: [3, bytesOf(1216)],
  authPk: [4, bytesOf(32)],
  platform: [5, textUpTo(64)],
})
const lease = struct({ leaseId: [1, bytesOf(16)], leasePk: [2, bytesOf(32)] })
const tokenHash = bytesOf(32)

/** Who signed, as `authenticate` answers it. */
export const actorStruct = struct({
  accountUuid: [1, textUpTo(64)],
  accountId: [2, bytesOf(32)],
  deviceId: [3, bytesOf(16)],
  state: [4, textUpTo(32)],
  /** Milliseconds; 0 for never. */
  lastFactorMs: [5, uint],
  lastPasswordMs: [6, uint],
})
export type AuthenticatedActor = TypeOf<typeof actorStruct>

/** An answer that the server passes on as it is. `code` is set where `status` is an error, from the one error table. */
export const executed = struct({
  status: [1, uint],
  contentType: [2, textUpTo(64)],
  body: [3, bytesUpTo(64 * 1024 * 1024)],
  code: [4, optional(textUpTo(64))],
  detail: [5, optional(textUpTo(300))],
  retryAfterS: [6, optional(uint)],
  /** The signing account and device, once the signature was good. */
  accountUuid: [7, optional(textUpTo(64))],
  deviceId: [8, optional(bytesOf(16))],
  /** Commit number of this request's own change, 0 for none: its notice is published before the answer is sent. */
  commit: [9, uint],
  /** Set with `clock-skew`: milliseconds since 1970. */
  serverTimeMs: [10, optional(uint)],
})
export type Executed = TypeOf<typeof executed>

/** A change of authority, in the order it was committed. `detail` is one public word or name; see spec/strongroom.md. */
export const eventStruct = struct({
  n: [1, uint],
  logId: [2, bytesOf(16)],
  atMs: [3, uint],
  accountUuid: [4, textUpTo(64)],
  kind: [5, textUpTo(64)],
  deviceId: [6, optional(bytesOf(16))],
  accountId: [7, optional(bytesOf(32))],
  detail: [8, optional(textUpTo(300))],
})
export type StrongroomEvent = TypeOf<typeof eventStruct>

/** Kinds of events. Each is applied by the server exactly once, by cursor. */
export const EVENT_KINDS = [
  "account-created",
  "account-deleted",
  "account-active",
  "device-pending",
  "device-confirmed",
  "device-rejected",
  "device-expired",
  "device-approved",
  "device-active",
  "device-lease-locked",
  "device-removed",
  "device-retired",
  "kit-replaced",
  "password-changed",
  "recovery-used",
  "key-rotated",
  "policy-changed",
  "factor-added",
  "factor-removed",
  "passkey-added",
  "passkey-removed",
  "passkey-copied",
  "passkey-slot-added",
  "passkey-slot-removed",
  "recovery-codes-made",
  "account-frozen",
  "account-thawed",
  "thaw-requested",
  "lease-reset-requested",
  "lease-reset-cancelled",
  "thaw-cancelled",
  "sync-suspended",
  "sync-resumed",
  "factor-reset-requested",
  "factor-reset-cancelled",
  "factor-attempts-exceeded",
  "loss-accepted",
] as const

/**
 * A commit, pushed to every connected server instance in commit order, never before it is durable.
 * `event` is the encoded feed event of packages/protocol; `audience` the devices that may see it.
 * `closed` names devices whose streams end before any later commit is published.
 */
export const noticeStruct = struct({
  commit: [1, uint],
  accountUuid: [2, textUpTo(64)],
  by: [3, optional(bytesOf(16))],
  audience: [4, listOf(bytesOf(16), 4096)],
  event: [5, bytesUpTo(MAX_BODY)],
  closed: [6, listOf(bytesOf(16), 256)],
  /** The event log grew: read it. */
  eventsTo: [7, uint],
})
export type CommitNotice = TypeOf<typeof noticeStruct>

const call = <P, R>(params: Field<P>, result: Field<R>) => ({ params, result })

export const calls = {
  hello: call(
    none,
    struct({
      deploymentId: [1, textUpTo(64)],
      opaquePk: [2, bytesUpTo(64)],
      leaseTokenPk: [3, bytesOf(32)],
      logId: [4, bytesOf(16)],
      accounts: [5, uint],
      version: [6, textUpTo(32)],
    }),
  ),
  health: call(none, struct({ kms: [1, bool], store: [2, bool], accounts: [3, uint], devices: [4, uint] })),
  /** Verifies the signature and executes the route named by method and path. */
  execute: call(
    struct({ request: [1, signedRequest], limits: [2, limits], origins: [3, listOf(textUpTo(300), 16)] }),
    executed,
  ),
  /** Verifies the signature for a route that the server itself carries out. Failures are call errors. */
  authenticate: call(struct({ request: [1, signedRequest], origins: [2, listOf(textUpTo(300), 16)] }), actorStruct),
  /** Events with n > after of this log, oldest first. */
  events: call(
    struct({ after: [1, uint], max: [2, uint] }),
    struct({ logId: [1, bytesOf(16)], events: [2, listOf(eventStruct, 10_000)] }),
  ),

  // ── signing up and in ──
  /** Reserves (device, lease key) for 30 minutes and answers the registration request. */
  registerStart: call(
    struct({ accountUuid: [1, textUpTo(64)], registrationRequest: [2, bytesUpTo(128)], device: [3, deviceKeys] }),
    struct({ registrationResponse: [1, bytesUpTo(256)], lease: [2, lease] }),
  ),
  /** An unknown address passes its stable pseudo UUID; the answer looks and takes the same. */
  loginStart: call(
    struct({ accountUuid: [1, textUpTo(64)], startLoginRequest: [2, bytesUpTo(256)] }),
    struct({ loginId: [1, textUpTo(64)], loginResponse: [2, bytesUpTo(1024)] }),
  ),
  loginFinish: call(
    struct({
      loginId: [1, textUpTo(64)],
      finishLoginRequest: [2, bytesUpTo(256)],
      authPk: [3, bytesOf(32)],
      binding: [4, bytesOf(32)],
    }),
    struct({ accountUuid: [1, textUpTo(64)], accountId: [2, bytesOf(32)], factors: [3, listOf(textUpTo(16), 8)] }),
  ),
  secondFactor: call(
    struct({ accountUuid: [1, textUpTo(64)], kind: [2, textUpTo(16)], code: [3, textUpTo(64)] }),
    none,
  ),
  /** A challenge for the second factor on the way in, and the passkeys that may answer it. */
  passkeyRequest: call(
    struct({ accountUuid: [1, textUpTo(64)], origins: [2, listOf(textUpTo(300), 16)] }),
    struct({
      challenge: [1, bytesOf(32)],
      rpId: [2, textUpTo(253)],
      credentials: [
        3,
        listOf(
          struct({
            id: [1, bytesUpTo(1023)],
            transports: [2, listOf(textUpTo(16), 8)],
            slotId: [3, optional(bytesOf(16))],
          }),
          64,
        ),
      ],
    }),
  ),
  /** The answer to it, as the JSON that the browser made. */
  secondFactorPasskey: call(
    struct({
      accountUuid: [1, textUpTo(64)],
      assertion: [2, textUpTo(16_384)],
      origins: [3, listOf(textUpTo(300), 16)],
    }),
    none,
  ),
  /** 72 hours; every active device and the mailbox are told, any device cancels. Answers the time from which level 2 is open. */
  factorReset: call(struct({ accountUuid: [1, textUpTo(64)] }), struct({ readyAtMs: [1, uint], open: [2, bool] })),
  recoveryStart: call(
    struct({ request: [1, signedRequest], origins: [2, listOf(textUpTo(300), 16)] }),
    struct({ accountUuid: [1, textUpTo(64)], accountId: [2, bytesOf(32)], factors: [3, listOf(textUpTo(16), 8)] }),
  ),

  // ── enrolling ──
  /** Makes a pending device, its lease reservation and its attempt; `tokenHash` is SHA-256 of the mailed token. */
  enrol: call(
    struct({ accountUuid: [1, textUpTo(64)], device: [2, deviceKeys], tokenHash: [3, tokenHash], limits: [4, limits] }),
    struct({ code: [1, textUpTo(6)], lease: [2, lease], expiresAtMs: [3, uint] }),
  ),
  /** A new mail: kills the older link, keeps the device's code unless `newCode`. */
  enrolMail: call(
    struct({ accountUuid: [1, textUpTo(64)], deviceId: [2, bytesOf(16)], tokenHash: [3, tokenHash] }),
    struct({ code: [1, textUpTo(6)] }),
  ),
  /** Whether a link of this waiting device is still good; its code then. Changes nothing. */
  enrolRunning: call(
    struct({ accountUuid: [1, textUpTo(64)], deviceId: [2, bytesOf(16)] }),
    struct({ code: [1, optional(textUpTo(6))] }),
  ),
  /** `reason` is one of the four verify-link codes, for the waiting device only. `approver`: an active device exists. */
  enrolState: call(
    struct({ accountUuid: [1, textUpTo(64)], deviceId: [2, bytesOf(16)] }),
    struct({ state: [1, textUpTo(32)], reason: [2, optional(textUpTo(64))], approver: [3, bool] }),
  ),
  confirmDescribe: call(
    struct({ tokenHash: [1, tokenHash] }),
    struct({ platform: [1, textUpTo(64)], requestedAtMs: [2, uint] }),
  ),
  confirmCode: call(
    struct({ tokenHash: [1, tokenHash], code: [2, textUpTo(16)] }),
    struct({ state: [1, textUpTo(32)] }),
  ),
  confirmDeny: call(struct({ tokenHash: [1, tokenHash] }), struct({ state: [1, textUpTo(32)] })),
  /** The first-account link stands for the mail: confirms a `pending-first` (or still reserved) device. */
  confirmFirst: call(struct({ accountUuid: [1, textUpTo(64)] }), struct({ state: [1, textUpTo(32)] })),
  /** By the link of a security mail, or by the operator. It only takes away; asked again it answers the same. */
  freeze: call(struct({ accountUuid: [1, textUpTo(64)], by: [2, textUpTo(16)] }), struct({ frozen: [1, bool] })),
  /** Somebody at level 2 without a device: 72 hours, told to the mailbox; asked after them it thaws. 0: nothing to wait for. */
  thawWait: call(struct({ accountUuid: [1, textUpTo(64)] }), struct({ frozen: [1, bool], readyAtMs: [2, uint] })),
  leaseReset: call(
    struct({
      accountUuid: [1, textUpTo(64)],
      deviceId: [2, bytesOf(16)],
      leaseId: [3, bytesOf(16)],
      attempt: [4, uint],
      slotId: [5, bytesOf(16)],
      signature: [6, bytesOf(64)],
      /** The key that the session was signed in with: it must be that of this device. */
      authPk: [7, bytesOf(32)],
    }),
    struct({ state: [1, textUpTo(32)] }),
  ),

  /** The same without a signature: 72 hours, told to everybody. `readyAtMs` 0: its lease is not locked. */
  leaseResetWait: call(
    struct({ accountUuid: [1, textUpTo(64)], deviceId: [2, bytesOf(16)], authPk: [3, bytesOf(32)] }),
    struct({ state: [1, textUpTo(32)], readyAtMs: [2, uint] }),
  ),

  // ── operator ──
  operatorConfirm: call(
    struct({ code: [1, textUpTo(6)] }),
    struct({ accountUuid: [1, textUpTo(64)], deviceId: [2, bytesOf(16)], state: [3, textUpTo(32)] }),
  ),
  operatorResetTwoFactor: call(struct({ accountUuid: [1, textUpTo(64)] }), struct({ openUntilMs: [1, uint] })),
  accounts: call(
    none,
    struct({
      accounts: [
        1,
        listOf(
          struct({
            accountUuid: [1, textUpTo(64)],
            accountId: [2, bytesOf(32)],
            devices: [3, uint],
            factors: [4, uint],
            createdAtMs: [5, uint],
            frozen: [6, bool],
            syncSuspended: [7, bool],
          }),
          100_000,
        ),
      ],
    }),
  ),
  /** Accounts that wait for a repair after a restore. A chain: ["account" or "vault", id, links kept for certain, links that are there]. */
  losses: call(
    none,
    struct({
      accounts: [
        1,
        listOf(
          struct({
            accountId: [1, bytesOf(32)],
            /** Absent: the restored store knows no such account. */
            accountUuid: [2, optional(textUpTo(64))],
            chains: [3, listOf(tuple(textUpTo(16), bytesOf(32), uint, uint), 1024)],
          }),
          100_000,
        ),
      ],
    }),
  ),
  /** What these chains have lost is given up. */
  acceptLoss: call(struct({ accountId: [1, bytesOf(32)] }), struct({ chains: [1, uint] })),
  /** Only an account that holds no vault. */
  /** A new key-encryption key for the outer layer, or the rest of a rotation that was cut off; the old key is destroyed. */
  rotateKek: call(none, struct({ rewrapped: [1, uint], destroyed: [2, uint] })),
  deleteAccount: call(struct({ accountUuid: [1, textUpTo(64)] }), none),
} as const

export type CallName = keyof typeof calls
export type CallParams<C extends CallName> = TypeOf<(typeof calls)[C]["params"]>
export type CallResult<C extends CallName> = TypeOf<(typeof calls)[C]["result"]>
