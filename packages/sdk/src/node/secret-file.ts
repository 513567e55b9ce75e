import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, writeSync } from "node:fs"
import { dirname } from "node:path"

import type { SecretStorage } from "../ports.ts"

/** A 0600 file for machines without a keychain. docs/threat-model.md says what that is worth. */
export const createSecretFile = (path: string): SecretStorage =>
  Object.freeze<SecretStorage>({
    load: async () => {
      try {
        const bytes = readFileSync(path)
        if (bytes.length !== 32) throw new SecretDamaged()
        return new Uint8Array(bytes)
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined
        throw error
      }
    },
    save: async (secret) => {
      mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
      const temporary = `${path}.new`
      const file = openSync(temporary, "w", 0o600)
      writeSync(file, secret)
      fsyncSync(file)
      closeSync(file)
      renameSync(temporary, path)
    },
    destroy: async () => rmSync(path, { force: true }),
  })

/** The file is there and is no secret. It must not count as missing: a fresh one would be written over what is left. */
export class SecretDamaged extends Error {
  override readonly name = "SecretDamaged"
  constructor() {
    super("device-secret-damaged")
  }
}
