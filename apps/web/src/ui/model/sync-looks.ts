import type { MessageId } from "../../i18n/translate.ts"
import type { IconName } from "../kit/icon.tsx"
import type { SyncState } from "./sync-state.ts"

export type StateTone = "ok" | "warn" | "danger" | "info" | "local"

/** A shape of its own for each state, so that colour is never the only sign. */
export const SYNC_LOOKS: Readonly<
  Record<SyncState, { readonly icon: IconName; readonly tone: StateTone; readonly label: MessageId }>
> = {
  "insecure-context": { icon: "slash", tone: "danger", label: "sync-state.insecure-context" },
  "wrong-server": { icon: "shield", tone: "danger", label: "sync-state.wrong-server" },
  "client-too-old": { icon: "restore", tone: "warn", label: "sync-state.client-too-old" },
  "device-removed": { icon: "slash", tone: "danger", label: "sync-state.device-removed" },
  "account-frozen": { icon: "pause", tone: "danger", label: "sync-state.account-frozen" },
  "device-unknown": { icon: "help", tone: "danger", label: "sync-state.device-unknown" },
  "clock-wrong": { icon: "clock", tone: "warn", label: "sync-state.clock-wrong" },
  "device-limit": { icon: "devices", tone: "warn", label: "sync-state.device-limit" },
  "server-rolled-back": { icon: "history", tone: "danger", label: "sync-state.server-rolled-back" },
  "vault-frozen": { icon: "lock", tone: "danger", label: "sync-state.vault-frozen" },
  "no-account": { icon: "browser", tone: "local", label: "sync-state.no-account" },
  "sync-suspended": { icon: "pause", tone: "warn", label: "sync-state.sync-suspended" },
  "setup-incomplete": { icon: "list", tone: "warn", label: "sync-state.setup-incomplete" },
  "sync-off": { icon: "browser", tone: "local", label: "sync-state.sync-off" },
  offline: { icon: "offline", tone: "warn", label: "sync-state.offline" },
  conflicts: { icon: "two", tone: "warn", label: "sync-state.conflicts" },
  rejected: { icon: "alert", tone: "danger", label: "sync-state.rejected" },
  busy: { icon: "clock", tone: "info", label: "sync-state.busy" },
  "retrieve-paused": { icon: "pause", tone: "warn", label: "sync-state.retrieve-paused" },
  retrieving: { icon: "retrieve", tone: "info", label: "sync-state.retrieving" },
  syncing: { icon: "sync", tone: "info", label: "sync-state.syncing" },
  "up-to-date": { icon: "check", tone: "ok", label: "sync-state.up-to-date" },
}
