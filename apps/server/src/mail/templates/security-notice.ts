import { defineTemplate, paragraphs } from "../template.ts"

/**
 * A change of who may do what. Every kind of event that a person must hear of has its sentence here; an event without one
 * is only logged.
 */
export const NOTICES = {
  "device-approved": "A new device was added to your account. It can read what you sync.",
  "device-removed":
    "A device was removed from your account. Its keys are disabled, also when it never comes online again.",
  "device-retired": "A device was signed out and cleared.",
  "device-rejected":
    "A waiting device was turned away because somebody answered “this was not me”. New devices are refused for 24 hours.",
  "device-lease-locked": "Ten unlocks in a row failed on one of your devices. It is locked now; nothing is lost.",
  "kit-replaced": "Your recovery kit was replaced. The older kit opens nothing any more.",
  "password-changed": "The password of your account was changed.",
  "recovery-used": "Your account was recovered with the kit. The kit that was used is void, and a new one was made.",
  "factor-added": "A second factor was set up for your account.",
  "factor-removed": "The second factor of your account was turned off, and sync was suspended.",
  "passkey-added": "A passkey was added to your account. It is a second factor from now on.",
  "passkey-removed": "A passkey was removed from your account. It signs nobody in any more.",
  "passkey-copied":
    "A passkey of your account counted backwards, as a copy of it would. It was refused. Remove it and add it again.",
  "passkey-slot-added": "A passkey can now open your account on a new device, together with your password.",
  "passkey-slot-removed": "A passkey opens your account no more. Your keys were changed.",
  "recovery-codes-made": "New recovery codes were made. Older ones are void.",
  "sync-suspended": "Sync was suspended. Everything already on your devices stays there.",
  "factor-reset-requested":
    "Somebody with your password or your kit says that the second factor is lost. In 72 hours they may go on without it. If this is not you, stop it from any of your devices.",
  "factor-reset-cancelled": "The request to go on without a second factor was stopped.",
  "factor-attempts-exceeded":
    "There were too many wrong codes for your second factor. Somebody may know your password: change it.",
  "operator-reset-two-factor":
    "The operator of this server opened your account for one sign-in without a second factor, within 24 hours. Sync is suspended until you set up a new one.",
  "account-frozen":
    "Your account was frozen: no device opens strict keys or sends anything, and no new device gets in. Nothing was deleted. To go on, run `kf thaw` on one of your devices, with your second factor.",
  "account-thawed": "Your account was thawed: your devices go on as before.",
  "thaw-requested":
    "Somebody asked to thaw your frozen account without a device and its second factor. In 72 hours they may. If this is not you, the link below or `kf freeze` on any of your devices stops it.",
  "thaw-cancelled": "The request to thaw your account was stopped; it stays frozen.",
  "loss-accepted":
    "This server was restored from an older copy, and its operator gave up what no device had brought back of your account. If a device of yours says that its vault is frozen, run `kf doctor` there before anything else.",
  "lease-reset-requested":
    "A device that ten failed unlocks had locked has signed in again, and may open in 72 hours. With `kf device ls` on another device you see which one; `kf device approve` opens it at once, `kf device deny` stops it.",
  "lease-reset-cancelled": "A locked device that waited to be opened was stopped.",
  "policy-changed": "The rules of your account were changed: kf policy shows them.",
  "address-confirmed": "From now on this mailbox is the one of your account. The one before was told.",
  "address-change-requested": "Somebody with one of your devices asked to change the address of your account.",
  "address-changed": "The address of your account was changed. This mailbox is no longer the one of the account.",
} as const

export type NoticeKind = keyof typeof NOTICES

export const isNoticeKind = (kind: string): kind is NoticeKind => Object.hasOwn(NOTICES, kind)

export const securityNotice = defineTemplate<{
  kind: NoticeKind
  at: string
  origin: string
  freeze: string
}>({
  name: "security-notice",
  write: ({ kind, at, origin, freeze }) => ({
    subject: `Security notice: ${kind.replaceAll("-", " ")}`,
    body: paragraphs(
      NOTICES[kind],
      `Time: ${at}\nServer: ${origin}`,
      "If this was you, there is nothing to do. If not, look at your devices with `kf device ls` and at `kf doctor`.",
      `This wasn't you? Open this page to freeze the account; it asks before it does, needs no sign-in, and can do nothing else. It works for seven days:\n\n${freeze}`,
    ),
  }),
})
