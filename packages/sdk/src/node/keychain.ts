import { existsSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"

import type { SecretStorage } from "../ports.ts"
import { createSecretFile } from "./secret-file.ts"

/** What of the system's keychain is needed. On Linux it must be the Secret Service: the kernel's keyring forgets at reboot. */
export interface KeychainEntry {
  readonly getSecret: () => Promise<readonly number[] | Uint8Array | null>
  readonly setSecret: (secret: Uint8Array) => Promise<void>
  readonly deleteCredential: () => Promise<unknown>
}

/**
 * The device secret in the system's keychain where one answers when the secret is made, else in a 0600 file. A marker in
 * the folder says which, and it is never guessed again: a keychain that does not answer later means locked, not lost.
 */
export const createKeychainStorage = (
  folder: string,
  open: () => Promise<KeychainEntry | undefined>,
): SecretStorage => {
  const marker = join(folder, "device.secret.keychain")
  const file = createSecretFile(join(folder, "device.secret"))
  const entry = async (): Promise<KeychainEntry> => {
    const opened = await open()
    if (opened === undefined) throw new KeychainUnavailable()
    return opened
  }
  return Object.freeze<SecretStorage>({
    load: async () => {
      if (!existsSync(marker)) return file.load()
      const stored = await readEntry(await entry())
      if (stored === undefined) throw new KeychainUnavailable()
      return stored
    },
    save: async (secret) => {
      const opened = await open()
      if (opened === undefined || !(await keeps(opened, secret))) {
        await file.save(secret)
        return
      }
      writeFileSync(marker, "The device secret of this folder is in the system's keychain.\n", {
        mode: 0o600,
        flush: true,
      })
    },
    destroy: async () => {
      if (existsSync(marker)) {
        await (await entry()).deleteCredential()
        rmSync(marker)
      }
      await file.destroy()
    },
  })
}

/** The keychain that holds the device secret does not answer now. */
export class KeychainUnavailable extends Error {
  override readonly name = "KeychainUnavailable"
  constructor() {
    super("keychain-unavailable")
  }
}

/** Written and read back: a keychain that only says it kept something is not trusted with the one copy. */
const keeps = async (entry: KeychainEntry, secret: Uint8Array): Promise<boolean> => {
  try {
    await entry.setSecret(secret)
    const back = await entry.getSecret()
    return back !== null && Buffer.from(back).equals(Buffer.from(secret))
  } catch {
    // No keychain on this machine, or a locked one: the file serves.
    return false
  }
}

const readEntry = async (entry: KeychainEntry): Promise<Uint8Array | undefined> => {
  try {
    const bytes = await entry.getSecret()
    return bytes?.length === 32 ? Uint8Array.from(bytes) : undefined
  } catch {
    return undefined
  }
}
