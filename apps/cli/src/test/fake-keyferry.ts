import { err, ok } from "@keyferry/base"
import { failure } from "@keyferry/sdk/errors"

import type { DeviceInfo, EnrolmentState, ItemSummary, ItemView, Keyferry, Kit, Status } from "../keyferry.ts"

/*
 * A stand-in for the SDK's object, for tests of words and flows that need a server. What a test does not set refuses.
 */
export const FAKE_ACCOUNT: NonNullable<Status["account"]> = {
  id: "acc_fake",
  digits: "11111 22222",
  address: "ada@example.com",
  server: "https://keys.example.com",
  serverWords: "signal width gold derby",
  deviceId: "dev_fake",
  deviceName: "laptop",
  deviceState: "active",
  factors: ["totp"],
  frozen: false,
  syncSuspended: false,
}

export const FAKE_STATUS: Status = {
  mode: "account",
  lock: "unlocked",
  account: FAKE_ACCOUNT,
  sync: {
    on: true,
    state: "up-to-date",
    waiting: 0,
    conflicts: 0,
    synced: 1,
    localOnly: 1,
    autoNew: true,
    credentials: true,
  },
}

/** Of a device that has neither a vault nor an account. */
export const NO_ACCOUNT = (() => {
  const { account: _none, ...rest } = FAKE_STATUS
  return { ...rest, mode: "none", lock: "no-vault" } as const
})()

/** A device that waits to be approved, and the text of the QR code that it shows. */
export const WAITING = `dev_${"a".repeat(26)}`
export const SCAN = `keyferry-device ${WAITING} ${"a".repeat(52)}`

export const fakeItem = (over: Partial<ItemSummary> = {}): ItemSummary => ({
  id: "itm_aeaqcaibaeaqcaibaeaqcaibae",
  vault: "vlt_fake",
  kind: "login",
  title: "Example shop",
  summary: "ada",
  tags: [],
  policy: "local-only",
  class: "standard",
  rev: 1,
  updatedAtMs: 0,
  custody: "local",
  conflicts: 0,
  ...over,
})

export const fakeView = (over: Partial<ItemView> = {}): ItemView => ({
  ...fakeItem(),
  fields: [
    { name: "username", value: "ada", secret: false },
    { name: "password", value: "a secret value", secret: true },
  ],
  createdAtMs: 0,
  alternatives: [],
  ...over,
})

export const fakeDevice = (over: Partial<DeviceInfo> = {}): DeviceInfo => ({
  id: "dev_other",
  name: "phone",
  platform: "Linux",
  state: "active",
  isThis: false,
  how: "device",
  addedAtMs: 0,
  lastSeenMs: 0,
  oldKit: false,
  ...over,
})

export const FAKE_KIT: Kit = {
  code: "KF1-AAAA-BBBB-CCCC-DDDD-EEEE-FFFF-GGGG-HHHH-JJJJ",
  accountDigits: "11111 22222",
  serverWords: "signal width gold derby",
  address: "ada@example.com",
  server: "https://keys.example.com",
}

export const fakeEnrolment = (over: Partial<EnrolmentState> = {}): EnrolmentState => ({
  purpose: "login",
  step: "second-factor",
  address: "ada@example.com",
  server: "https://keys.example.com",
  state: "pending",
  approver: false,
  factors: ["totp"],
  ...over,
})

const refuse = async (): Promise<ReturnType<typeof err<ReturnType<typeof failure>>>> =>
  err(failure("not-allowed", "The fake was not told what to do."))

export const fakeKeyferry = (over: Partial<Keyferry> = {}): Keyferry => ({
  status: async () => FAKE_STATUS,
  onChange: () => () => undefined,
  createLocal: refuse,
  unlock: refuse,
  lock: async () => undefined,
  confirmPassword: refuse,
  close: async () => undefined,
  list: async () => ok([]),
  bin: async () => ok([]),
  get: refuse,
  add: refuse,
  addMany: refuse,
  edit: refuse,
  draft: refuse,
  keepDraft: refuse,
  remove: refuse,
  restore: refuse,
  history: refuse,
  resolve: refuse,
  setPolicy: refuse,
  setClass: refuse,
  setCredentialSync: refuse,
  setAutomaticSync: refuse,
  signUp: refuse,
  loginStart: refuse,
  loginSecondFactor: refuse,
  loginPasskey: refuse,
  loginFactorLost: refuse,
  stopFactorReset: refuse,
  requestMail: refuse,
  confirmation: refuse,
  finishWithKit: refuse,
  finishWithPasskey: refuse,
  approvalScan: refuse,
  approvalWords: refuse,
  approvalReply: refuse,
  recoverStart: refuse,
  recoverFinish: refuse,
  freezeAccount: refuse,
  thawAccount: refuse,
  waitForThaw: refuse,
  resetLease: refuse,
  approveLeaseReset: refuse,
  denyLeaseReset: refuse,
  accountPolicy: refuse,
  setAccountPolicy: refuse,
  address: refuse,
  changeAddress: refuse,
  accountLog: refuse,
  twoFactorStart: refuse,
  twoFactorConfirm: refuse,
  twoFactorCheck: refuse,
  twoFactorPasskey: refuse,
  passkeys: refuse,
  passkeyAdd: refuse,
  passkeyRemove: refuse,
  recoveryCodes: refuse,
  twoFactorOff: refuse,
  changePassword: refuse,
  changeDevicePassword: refuse,
  replaceKit: refuse,
  checkKit: refuse,
  syncOn: refuse,
  pauseRetrieve: async () => undefined,
  syncOff: refuse,
  syncResume: refuse,
  syncNow: refuse,
  evidence: async () => ok([]),
  repair: refuse,
  takeServerHistory: refuse,
  registerPassword: refuse,
  devices: refuse,
  renameDevice: refuse,
  approveStart: refuse,
  approve: refuse,
  denyDevice: refuse,
  removeDevice: refuse,
  rotationList: refuse,
  rotationDone: refuse,
  leaving: refuse,
  signOut: refuse,
  exportArchive: refuse,
  importArchive: refuse,
  rescue: refuse,
  ...over,
})
