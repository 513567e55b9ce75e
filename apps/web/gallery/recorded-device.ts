import { err, ok } from "@keyferry/base"
import type { DeviceInfo, ItemDraft, ItemSummary, RotationEntry, Status } from "@keyferry/sdk"
import { type ErrorCode, failure } from "@keyferry/sdk/errors"

import type { BrowserDevice, Snapshot } from "../src/bridge/contract.ts"
import * as recorded from "./fixtures.ts"

/** What one state of the gallery records; the rest answers as an ordinary device would. */
export interface DeviceRecord {
  readonly status: Status
  readonly items?: readonly ItemSummary[]
  readonly devices?: readonly DeviceInfo[]
  readonly rotation?: readonly RotationEntry[]
  readonly bin?: readonly ItemSummary[]
  readonly draft?: ItemDraft
  readonly environment?: Snapshot["environment"]
  readonly failure?: Snapshot["failure"]
  readonly storage?: Snapshot["storage"]
  readonly online?: boolean
  readonly holderClosed?: boolean
  /** Calls that fail, and how. */
  readonly fails?: Readonly<Record<string, ErrorCode>>
  /** Calls that never answer, for the screens of waiting. */
  readonly hangs?: readonly string[]
  readonly over?: Partial<BrowserDevice>
}

const SCAN = `keyferry-device dev_${"a".repeat(26)} ${"a".repeat(52)}`
const never = new Promise<never>(() => undefined)

/** A device whose answers were recorded. It changes nothing and knows no network. */
export const recordedDevice = (record: DeviceRecord): BrowserDevice => {
  const items = record.items ?? recorded.items
  const snapshot: Snapshot = {
    version: 1,
    status: record.status,
    environment: record.environment ?? { state: "ready" },
    failure: record.failure,
    storage: record.storage ?? "kept",
    role: "leader",
    holderClosed: record.holderClosed ?? false,
    online: record.online ?? true,
    origin: recorded.ORIGIN,
  }
  const [first] = items
  const done = async () => ok(undefined)
  const kit = async () => ok(recorded.kit)
  const item = async () => (first === undefined ? err(failure("not-found")) : ok(first))
  const enrolment = async () => ok(record.status.enrolment ?? recorded.enrolment())
  const device: BrowserDevice = {
    snapshot: () => snapshot,
    subscribe: () => () => undefined,
    lockEverywhere: async () => undefined,
    activity: () => undefined,
    forgetEverything: async () => undefined,
    keepStorage: async () => snapshot.storage,
    status: async () => record.status,
    onChange: () => () => undefined,
    createLocal: done,
    unlock: async () => ok({ lock: record.status.lock }),
    lock: async () => undefined,
    confirmPassword: done,
    close: async () => undefined,
    list: async () => ok(items),
    bin: async () => ok(record.bin ?? []),
    get: async (id) => {
      const found = items.find((candidate) => candidate.id === id)
      return found === undefined ? err(failure("not-found")) : ok(recorded.viewOf(found))
    },
    add: item,
    addMany: async () => ok(items),
    edit: item,
    draft: async () => ok(record.draft),
    keepDraft: done,
    remove: done,
    restore: item,
    history: async (id) => {
      const found = items.find((candidate) => candidate.id === id) ?? first
      if (found === undefined) return ok([])
      const { fields, title } = recorded.viewOf(found)
      const older = fields.map((field) => (field.secret ? { ...field, value: "older-value-0O1lI" } : field))
      return ok([
        {
          rev: 2,
          atMs: recorded.NOW_MS - 86_400_000,
          deviceId: "dev_firefox",
          title,
          fields,
          alternatives: [{ field: "secret", value: "another-value-0O1lI" }],
        },
        { rev: 1, atMs: recorded.NOW_MS - 29 * 86_400_000, deviceId: "dev_gone", title, fields: older },
      ])
    },
    resolve: item,
    setPolicy: done,
    setClass: done,
    setCredentialSync: async () => ok({ items: 6 }),
    setAutomaticSync: done,
    signUp: kit,
    loginStart: enrolment,
    loginSecondFactor: enrolment,
    loginPasskey: enrolment,
    loginFactorLost: enrolment,
    stopFactorReset: async () => ok({ cancelled: true }),
    freezeAccount: done,
    thawAccount: done,
    waitForThaw: done,
    resetLease: done,
    approveLeaseReset: done,
    denyLeaseReset: async () => ok({ cancelled: true }),
    accountPolicy: async () =>
      ok({ graceMaxS: 86_400, requireDeviceApproval: false, reloginMaxS: 2_592_000, unlockMaxS: 43_200 }),
    setAccountPolicy: async () =>
      ok({ graceMaxS: 86_400, requireDeviceApproval: false, reloginMaxS: 2_592_000, unlockMaxS: 43_200 }),
    address: async () => ok({ address: record.status.account?.address ?? "", waiting: false }),
    changeAddress: done,
    accountLog: async () => ok(recorded.accountLog),
    requestMail: async () => ok({ mail: "queued", mailedTo: "a***@example.com", code: "481902", nextInS: 60 }),
    confirmation: enrolment,
    finishWithKit: done,
    finishWithPasskey: done,
    approvalScan: async () => ok({ text: SCAN }),
    approvalWords: async () => ok({ words: ["copper", "violin", "tundra"], scan: SCAN }),
    approvalReply: done,
    recoverStart: enrolment,
    recoverFinish: kit,
    twoFactorStart: async () => ok({ otpauth: recorded.OTPAUTH }),
    twoFactorConfirm: async () => ok({ factors: ["totp"] }),
    twoFactorCheck: done,
    twoFactorPasskey: done,
    passkeys: async () => ok(recorded.passkeys),
    passkeyAdd: async () => ok({ id: "AAEC", unlocks: true }),
    passkeyRemove: done,
    recoveryCodes: async () => ok({ codes: recorded.CODES }),
    twoFactorOff: async () => ok({ devices: 3 }),
    changePassword: done,
    changeDevicePassword: done,
    replaceKit: kit,
    checkKit: done,
    syncOn: async () => ok({ uploaded: 15 }),
    pauseRetrieve: async () => undefined,
    syncOff: done,
    syncResume: done,
    syncNow: async () => ok({ sent: 0, received: 0 }),
    evidence: async () => ok([]),
    repair: async () => ok({ accountLinks: 0, vaults: [], rotated: false, passwordLost: false }),
    takeServerHistory: async () => ok({ vaults: [], sent: 0, received: 0 }),
    registerPassword: done,
    devices: async () => ok(record.devices ?? recorded.devices),
    renameDevice: done,
    approveStart: done,
    approve: async () => ok({ reply: ["orbit", "lemon"], done: never }),
    denyDevice: done,
    removeDevice: async () => ok({ rotation: recorded.rotation, rotatedVaults: 1, replaceKit: true }),
    rotationList: async () => ok(record.rotation ?? []),
    rotationDone: done,
    leaving: async () =>
      ok({
        unsynced: items.filter((one) => one.policy === "local-only"),
        waiting: record.status.sync.waiting,
        lastDevice: (record.devices ?? recorded.devices).filter((one) => one.state === "active").length <= 1,
        address: "ada@example.com",
      }),
    signOut: done,
    exportArchive: async () => ok(new Uint8Array()),
    importArchive: async () =>
      ok({ added: 261, skipped: 38, different: ["Bitget desk (itm_3v5x7b2n4m6k8j0h2g4f6d8s0a)"], refused: [] }),
    rescue: async () => ok({ items: 18 }),
    ...record.over,
  }
  const answers = device as unknown as Record<string, unknown>
  for (const [name, code] of Object.entries(record.fails ?? {})) answers[name] = async () => err(failure(code))
  for (const name of record.hangs ?? []) answers[name] = async () => never
  return device
}
