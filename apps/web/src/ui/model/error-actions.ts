import { type ErrorCode, errors } from "@keyferry/sdk/errors"

import { type MessageId, fromTable, t } from "../../i18n/translate.ts"

/*
 * The table of errors names a command of `kf` where there is one. In the app the same step has a place on a screen; these
 * are its words. A test holds that no code leads a person of the app to a terminal.
 */
const ACTIONS: Partial<Readonly<Record<ErrorCode, MessageId>>> = {
  "signed-out": "do.sign-in",
  "two-factor-required": "do.two-factor",
  "two-factor-disable-blocked": "do.two-factor-keep",
  "password-too-weak": "do.password",
  "wrong-account": "do.other-profile",
  "device-not-enrolled": "do.enrol-again",
  "device-removed": "do.enrol-again",
  "device-retired": "do.enrol-again",
  "device-expired": "do.start-again",
  "device-limit": "do.remove-device",
  "device-is-last": "do.kit-ready",
  "holder-reused": "do.enrol-again",
  "verify-link-expired": "do.new-mail",
  "mail-not-deliverable": "do.approve-instead",
  locked: "do.unlock",
  "lease-refused": "do.sync-details",
  "lease-locked": "do.lease-locked",
  "lease-expired": "do.go-online",
  "lease-needs-server": "do.go-online-or-kit",
  "vault-not-found": "do.reload",
  "sync-suspended": "do.sync-on",
  "sync-not-enabled-here": "do.sync-on",
  "revision-conflict": "do.look-conflicts",
  "credential-sync-disabled": "do.credential-switch",
  "unsynced-loss": "do.unsynced",
  "cannot-open": "do.history",
  "shrink-guard": "do.confirm-number",
  "chain-invalid": "do.export-tell",
  "chain-rolled-back": "do.ask-operator",
  "chain-omission": "do.ask-operator",
  "chain-forked": "do.export-tell",
  "record-mismatch": "do.history",
  "store-corrupt": "do.kit-open",
  "store-in-use": "do.other-tab",
  "store-full": "do.free-space",
  "keychain-unavailable": "do.reload",
  "network-unreachable": "do.connection",
  "usage-wrong": "do.check-typed",
  "needs-terminal": "do.check-typed",
  "account-exists-here": "do.other-profile",
  "idempotency-mismatch": "do.again",
  "replay-rejected": "do.again",
  "timed-out": "do.again",
  "signature-invalid": "do.reload",
  malformed: "do.reload",
  "account-frozen": "do.thaw",
}

export const actionFor = (code: ErrorCode): string => {
  const own = ACTIONS[code]
  return own === undefined ? fromTable(errors[code].action) : t(own)
}
