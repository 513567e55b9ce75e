import * as f from "./fixtures.ts"
import type { GalleryState } from "./gallery-state.ts"

const inside = { status: f.synced }
const withSync = (over: Parameters<typeof f.syncUp>[0]) => ({ status: { ...f.synced, sync: f.syncUp(over) } })
const { lastSyncMs: _never, ...neverSynced } = f.syncUp({
  on: false,
  state: "off",
  synced: 0,
  localOnly: 18,
  autoNew: false,
})
const settingUp = (over: Parameters<typeof f.account>[0]) => ({
  status: {
    ...f.synced,
    account: f.account(over),
    sync: neverSynced,
  },
  items: f.localItems,
})

export const SYNC_GALLERY_STATES: readonly GalleryState[] = [
  { id: "sync-popover", path: "/", shows: ["dialog:sync"], record: inside, steps: [{ click: "Sync: Synced" }] },
  {
    id: "sync-popover-local",
    path: "/",
    shows: [],
    record: { status: f.local, items: f.localItems, devices: [] },
    steps: [{ click: "Sync: Only on this browser" }],
  },
  {
    id: "syncing",
    path: "/",
    shows: ["sync:syncing"],
    record: withSync({ state: "working", waiting: 2 }),
    steps: [{ click: "Sync: 2 to send" }],
  },
  {
    id: "offline",
    path: "/",
    shows: ["sync:offline"],
    record: { ...withSync({ state: "offline", waiting: 3 }), online: false },
  },
  { id: "busy", path: "/", shows: ["sync:busy"], record: withSync({ state: "busy", code: "busy", waiting: 1 }) },
  {
    id: "rejected",
    path: "/",
    shows: ["sync:rejected"],
    record: withSync({ state: "refused", code: "item-limit", waiting: 1, detail: "300 of 300 items." }),
  },
  {
    id: "clock-wrong",
    path: "/",
    shows: ["sync:clock-wrong"],
    record: withSync({ state: "refused", code: "clock-skew", detail: "It is 94 s behind." }),
  },
  {
    id: "device-unknown",
    path: "/",
    shows: ["sync:device-unknown"],
    record: withSync({ state: "refused", code: "device-not-enrolled" }),
  },
  {
    id: "device-limit",
    path: "/",
    shows: ["sync:device-limit"],
    record: withSync({ state: "refused", code: "device-limit" }),
  },
  {
    id: "server-rolled-back",
    path: "/",
    shows: ["sync:server-rolled-back"],
    record: withSync({ state: "frozen", code: "chain-rolled-back", waiting: 3 }),
  },
  {
    id: "vault-frozen",
    path: "/",
    shows: ["sync:vault-frozen"],
    record: withSync({ state: "frozen", code: "chain-forked" }),
  },
  {
    id: "account-frozen",
    path: "/devices",
    shows: ["sync:account-frozen"],
    record: { status: { ...f.synced, account: f.account({ frozen: true }) } },
  },
  {
    id: "sync-suspended",
    path: "/",
    shows: ["sync:sync-suspended"],
    record: settingUp({ syncSuspended: true, factors: [] }),
  },
  { id: "sync-off", path: "/", shows: ["sync:sync-off"], record: settingUp({ factors: [] }) },
  {
    id: "setup-incomplete",
    path: "/",
    shows: ["sync:setup-incomplete"],
    record: settingUp({ deviceState: "pending-first" }),
  },
  {
    id: "storage",
    path: "/",
    shows: ["banner:storage"],
    record: { status: f.local, items: f.localItems, devices: [], storage: "may-be-cleared" },
  },
  {
    id: "kit-unchecked",
    path: "/",
    shows: ["banner:kit"],
    record: { status: { ...f.synced, account: f.account({ kitUnchecked: true }) } },
  },
  {
    id: "factor-reset",
    path: "/",
    shows: ["banner:factor-reset"],
    record: { status: { ...f.synced, account: f.account({ factorResetAtMs: f.NOW_MS + 71 * 3_600_000 }) } },
  },
  {
    id: "factor-reset-360",
    path: "/",
    shows: [],
    width: 360,
    record: { status: { ...f.synced, account: f.account({ factorResetAtMs: f.NOW_MS + 71 * 3_600_000 }) } },
  },
  { id: "overdue", path: "/", shows: ["banner:overdue"], record: withSync({ rotationOverdue: 1 }) },
  { id: "device-waits", path: "/", shows: ["banner:device-waits"], record: { ...inside, devices: f.waitingDevices } },
  {
    id: "turn-on-no-account",
    path: "/turn-on-sync",
    shows: ["screen:turn-on-no-account"],
    record: { status: f.local, items: f.localItems, devices: [] },
  },
  {
    id: "turn-on-1",
    path: "/turn-on-sync",
    shows: ["screen:turn-on-factor"],
    record: settingUp({ factors: [], deviceState: "pending-first" }),
    steps: [{ click: "Set it up" }],
  },
  {
    id: "turn-on-codes",
    path: "/turn-on-sync",
    shows: ["screen:recovery-codes"],
    record: settingUp({ factors: [], deviceState: "pending-first" }),
    steps: [{ click: "Set it up" }, { fill: "The code that it shows now", text: "123456" }],
  },
  {
    id: "turn-on-2",
    path: "/turn-on-sync",
    shows: ["screen:turn-on-device", "device:pending-first"],
    record: settingUp({ deviceState: "pending-first" }),
    steps: [{ click: "Email me" }],
  },
  { id: "turn-on-3", path: "/turn-on-sync", shows: ["screen:turn-on-choose"], record: settingUp({}) },
  { id: "turn-on-3-360", path: "/turn-on-sync", shows: [], record: settingUp({}), width: 360 },
  {
    id: "turn-on-working",
    path: "/turn-on-sync",
    shows: ["screen:turn-on-progress"],
    record: {
      ...settingUp({}),
      over: {
        syncOn: async (_input, onProgress) => {
          onProgress?.({ step: "uploading", done: 31, total: 42 })
          return new Promise<never>(() => undefined)
        },
      },
    },
    steps: [{ click: "Turn on sync, upload 17" }],
  },
  {
    id: "turn-on-retrieve",
    path: "/turn-on-sync",
    shows: ["screen:turn-on-retrieve"],
    record: { status: { ...f.synced, sync: { ...neverSynced, localOnly: 0 } }, items: [] },
  },
  {
    id: "retrieving",
    path: "/turn-on-sync",
    shows: ["screen:retrieving", "sync:retrieving"],
    record: withSync({ state: "working", retrieve: { done: 31, total: 42, paused: false } }),
  },
  {
    id: "retrieve-paused",
    path: "/turn-on-sync",
    shows: ["screen:retrieve-paused", "sync:retrieve-paused"],
    record: withSync({ retrieve: { done: 31, total: 42, paused: true } }),
  },
  {
    id: "list-retrieving-360",
    path: "/",
    shows: [],
    record: withSync({ state: "working", retrieve: { done: 31, total: 42, paused: false } }),
    width: 360,
  },
  {
    id: "popover-paused",
    path: "/",
    shows: [],
    record: withSync({ retrieve: { done: 31, total: 42, paused: true } }),
    steps: [{ click: "Sync: Paused" }],
  },
  { id: "turn-on-done", path: "/turn-on-sync", shows: ["screen:turn-on-done"], record: inside },
  {
    id: "step-up",
    path: "/turn-on-sync",
    shows: ["dialog:step-up"],
    record: { ...settingUp({}), fails: { syncOn: "reauth-required" } },
    steps: [{ click: "Turn on sync, upload 17" }],
  },
  {
    id: "trouble",
    path: "/",
    shows: ["dialog:trouble"],
    record: { ...withSync({ state: "refused", code: "clock-skew" }), storage: "may-be-cleared" },
    steps: [{ click: "Sync: Clock is wrong" }, { click: "Something wrong?" }],
  },
  { id: "sign-out", path: "/sign-out", shows: ["screen:sign-out"], record: inside },
  {
    id: "sign-out-offline",
    path: "/sign-out",
    shows: ["screen:sign-out-offline"],
    record: { ...withSync({ state: "offline" }), online: false },
  },
  {
    id: "sign-out-last",
    path: "/sign-out",
    shows: ["screen:sign-out-last"],
    record: { ...inside, devices: f.devices.slice(0, 1) },
    steps: [{ click: "Delete them and sign out …" }],
  },
]
