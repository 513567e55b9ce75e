import type { Result } from "@keyferry/base"
import type { ErrorCode, Failure } from "@keyferry/protocol"
import type { RepairReport } from "./repair.ts"
import type { Taken } from "./take-server.ts"

/*
 * What an app sees of Keyferry on one device and one profile. Everything returns a `Result` with a code of the one
 * error table. Nothing here prints, asks or keeps a password.
 */
export type Outcome<T> = Promise<Result<T, Failure>>

export type SyncPolicy = "synced" | "local-only"
export type ItemClass = "strict" | "standard"

export type { RepairReport, VaultRepair } from "./repair.ts"
export type { Taken } from "./take-server.ts"

export interface ItemSummary {
  /** itm_… */
  readonly id: string
  readonly vault: string
  readonly kind: string
  readonly title: string
  /** One line that never holds a secret. */
  readonly summary: string
  readonly tags: readonly string[]
  readonly policy: SyncPolicy
  readonly class: ItemClass
  readonly rev: number
  readonly updatedAtMs: number
  /** `synced` here and at the server, `waiting` to be sent, `local` by choice. What is strict is in no list while it is closed. */
  readonly custody: "synced" | "waiting" | "local"
  readonly conflicts: number
  readonly deletedAtMs?: number
}

export interface FieldValue {
  readonly name: string
  readonly value: string
  readonly secret: boolean
}

export interface ItemView extends ItemSummary {
  readonly fields: readonly FieldValue[]
  readonly createdAtMs: number
  /** Values of a conflict that did not win, newest last. */
  readonly alternatives: readonly {
    readonly field: string
    readonly value: string
    readonly deviceId: string
    readonly rev: number
  }[]
}

export interface ItemInput {
  readonly kind: string
  readonly title: string
  readonly fields: readonly FieldValue[]
  readonly tags?: readonly string[]
  readonly vault?: string
  readonly policy?: SyncPolicy
  readonly class?: ItemClass
}

export interface ItemChange {
  readonly title?: string
  readonly tags?: readonly string[]
  /** A value of `null` takes the field out. */
  readonly fields?: readonly { readonly name: string; readonly value: string | null; readonly secret?: boolean }[]
  readonly class?: ItemClass
}

/** What was typed into an editor and not saved: only what differs from the item. A value of `null`: the field was taken out. */
export interface ItemDraft {
  readonly title?: string
  readonly tags?: string
  readonly values: Readonly<Record<string, string | null>>
}

export interface Revision {
  readonly rev: number
  readonly atMs: number
  readonly deviceId: string
  readonly title: string
  readonly fields: readonly FieldValue[]
  /** Values that stood beside them until a person chose. */
  readonly alternatives?: readonly { readonly field: string; readonly value: string }[]
}

export interface Progress {
  readonly step: "uploading" | "retrieving" | "opening" | "importing" | "rotating"
  readonly done: number
  readonly total: number
}
export type OnProgress = (progress: Progress) => void

export interface DeviceInfo {
  readonly id: string
  readonly name: string
  readonly platform: string
  /** From the verified chain where the device is in it; `pending` and `confirmed` come from the server's list. */
  readonly state: string
  readonly isThis: boolean
  readonly how: "first" | "device" | "kit" | "passkey" | "recovery" | "none"
  readonly addedAtMs: number
  readonly lastSeenMs: number
  /** Locked out, signed in again, and waiting to be opened; it opens by itself at this time. */
  readonly leaseResetAtMs?: number
  /** Its rescue file still opens with a kit that was replaced, as far as it said: until it is unlocked and in step again. */
  readonly oldKit: boolean
}

/** What a removed device could read, worst first. */
export interface RotationEntry {
  readonly itemId: string
  readonly kind: string
  readonly title: string
  readonly harm: "withdraws" | "trades" | "signs-in" | "reads" | "other"
  readonly why: string
  readonly doneAtMs?: number
}

export interface Status {
  readonly mode: "none" | "local" | "account"
  readonly lock: "locked" | "unlocked" | "standard-only" | "no-vault"
  readonly lockCode?: ErrorCode
  readonly unlockedUntilMs?: number
  readonly account?: {
    readonly id: string
    readonly digits: string
    readonly address: string
    readonly server: string
    readonly serverWords: string
    readonly deviceId: string
    readonly deviceName: string
    readonly deviceState: string
    readonly factors: readonly string[]
    readonly frozen: boolean
    /** Somebody asked to thaw it without a second factor; from then on they may. */
    readonly thawAtMs?: number
    /** Somebody with the password or the kit asked to get in without a second factor; from then on they may. */
    readonly factorResetAtMs?: number
    readonly syncSuspended: boolean
    /** This device made the kit that counts, and nobody proved here that it can be read. Known while it is open. */
    readonly kitUnchecked?: true
  }
  /** An enrolment or a recovery that is under way on this device. */
  readonly enrolment?: EnrolmentState
  /** One is, and it lies sealed: unlocking goes on with it. */
  readonly joining?: true
  readonly sync: {
    readonly on: boolean
    readonly state: "off" | "up-to-date" | "working" | "waiting" | "offline" | "refused" | "frozen" | "busy"
    readonly code?: ErrorCode
    readonly detail?: string
    readonly lastSyncMs?: number
    readonly waiting: number
    readonly conflicts: number
    readonly synced: number
    readonly localOnly: number
    /** The first read of what other devices sync: under way, or paused by the person. Absent when all of it is here. */
    readonly retrieve?: { readonly done: number; readonly total: number; readonly paused: boolean }
    /** New items are synced without asking. */
    readonly autoNew: boolean
    /** The vault's switch for credentials. */
    readonly credentials: boolean
    /** Vaults whose key was not changed for a day after a removal: they take no new strict items. */
    readonly rotationOverdue?: number
  }
  readonly lastContactMs?: number
  readonly graceUntilMs?: number
}

export interface EnrolmentState {
  readonly purpose: "login" | "recovery"
  readonly step: "second-factor" | "confirm" | "keys" | "done"
  readonly address: string
  readonly server: string
  readonly state: string
  /** Six digits, shown on this device only. */
  readonly code?: string
  readonly mailedTo?: string
  readonly mail?: "queued" | "off" | "failed"
  readonly reason?: ErrorCode
  /** A recovery that knows its new password already. */
  readonly passwordChosen?: boolean
  /** Another active device exists that may approve this one. */
  readonly approver: boolean
  readonly factors: readonly string[]
}

/** A passkey of the account. Two badges: `signsIn`, and `unlocks` where it also brings the keys to a new device. */
export interface PasskeyInfo {
  /** The credential's id; `slt_…` for a slot of the account that no passkey is left for. */
  readonly id: string
  readonly label: string
  readonly signsIn: boolean
  readonly unlocks: boolean
  /** The address that it belongs to; it works nowhere else. */
  readonly address: string
  /** Whether that is this server's address now. */
  readonly here: boolean
  /** Kept by a service that copies it to other devices. */
  readonly backedUp: boolean
  readonly createdAtMs: number
  /** 0: never. */
  readonly lastUsedAtMs: number
}

/** One line of the server's log of the account. It knows ids, never what is inside a vault. */
export interface AccountLogLine {
  readonly atMs: number
  /** What happened, such as `device-approved`; a newer server may know more kinds. */
  readonly kind: string
  readonly deviceId?: string
  readonly detail?: string
}

/** Rules of the account, signed by one of its devices and kept by all of them and the strongroom. Seconds. */
export interface AccountPolicy {
  /** How long standard items open without the server; 0 to seven days. */
  readonly graceMaxS: number
  /** New devices come in by approval of another device only; never by the kit. */
  readonly requireDeviceApproval: boolean
  /** After this time a device gives its second factor again. */
  readonly reloginMaxS: number
  /** How long a device stays open at most. */
  readonly unlockMaxS: number
}

export interface Kit {
  readonly code: string
  readonly accountDigits: string
  readonly serverWords: string
  readonly address: string
  readonly server: string
}

/** What became of an archive's items. Items are named with their ids, for a person to find them. */
export interface ImportReport {
  readonly added: number
  /** Left out because they are here already. */
  readonly skipped: number
  /** Those of them that are here with other contents, which stayed as they are. */
  readonly different: readonly string[]
  readonly refused: readonly string[]
}

export interface Keyferry {
  /** `fresh` asks the server for what only it knows: factors, device state, frozen. */
  readonly status: (options?: { readonly fresh?: boolean }) => Promise<Status>
  /** Fires after every change of items or status; the app asks again for what it shows. */
  readonly onChange: (listener: () => void) => () => void

  // ── this device's store ──
  readonly createLocal: (password: string) => Outcome<void>
  readonly unlock: (password: string) => Outcome<{ readonly lock: Status["lock"]; readonly notice?: ErrorCode }>
  readonly lock: () => Promise<void>
  /** Checks the password again, for actions that want it fresh (five minutes). */
  readonly confirmPassword: (password: string) => Outcome<void>
  readonly close: () => Promise<void>

  // ── items ──
  readonly list: () => Outcome<readonly ItemSummary[]>
  readonly bin: () => Outcome<readonly ItemSummary[]>
  readonly get: (id: string) => Outcome<ItemView>
  readonly add: (input: ItemInput) => Outcome<ItemSummary>
  /** Many at once, one durable write; used by imports. */
  readonly addMany: (inputs: readonly ItemInput[], onProgress?: OnProgress) => Outcome<readonly ItemSummary[]>
  readonly edit: (id: string, change: ItemChange) => Outcome<ItemSummary>
  /**
   * The unsaved draft of an item, or of `new:<kind>`. It lies sealed in this device's store under the key of the item's class, and
   * goes nowhere else; thirty days.
   */
  readonly draft: (of: string) => Outcome<ItemDraft | undefined>
  /** `null` forgets it. Errors: too-large */
  readonly keepDraft: (of: string, draft: ItemDraft | null) => Outcome<void>
  readonly remove: (id: string) => Outcome<void>
  readonly restore: (id: string, rev?: number) => Outcome<ItemSummary>
  readonly history: (id: string) => Outcome<readonly Revision[]>
  readonly resolve: (id: string, field: string, take: "current" | number) => Outcome<ItemSummary>
  readonly setPolicy: (ids: readonly string[], policy: SyncPolicy, elsewhere?: "keep" | "delete") => Outcome<void>
  readonly setClass: (ids: readonly string[], itemClass: ItemClass) => Outcome<void>
  /** The vault's switch for all credentials, and whether new items sync by themselves. */
  readonly setCredentialSync: (on: boolean, elsewhere?: "keep" | "delete") => Outcome<{ readonly items: number }>
  readonly setAutomaticSync: (on: boolean) => Outcome<void>

  // ── account ──
  readonly signUp: (input: {
    readonly link: string
    readonly address: string
    readonly password: string
    readonly deviceName: string
  }) => Outcome<Kit>
  readonly loginStart: (input: {
    readonly server: string
    readonly address: string
    readonly password: string
    readonly deviceName: string
  }) => Outcome<EnrolmentState>
  /** `mail` false: another device will approve this one, so no link is mailed unless `requestMail` asks for it. */
  readonly loginSecondFactor: (kind: "totp" | "recovery-code", code: string, mail?: boolean) => Outcome<EnrolmentState>
  /** The second factor by a passkey, of the host's `passkeys` port. Also in a recovery. */
  readonly loginPasskey: (mail?: boolean) => Outcome<EnrolmentState>
  /** Without the second factor: 72 hours, in which every device and the mailbox are told and any device can stop it. */
  readonly loginFactorLost: () => Outcome<EnrolmentState>
  /** On a device of the account: stops somebody's wait to get in without the second factor. */
  readonly stopFactorReset: () => Outcome<{ readonly cancelled: boolean }>
  /**
   * Asks the server for a mail with a link; also on a first device that waits. There, `running` goes on with a link that is still
   * good: nothing is mailed then, and its code is answered.
   */
  readonly requestMail: (options?: { readonly running?: boolean }) => Outcome<{
    readonly mail: "queued" | "off" | "failed"
    readonly mailedTo: string
    readonly code: string
    readonly nextInS: number
  }>
  readonly confirmation: () => Outcome<EnrolmentState>
  readonly finishWithKit: (kitCode: string) => Outcome<void>
  /** The keys by a passkey that unlocks: no kit needed. Not where the policy asks for approval by a device. */
  readonly finishWithPasskey: () => Outcome<void>
  /** The text for this device's QR code, as soon as it waits: it can be shown before any other device answers. No secret. */
  readonly approvalScan: () => Outcome<{ readonly text: string }>
  /**
   * Starts the approval; resolves when an active device answered, with the three words to read out. `scan` is the text of
   * the QR code that stands for them. Called again it begins anew: earlier words are void.
   */
  readonly approvalWords: () => Outcome<{ readonly words: readonly string[]; readonly scan: string }>
  /** The two reply words shown on the approving device, typed here; resolves when the keys arrived. */
  readonly approvalReply: (reply: string) => Outcome<void>
  /**
   * With the kit and no password. `newPassword` makes this device's store at once where it has none, so that the recovery is kept in it
   * and goes on after a restart; without, a stop of the program means starting it again.
   */
  readonly recoverStart: (input: {
    readonly server: string
    readonly kitCode: string
    readonly deviceName: string
    readonly newPassword?: string
  }) => Outcome<EnrolmentState>
  /** Without an argument: with the password that `recoverStart` was given. */
  readonly recoverFinish: (newPassword?: string) => Outcome<Kit>

  // ── freezing ──
  /** Stops everything of the account at once, from any of its devices, locked ones too; stops a thaw that waits. */
  readonly freezeAccount: () => Outcome<void>
  /** With a second factor of this device within five minutes. Errors: second-factor-needed */
  readonly thawAccount: () => Outcome<void>
  /** Without: begins 72 hours, and thaws when called after them; also for a sign-in that has no device yet. Errors: recovery-waiting */
  readonly waitForThaw: () => Outcome<void>

  // ── a device that ten failed unlocks locked ──
  /**
   * On that device, with the account's password and a second factor: opens by the kit at once; without it, when another
   * device says so, or in 72 hours (call it again then). Errors: recovery-waiting
   */
  readonly resetLease: (input: {
    readonly password: string
    readonly factor: { readonly kind: "totp" | "recovery-code"; readonly code: string }
    readonly kitCode?: string
  }) => Outcome<void>
  /** On another, open device: lets it open now. Errors: reauth-required, second-factor-needed */
  readonly approveLeaseReset: (id: string) => Outcome<void>
  /** On another device: stops its 72 hours. */
  readonly denyLeaseReset: (id: string) => Outcome<{ readonly cancelled: boolean }>

  // ── rules and address of the account ──
  readonly accountPolicy: () => Outcome<AccountPolicy>
  /** What is left out stays. Errors: reauth-required, usage-wrong */
  readonly setAccountPolicy: (change: Partial<AccountPolicy>) => Outcome<AccountPolicy>
  /** As the server has it; `waiting`: a new one waits for its mail. */
  readonly address: () => Outcome<{ readonly address: string; readonly waiting: boolean }>
  /** Mails a link to the new address and a notice to the old one. Errors: second-factor-needed, mail-not-deliverable */
  readonly changeAddress: (address: string) => Outcome<void>
  /** The newest lines of the server's log of this account, newest first. */
  readonly accountLog: () => Outcome<readonly AccountLogLine[]>

  // ── second factor, password, kit ──
  /** One that takes the place of another needs the account's password, and the other one fresh. Errors: second-factor-needed */
  readonly twoFactorStart: (input?: { readonly password: string }) => Outcome<{ readonly otpauth: string }>
  readonly twoFactorConfirm: (code: string) => Outcome<{ readonly factors: readonly string[] }>
  readonly twoFactorCheck: (kind: "totp" | "recovery-code", code: string) => Outcome<void>
  /** Makes the second factor fresh by a passkey. */
  readonly twoFactorPasskey: () => Outcome<void>
  readonly passkeys: () => Outcome<readonly PasskeyInfo[]>
  /** `cannotUnlock`: why it signs in and does not unlock. */
  readonly passkeyAdd: (input: { readonly label: string; readonly password: string }) => Outcome<{
    readonly id: string
    readonly unlocks: boolean
    readonly cannotUnlock?: ErrorCode
  }>
  readonly passkeyRemove: (input: { readonly id: string; readonly password: string }) => Outcome<void>
  readonly recoveryCodes: () => Outcome<{ readonly codes: readonly string[] }>
  readonly twoFactorOff: (input: {
    readonly password: string
    readonly suspendSync: boolean
  }) => Outcome<{ readonly devices: number }>
  readonly changePassword: (input: {
    readonly password: string
    readonly newPassword: string
    readonly exposed: boolean
  }) => Outcome<void>
  /** The password that opens this device, without an account or beside its own; on other devices it stays what it was. */
  readonly changeDevicePassword: (input: { readonly password: string; readonly newPassword: string }) => Outcome<void>
  readonly replaceKit: (input: { readonly password: string }) => Outcome<Kit>
  /** Errors: kit-code-wrong. The right one is no longer `kitUnchecked` here. */
  readonly checkKit: (kitCode: string) => Outcome<void>

  // ── sync ──
  /** Turns sync on here. `items`: which existing items are uploaded; local-only ones stay. */
  readonly syncOn: (
    input: { readonly items: "all" | "none" | readonly string[]; readonly autoNew: boolean },
    onProgress?: OnProgress,
  ) => Outcome<{ readonly uploaded: number }>
  /**
   * Stops a first read after the page that is under way; what came so far is here and stays. It goes on where it was with
   * `syncNow`, or by itself at the next unlock.
   */
  readonly pauseRetrieve: () => Promise<void>
  readonly syncOff: () => Outcome<void>
  readonly syncResume: () => Outcome<void>
  readonly syncNow: (onProgress?: OnProgress) => Outcome<{ readonly sent: number; readonly received: number }>
  /** Frozen vaults keep their evidence here. */
  readonly evidence: () => Outcome<
    readonly { readonly code: ErrorCode; readonly atMs: number; readonly detail: string }[]
  >

  /** After a restored server: brings back what it lost, and thaws what fits again. A person's own act; see `RepairReport`. */
  readonly repair: () => Outcome<RepairReport>
  /**
   * A person decides that the server's history of the frozen vaults counts from here on; every item here stays and goes up
   * again. Errors: not-allowed, where nothing is frozen
   */
  readonly takeServerHistory: () => Outcome<Taken>
  /** After a restore that took the account's password: registers one again. Wants this device's password within 5 minutes, and the second factor. */
  readonly registerPassword: (input: { readonly newPassword: string }) => Outcome<void>

  // ── devices ──
  readonly devices: () => Outcome<readonly DeviceInfo[]>
  readonly renameDevice: (id: string, name: string) => Outcome<void>
  /** Answers a waiting device; it shows its three words after this. `approve` does it by itself where it was not done. */
  readonly approveStart: (id: string) => Outcome<void>
  /**
   * First half on the approving device: what was typed there, the three words or the text of the QR code, is compared;
   * answers the reply words, which are typed into the new device either way.
   */
  readonly approve: (
    id: string,
    typed: string,
  ) => Outcome<{ readonly reply: readonly string[]; readonly done: Promise<Result<void, Failure>> }>
  readonly denyDevice: (id: string) => Outcome<void>
  readonly removeDevice: (
    input: { readonly id: string; readonly reason: "retired" | "lost" | "unknown"; readonly kitCode?: string },
    onProgress?: OnProgress,
  ) => Outcome<{
    readonly rotation: readonly RotationEntry[]
    readonly rotatedVaults: number
    readonly replaceKit: boolean
  }>
  readonly rotationList: () => Outcome<readonly RotationEntry[]>
  readonly rotationDone: (itemId: string) => Outcome<void>

  // ── leaving ──
  /** What would be lost by clearing this device. */
  readonly leaving: () => Outcome<{
    readonly unsynced: readonly ItemSummary[]
    readonly waiting: number
    readonly lastDevice: boolean
    readonly address: string
  }>
  readonly signOut: (input: {
    readonly clear: boolean
    readonly confirmed: boolean
    readonly kitCode?: string
    readonly typedAddress?: string
  }) => Outcome<void>
  readonly exportArchive: (input: {
    readonly passphrase?: string
    readonly recipients?: readonly string[]
  }) => Outcome<Uint8Array>
  readonly importArchive: (
    bytes: Uint8Array,
    key: { readonly passphrase?: string; readonly identity?: string },
    mode: "skip" | "keep-both",
  ) => Outcome<ImportReport>
  /** Opens this device's store with the kit and no server, and makes it a store under the new password. */
  readonly rescue: (kitCode: string, newPassword: string) => Outcome<{ readonly items: number }>
}
