import type { Status } from "@keyferry/sdk"

/**
 * What the device says in a browser that knows nobody yet: the pages before the vault are drawn from it, without waiting for
 * the worker, which is most of what the app weighs.
 */
export const NOBODY: Status = {
  mode: "none",
  lock: "no-vault",
  sync: {
    on: false,
    state: "off",
    waiting: 0,
    conflicts: 0,
    synced: 0,
    localOnly: 0,
    autoNew: false,
    credentials: true,
  },
}
