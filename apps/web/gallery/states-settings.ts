import * as f from "./fixtures.ts"
import type { GalleryState } from "./gallery-state.ts"

const inside = { status: f.synced }
const local = { status: f.local, items: f.localItems, devices: [] }

export const SETTINGS_STATES: readonly GalleryState[] = [
  { id: "settings-general", path: "/settings/general", shows: ["screen:settings-general"], record: inside },
  { id: "settings-general-360", path: "/settings/general", shows: [], record: inside, width: 360 },
  {
    id: "settings-address",
    path: "/settings/general",
    shows: ["dialog:change-address"],
    record: inside,
    steps: [{ click: "Change the email address" }, { fill: "New email", text: "ada@harbour.example" }],
  },
  {
    id: "settings-address-waiting",
    path: "/settings/general",
    shows: [],
    record: inside,
    steps: [
      { click: "Change the email address" },
      { fill: "New email", text: "ada@harbour.example" },
      { click: "Mail the link" },
    ],
  },
  { id: "settings-general-local", path: "/settings/general", shows: [], record: local },
  {
    id: "settings-sync-off",
    path: "/settings/general",
    shows: ["dialog:sync-off"],
    record: inside,
    steps: [{ click: "Sync on this browser", role: "switch" }],
  },
  {
    id: "settings-accounts",
    path: "/settings/accounts/credentials",
    shows: ["screen:settings-accounts-credentials"],
    record: inside,
  },
  {
    id: "settings-accounts-sync",
    path: "/settings/accounts/sync",
    shows: ["screen:settings-accounts-sync"],
    record: inside,
  },
  {
    id: "settings-synchronization",
    path: "/settings/account/synchronization",
    shows: ["screen:settings-synchronization"],
    record: inside,
  },
  {
    id: "settings-credentials-off",
    path: "/settings/account/synchronization",
    shows: ["dialog:credential-switch"],
    record: inside,
    steps: [{ click: "Sync keys and identities", role: "switch" }],
  },
  {
    id: "settings-sync-existing",
    path: "/settings/account/synchronization",
    shows: ["dialog:sync-existing"],
    record: inside,
    steps: [{ click: "Sync the other 3 …" }],
  },
  {
    id: "settings-whole-account",
    path: "/settings/account/synchronization",
    shows: ["dialog:whole-account"],
    record: inside,
    steps: [{ click: "Stop sync for the account" }],
  },
  { id: "settings-sign-in", path: "/settings/sign-in", shows: ["screen:settings-sign-in"], record: inside },
  {
    id: "settings-password",
    path: "/settings/sign-in",
    shows: ["dialog:change-password"],
    record: inside,
    steps: [{ click: "Change password" }],
  },
  {
    id: "settings-factor-off",
    path: "/settings/sign-in",
    shows: ["dialog:factor-off"],
    record: inside,
    steps: [{ click: "Turn two-factor off" }],
  },
  {
    id: "settings-kit-check",
    path: "/settings/sign-in",
    shows: ["dialog:kit-check"],
    record: inside,
    steps: [{ click: "Check the kit" }],
  },
  {
    id: "settings-kit-replace",
    path: "/settings/sign-in",
    shows: ["dialog:kit-replace"],
    record: inside,
    steps: [{ click: "Replace the kit" }],
  },
  {
    id: "settings-passkey-add",
    path: "/settings/sign-in",
    shows: ["dialog:passkey-add"],
    record: inside,
    steps: [{ click: "Add a passkey" }],
  },
  {
    id: "settings-passkey-remove",
    path: "/settings/sign-in",
    shows: ["dialog:passkey-remove"],
    record: inside,
    steps: [{ click: "Remove YubiKey" }],
  },
  { id: "settings-copies", path: "/settings/copies", shows: ["screen:settings-copies"], record: inside },
  { id: "settings-appearance", path: "/settings/appearance", shows: ["screen:settings-appearance"], record: inside },
  { id: "settings-keyboard", path: "/settings/keyboard", shows: ["screen:settings-keyboard"], record: inside },
  { id: "settings-about", path: "/settings/about", shows: ["screen:settings-about"], record: inside },
]
