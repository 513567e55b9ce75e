import * as f from "./fixtures.ts"
import type { GalleryState } from "./gallery-state.ts"

const inside = { status: f.synced }

export const DEVICE_GALLERY_STATES: readonly GalleryState[] = [
  {
    id: "devices",
    path: "/devices",
    shows: [
      "screen:devices",
      "device:active",
      "device:stale",
      "device:confirmed",
      "device:approved",
      "device:lease-locked",
      "device:removed",
      "device:retired",
      "device:rejected",
      "device:expired",
    ],
    record: { ...inside, devices: f.everyDevice },
    steps: [{ open: "4 that are gone" }],
  },
  { id: "devices-360", path: "/devices", shows: [], record: { ...inside, devices: f.waitingDevices }, width: 360 },
  {
    id: "devices-one",
    path: "/devices",
    shows: ["screen:devices-one"],
    record: { ...inside, devices: f.devices.slice(0, 1) },
  },
  {
    id: "devices-no-account",
    path: "/devices",
    shows: ["screen:devices-no-account"],
    record: { status: f.local, items: f.localItems, devices: [] },
  },
  {
    id: "devices-add",
    path: "/devices",
    shows: ["dialog:add-device"],
    record: inside,
    steps: [{ click: "Add a device" }],
  },
  {
    id: "account-freeze",
    path: "/devices",
    shows: ["dialog:freeze"],
    record: inside,
    steps: [{ click: "Freeze the account" }],
  },
  {
    id: "device-details",
    path: "/devices",
    shows: ["screen:device-details"],
    record: inside,
    steps: [{ click: "Actions for Chrome @ desk" }, { click: "Details", role: "menuitem" }],
  },
  {
    id: "device-rename",
    path: "/devices",
    shows: ["dialog:rename-device"],
    record: inside,
    steps: [{ click: "Actions for Chrome @ desk" }, { click: "Rename", role: "menuitem" }],
  },
  {
    id: "device-remove",
    path: "/devices",
    shows: ["dialog:remove-device"],
    record: inside,
    steps: [
      { click: "Actions for Chrome @ desk" },
      { click: "Remove Chrome @ desk", role: "menuitem" },
      { click: "It’s lost, stolen, or someone else had it", role: "radio" },
    ],
  },
  {
    id: "approve",
    path: "/devices/approve/dev_waits",
    shows: ["screen:approve"],
    record: { ...inside, devices: f.waitingDevices },
  },
  {
    id: "approve-360",
    path: "/devices/approve/dev_waits",
    shows: [],
    record: { ...inside, devices: f.waitingDevices },
    width: 360,
  },
  {
    id: "approve-mismatch",
    path: "/devices/approve/dev_waits",
    shows: ["error:approval-mismatch"],
    record: { ...inside, devices: f.waitingDevices, fails: { approve: "approval-mismatch" } },
    steps: [{ fill: "The three words on its screen", text: "copper violin walnut" }, { click: "Add this device" }],
  },
  {
    id: "approve-reply",
    path: "/devices/approve/dev_waits",
    shows: ["screen:approve-reply"],
    record: { ...inside, devices: f.waitingDevices },
    steps: [{ fill: "The three words on its screen", text: "copper violin tundra" }, { click: "Add this device" }],
  },
  {
    id: "replace",
    path: "/replace?device=Chrome+%40+desk&kit=1",
    shows: ["screen:replace"],
    record: { ...inside, rotation: f.rotation },
  },
  {
    id: "replace-360",
    path: "/replace?device=Chrome+%40+desk",
    shows: [],
    record: { ...inside, rotation: f.rotation },
    width: 360,
  },
  { id: "replace-none", path: "/replace", shows: ["screen:replace-none"], record: inside },
  { id: "activity", path: "/activity", shows: ["screen:activity"], record: inside },
]
