/**
 * The one table of everything that may go wrong and be told to somebody.
 *
 * status    HTTP status where a server answers with it, 0 where only a client meets it
 * retry     what a program may do: never · later · after-sync · after-rekey · after-login
 * exit      exit code of `kf`
 * sentence  one sentence for a person
 * keys      what it means for their keys
 * action    the one thing to do
 *
 * docs/errors.md is written from this table. Source: spec/errors.md
 */
export type Retry = "never" | "later" | "after-sync" | "after-rekey" | "after-login"

export interface ErrorEntry {
  readonly status: number
  readonly retry: Retry
  readonly exit: number
  readonly sentence: string
  readonly keys: string
  readonly action: string
}

const SAFE = "Your keys on this device are untouched."
const NOTHING_SENT = "Nothing was sent and nothing was changed."

const entry = (
  status: number,
  retry: Retry,
  exit: number,
  sentence: string,
  keys: string,
  action: string,
): ErrorEntry => ({ status, retry, exit, sentence, keys, action })

export const errors = {
  // ── request ──
  malformed: entry(400, "never", 1, "The request could not be read.", NOTHING_SENT, "Update this program; if it is up to date, report it."),
  "too-large": entry(413, "never", 1, "This is larger than the server accepts.", SAFE, "Make it smaller or send it in parts."),
  "unsupported-version": entry(426, "never", 12, "This program and the server do not understand each other's version.", SAFE, "Update the older of the two."),
  "not-found": entry(404, "never", 3, "There is nothing here by that name.", SAFE, "Check the name or the address."),
  "not-allowed": entry(403, "never", 5, "This account or device may not do that.", SAFE, "Ask the owner, or use another device."),
  "idempotency-mismatch": entry(422, "never", 1, "The same request number was used for two different requests.", NOTHING_SENT, "Run the command again."),
  "idempotency-in-progress": entry(409, "later", 1, "The same request is still being worked on.", SAFE, "Wait a moment and look again."),
  "rate-limited": entry(429, "later", 1, "Too many requests from here.", SAFE, "Wait for the time shown and try again."),
  internal: entry(500, "later", 1, "Something broke on our side.", SAFE, "Try again; if it stays, report the request id."),
  // ── sign-in ──
  "signed-out": entry(401, "after-login", 4, "You are not signed in here.", SAFE, "Sign in: kf login URL"),
  "wrong-credentials": entry(401, "never", 4, "The address or the password is not right.", SAFE, "Type both again; the kit shows the address."),
  "second-factor-needed": entry(403, "never", 4, "This needs the code of your second factor.", SAFE, "Enter the code from your authenticator."),
  "second-factor-wrong": entry(401, "never", 4, "That code is not right, or it was used before.", SAFE, "Wait for the next code and enter that one."),
  "too-many-attempts": entry(429, "later", 4, "Too many wrong attempts.", SAFE, "Wait for the time shown; your other devices were told."),
  "reauth-required": entry(403, "after-login", 4, "This needs your password and second factor again, not older than five minutes.", SAFE, "Confirm with both and repeat."),
  "two-factor-required": entry(403, "never", 8, "Sync needs a second factor, and this account has none.", "Nothing was uploaded.", "Set one up: kf 2fa on"),
  "two-factor-disable-blocked": entry(409, "never", 9, "Turning the second factor off would stop sync on your devices.", "Nothing was changed.", "Keep it, or turn it off together with sync: kf 2fa off --suspend-sync"),
  "registration-closed": entry(403, "never", 5, "This server takes no new accounts by itself.", NOTHING_SENT, "Ask its operator for an invitation link."),
  "invitation-invalid": entry(403, "never", 5, "This invitation was used, has expired, or is not from this server.", NOTHING_SENT, "Ask the operator for a new one."),
  "password-too-weak": entry(422, "never", 2, "This password can be guessed.", NOTHING_SENT, "Use at least 12 characters, or five random words: kf gen --words 5"),
  "wrong-account": entry(409, "never", 8, "This device belongs to another account on that server.", SAFE, "Use the account shown, or another profile: --profile NAME"),
  "server-identity-changed": entry(0, "never", 11, "This is not the server this device was paired with.", "Nothing was sent to it.", "Check the address; compare the server words on your kit."),
  // ── device ──
  "device-not-verified": entry(403, "never", 8, "This device is not confirmed yet.", "Nothing is uploaded or downloaded until it is.", "Open the link in the mail and type the code shown here, or approve it from another device."),
  "device-not-enrolled": entry(403, "never", 4, "The server does not know this device.", SAFE, "Sign in: kf login URL"),
  "device-removed": entry(401, "never", 5, "This device was removed from the account.", "Its copies are disabled here.", "Enrol it again with new keys: kf login URL"),
  "device-retired": entry(401, "never", 5, "This device was signed out and cleared.", "It holds no keys.", "Enrol it again: kf login URL"),
  "device-rejected": entry(403, "never", 5, "Somebody answered the mail with “this was not me”.", "This device received nothing.", "If it was you, sign in again tomorrow, or approve from another device."),
  "device-expired": entry(403, "never", 8, "The confirmation took longer than 30 minutes.", "This device received nothing.", "Start again: kf login URL"),
  "device-limit": entry(402, "never", 8, "The plan's number of devices is reached.", SAFE, "Remove a device: kf device remove NAME"),
  "device-is-last": entry(409, "never", 9, "This is the last device of the account.", "Without the kit, everything would be lost for ever.", "Have the kit ready: kf kit --check"),
  "holder-reused": entry(409, "never", 5, "These device keys belonged to a removed device and can never come back.", SAFE, "Enrol with new keys: kf login URL"),
  "approval-mismatch": entry(409, "never", 11, "The words do not match: somebody may sit between the two devices.", "No key left the approving device.", "Start again; if it repeats, do not use this network."),
  "verify-link-not-valid": entry(410, "never", 8, "This link cannot be used.", "Nothing was changed.", "Ask for a new mail on the waiting device."),
  "verify-link-expired": entry(410, "never", 8, "The mailed link has expired.", "Nothing was changed.", "Ask for a new mail: kf sync on --resend"),
  "verify-link-used": entry(410, "never", 8, "The mailed link was used or replaced by a newer one.", "Nothing was changed.", "Use the newest mail."),
  "verify-link-wrong-device": entry(410, "never", 8, "The link belongs to another device of this account.", "Nothing was changed.", "Type the code that the waiting device shows."),
  "verify-link-wrong-account": entry(410, "never", 8, "The link belongs to another account.", "Nothing was changed.", "Open the mail sent to the address shown."),
  "verify-code-wrong": entry(401, "never", 8, "That is not the code this device shows.", "Nothing was changed.", "Type the six digits again; five tries per mail."),
  "mail-not-deliverable": entry(503, "later", 8, "The mail could not be sent.", "Nothing was changed.", "Approve from another device, or ask the operator: keyferry device confirm CODE"),
  "signature-invalid": entry(401, "never", 4, "The request was not signed by this device.", SAFE, "Update this program; if it repeats, enrol the device again."),
  "replay-rejected": entry(401, "never", 1, "The same signed request arrived twice.", "It was carried out at most once.", "Run the command again."),
  "clock-skew": entry(401, "later", 1, "The clock of this device and of the server differ by more than a minute.", SAFE, "Set the clock; the difference is shown."),
  "account-frozen": entry(403, "never", 8, "The account is frozen.", "No device can open strict keys until it is thawed.", "Thaw it with a device and your second factor."),
  // ── lease ──
  locked: entry(0, "after-login", 4, "The vault is locked.", SAFE, "Run kf unlock"),
  "wrong-password": entry(0, "never", 4, "That password does not open this device's store.", SAFE, "Type the password this device was unlocked with last."),
  "lease-refused": entry(403, "never", 5, "The server refuses to unlock this device.", "The keys here stay closed.", "See kf status for the reason."),
  "lease-locked": entry(403, "never", 5, "Ten unlocks in a row failed; this device is locked.", "The keys here stay closed; nothing is lost.", "Unlock it from another device, or sign in again with password and second factor: kf login URL"),
  "lease-expired": entry(0, "later", 4, "This device was offline longer than its grace.", "The keys here are closed until the server answers; nothing is lost.", "Go online and run kf unlock"),
  "lease-key-changed": entry(0, "never", 11, "The server answered with another device's lease key.", "Your password is not wrong and no attempt was used.", "Do not continue; tell the operator."),
  "clock-moved": entry(0, "later", 4, "The clock of this device went back.", "Offline unlock is closed until the server answers.", "Set the clock and go online."),
  "lease-needs-server": entry(0, "later", 7, "Strict keys open only while the server answers.", "They stay closed; your other keys are not affected.", "Go online, or open them with the kit: kf rescue"),
  // ── vault and sync ──
  "vault-not-found": entry(404, "never", 3, "There is no such vault in this account.", SAFE, "List them: kf vault ls"),
  "sync-suspended": entry(409, "never", 8, "Sync is suspended for this account.", SAFE, "Turn it on again: kf sync on"),
  "sync-not-enabled-here": entry(0, "never", 8, "Sync is off on this device.", "Its keys are here only.", "Turn it on: kf sync on"),
  "revision-conflict": entry(409, "after-sync", 6, "Somebody changed this first.", "Both versions are kept.", "Sync and look: kf conflicts"),
  "epoch-stale": entry(409, "after-rekey", 6, "The vault has a newer key.", "Your change waits here and is sent under the new key.", "Nothing; sync goes on by itself."),
  "item-limit": entry(402, "never", 8, "The plan's number of items is reached.", "The change is kept on this device.", "Delete what you no longer need, or ask for a larger plan."),
  "quota-exceeded": entry(402, "never", 8, "The plan's storage is full.", "The change is kept on this device.", "Delete what you no longer need, or ask for a larger plan."),
  "credential-sync-disabled": entry(0, "never", 8, "Syncing of credentials is switched off in this vault.", "Credentials stay on the device that has them.", "Switch it on: kf sync credentials on"),
  "credential-not-on-device": entry(0, "never", 3, "The credential this host refers to is not on this device.", "Nothing is lost.", "Add it here, or sync it from the device that has it."),
  "policy-never-sync": entry(403, "never", 5, "A policy keeps this kind of credential off the server.", "It stays on this device.", "Ask the owner of the policy shown."),
  "unsynced-loss": entry(0, "never", 9, "Some items exist only on this device and would be lost.", "Nothing was deleted.", "Export or sync the items listed, or repeat with --yes and the sentence shown."),
  "wrong-encryption-password": entry(0, "never", 11, "This does not open with that password.", "The file is unchanged.", "Use the password it was made with; the account password does not open it."),
  "cannot-open": entry(0, "never", 11, "This item cannot be opened: its bytes are damaged or not genuine.", "Other items are not affected.", "Look at kf history, or restore it from another device."),
  "shrink-guard": entry(409, "never", 9, "This would delete an unusually large part of the vault.", "Nothing was deleted.", "Confirm the number shown with --yes."),
  busy: entry(503, "later", 1, "Others are writing to this vault; this device keeps trying.", "Your change is kept here.", "Nothing; look again in a minute."),
  // ── integrity ──
  "chain-invalid": entry(409, "never", 11, "The server sent a history that is not genuine.", "The vault is frozen here as it was; nothing was sent.", "Export what you need and tell the operator: kf doctor"),
  "chain-rolled-back": entry(409, "never", 11, "The server went back to an older state than this device has seen.", "The vault is frozen here as it was; nothing is lost.", "Ask the operator whether a backup was restored, then: kf doctor --repair"),
  "chain-forked": entry(409, "never", 11, "The server shows two different histories for the same step.", "The vault is frozen here as it was; the evidence is kept.", "Export what you need and tell the operator."),
  "chain-omission": entry(409, "never", 11, "The server leaves out items that the signed history contains.", "The vault is frozen here as it was; nothing is lost.", "Ask the operator; then: kf doctor --repair"),
  "record-mismatch": entry(409, "never", 11, "A record is not the one that was signed.", "The item is shown as damaged; the others are not affected.", "Restore it from another device or from kf history"),
  "key-not-trusted": entry(0, "never", 11, "A key from the server is not signed by anybody you trust.", "Nothing was encrypted to it.", "Do not continue; tell the person it names."),
  "suite-unsupported": entry(0, "never", 12, "This was sealed with a method that this program does not know.", SAFE, "Update this program."),
  // ── keys and stores ──
  "strongroom-unavailable": entry(503, "later", 7, "The server's strongroom does not answer.", "Everything already on this device still works.", "Try again in a minute."),
  "kms-unavailable": entry(503, "later", 7, "The key service of the server does not answer.", "Everything already on this device still works.", "Try again at the time shown."),
  "kms-wrong-key": entry(500, "never", 12, "The strongroom's key does not belong to this store.", "Nothing was opened or overwritten.", "Put the right key file in place and start again."),
  "schema-newer": entry(500, "never", 12, "This store was written by a newer version.", "Nothing was changed.", "Install the newer version, or restore the backup it made."),
  "store-in-use": entry(0, "never", 1, "Another process is using this folder.", SAFE, "Stop it first, or use another folder."),
  "store-corrupt": entry(500, "never", 11, "The store is damaged.", "Nothing was overwritten.", "Restore the newest backup; on a device: kf rescue"),
  "store-full": entry(507, "later", 1, "The disk is full.", "The change was not saved.", "Free some space and repeat."),
  "keychain-unavailable": entry(0, "later", 4, "The system's keychain that holds this device's secret does not answer.", "They are here, sealed, and open as soon as it does.", "Log in to the desktop session or start the keychain, then kf unlock"),
  "network-unreachable": entry(0, "later", 7, "The server cannot be reached.", "Everything on this device still works; changes wait.", "Check the connection: kf doctor"),
  "timed-out": entry(504, "later", 124, "The server did not answer in time.", "If a change was sent, it is carried out at most once.", "Run the command again."),
  // ── kit and recovery ──
  "kit-code-wrong": entry(0, "never", 4, "This is not the kit code of this account.", SAFE, "Check each group; the last group finds typing mistakes."),
  "kit-replaced": entry(0, "never", 4, "This kit was replaced by a newer one.", SAFE, "Use the newest kit."),
  "recovery-waiting": entry(403, "later", 8, "Recovery without a second factor waits 72 hours.", "Every device was told and can stop it.", "Come back at the time shown."),
  // ── items and input ──
  "credential-malformed": entry(422, "never", 2, "One field is not in the form it must have.", "Nothing was saved.", "Correct the field named."),
  "ambiguous-reference": entry(0, "never", 3, "More than one item has that name.", SAFE, "Use one of the ids listed."),
  "usage-wrong": entry(0, "never", 2, "The command was not understood.", NOTHING_SENT, "See kf help"),
  "needs-terminal": entry(0, "never", 9, "This needs an answer and there is no terminal.", NOTHING_SENT, "Run it in a terminal, or pass the answer by the flag named."),
  "account-exists-here": entry(0, "never", 8, "This profile already has an account.", SAFE, "Use another profile: --profile NAME"),
  "import-failed": entry(0, "never", 10, "The file could not be read whole.", "What was read is listed; nothing was overwritten.", "Look at the report and repeat with a corrected file."),
  // ── app credentials and plans (answered once these parts exist) ──
} as const satisfies Readonly<Record<string, ErrorEntry>>

export type ErrorCode = keyof typeof errors

/** A failure as it is passed around: a code and what is shown with it. Never holds input bytes or secrets. */
export interface Failure {
  readonly code: ErrorCode
  /** One more sentence with the particulars: a name, a time, a number. */
  readonly detail?: string
  readonly retryAfterS?: number
  readonly serverTimeMs?: number
}

export const failure = (code: ErrorCode, detail?: string): Failure =>
  detail === undefined ? { code } : { code, detail }

export const isErrorCode = (code: string): code is ErrorCode => Object.hasOwn(errors, code)
