import type { Keyferry } from "@keyferry/sdk"
import type { Failure } from "@keyferry/sdk/errors"

import type { Role } from "./contract.ts"

/** Every method that crosses to the worker. A new one in the SDK does not compile until it stands here. */
type Crossing = Exclude<keyof Keyferry, "onChange" | "close">

/** How a call ends when the tab that held the keys is gone: its reads are asked again, the rest was not done for sure. */
const again = "again"
const locked = "locked"

export const METHODS: Readonly<Record<Crossing, typeof again | typeof locked>> = {
  status: again,
  createLocal: locked,
  unlock: locked,
  lock: again,
  confirmPassword: locked,
  list: locked,
  bin: locked,
  get: locked,
  add: locked,
  addMany: locked,
  edit: locked,
  draft: locked,
  keepDraft: locked,
  remove: locked,
  restore: locked,
  history: locked,
  resolve: locked,
  setPolicy: locked,
  setClass: locked,
  setCredentialSync: locked,
  setAutomaticSync: locked,
  signUp: locked,
  loginStart: locked,
  loginSecondFactor: locked,
  loginPasskey: locked,
  loginFactorLost: locked,
  stopFactorReset: locked,
  requestMail: locked,
  confirmation: locked,
  finishWithKit: locked,
  finishWithPasskey: locked,
  approvalScan: locked,
  approvalWords: locked,
  approvalReply: locked,
  recoverStart: locked,
  recoverFinish: locked,
  freezeAccount: again,
  thawAccount: again,
  waitForThaw: again,
  resetLease: locked,
  approveLeaseReset: locked,
  denyLeaseReset: again,
  accountPolicy: again,
  setAccountPolicy: locked,
  address: again,
  changeAddress: locked,
  accountLog: again,
  twoFactorStart: locked,
  twoFactorConfirm: locked,
  twoFactorCheck: locked,
  twoFactorPasskey: locked,
  passkeys: locked,
  passkeyAdd: locked,
  passkeyRemove: locked,
  recoveryCodes: locked,
  twoFactorOff: locked,
  changePassword: locked,
  changeDevicePassword: locked,
  replaceKit: locked,
  checkKit: locked,
  syncOn: locked,
  pauseRetrieve: again,
  syncOff: locked,
  syncResume: locked,
  syncNow: locked,
  evidence: locked,
  repair: locked,
  takeServerHistory: locked,
  registerPassword: locked,
  devices: locked,
  renameDevice: locked,
  approveStart: locked,
  approve: locked,
  denyDevice: locked,
  removeDevice: locked,
  rotationList: locked,
  rotationDone: locked,
  leaving: locked,
  signOut: locked,
  exportArchive: locked,
  importArchive: locked,
  rescue: locked,
}

export type Method = keyof typeof METHODS

export const isMethod = (name: string): name is Method => Object.hasOwn(METHODS, name)

/** From the page to its worker, and from a following worker to the leading one. */
export type Request =
  | { readonly kind: "call"; readonly id: number; readonly method: Method; readonly args: readonly unknown[] }
  | { readonly kind: "activity" }
  /** What the person did when a passkey was asked for. */
  | { readonly kind: "passkey"; readonly id: number; readonly answer: unknown }

/** The way back. `late` carries what a call promised to tell afterwards. */
export type Reply =
  | { readonly kind: "answer"; readonly id: number; readonly value: unknown; readonly hasLate: boolean }
  /** Part of an answer to `list`: what changed since the last one on this line. The answer itself says what is gone. */
  | { readonly kind: "listed"; readonly id: number; readonly text: string }
  | { readonly kind: "late"; readonly id: number; readonly value: unknown }
  | { readonly kind: "progress"; readonly id: number; readonly value: unknown }
  /** A defect: the call threw. Its message never holds a value that was given. */
  | { readonly kind: "defect"; readonly id: number; readonly message: string }
  | { readonly kind: "changed" }
  | { readonly kind: "role"; readonly role: Role }
  /** A call of this tab needs a passkey. */
  | { readonly kind: "passkey"; readonly id: number; readonly what: "create" | "get"; readonly options: unknown }
  /** This browser's store cannot be opened. */
  | { readonly kind: "failed"; readonly failure: Failure }
