import process from "node:process"

import type { KeychainEntry } from "@keyferry/sdk/node"

/**
 * The system's keychain entry of one profile: Secret Service on Linux, Keychain on macOS. `undefined` where there is none;
 * the native part is loaded only where a keychain can be expected.
 */
export const systemKeychain = (folder: string) => async (): Promise<KeychainEntry | undefined> => {
  const env = process.env
  if (env["KF_KEYCHAIN"] === "off") return undefined
  if (process.platform === "linux" && env["DBUS_SESSION_BUS_ADDRESS"] === undefined) return undefined
  try {
    const { AsyncEntry } = await import("@napi-rs/keyring")
    return new AsyncEntry(
      "keyferry",
      folder,
      process.platform === "linux" ? { linux: { store: "secret-service" } } : {},
    )
  } catch {
    // No native part for this machine, or no Secret Service behind the session bus.
    return undefined
  }
}
