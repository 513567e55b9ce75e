import { createHash, randomBytes, timingSafeEqual } from "node:crypto"

/**
 * `ssh-add -x` and `-X`: hides every key behind a passphrase for as long as the agent runs. It guards the agent's view,
 * not the vault; the keys stay where they are.
 */
export interface AgentLock {
  readonly isLocked: () => boolean
  /** False when it is locked already. */
  readonly lock: (passphrase: Uint8Array) => Promise<boolean>
  /** False when it is not locked or the passphrase is another. Each wrong one takes longer to be answered. */
  readonly unlock: (passphrase: Uint8Array) => Promise<boolean>
}

const MAX_DELAY_MS = 10_000

export const createAgentLock = (sleep: (ms: number) => Promise<void>): AgentLock => {
  const salt = randomBytes(32)
  const digest = (passphrase: Uint8Array): Buffer => createHash("sha256").update(salt).update(passphrase).digest()
  let wanted: Buffer | undefined
  let failures = 0
  return Object.freeze({
    isLocked: () => wanted !== undefined,
    lock: async (passphrase: Uint8Array) => {
      if (wanted !== undefined) return false
      wanted = digest(passphrase)
      failures = 0
      return true
    },
    unlock: async (passphrase: Uint8Array) => {
      if (wanted === undefined) return false
      const fits = timingSafeEqual(digest(passphrase), wanted)
      if (fits) {
        wanted = undefined
        return true
      }
      failures++
      await sleep(Math.min(MAX_DELAY_MS, 100 * 2 ** Math.min(failures, 10)))
      return false
    },
  })
}
