import { mkdirSync } from "node:fs"

import { err, ok, type Result } from "@keyferry/base"
import { failure, type Failure } from "@keyferry/sdk/errors"
import { createKeychainStorage, openNodeKeyferry, storeFailure } from "@keyferry/sdk/node"

import type { Keyferry } from "../keyferry.ts"
import { agentLockPath } from "../places.ts"
import { CLIENT } from "../version.ts"
import { systemKeychain } from "./keychain.ts"
import { holdLockFile } from "./lock-file.ts"

/**
 * The SDK's object in this very process, for `--no-agent`. Holds the agent's lock meanwhile.
 * Errors: store-in-use while an agent runs
 */
export const openHere = async (folder: string): Promise<Result<Keyferry, Failure>> => {
  let lock: ReturnType<typeof holdLockFile>
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    lock = holdLockFile(agentLockPath(folder))
  } catch (error) {
    const known = storeFailure(error)
    if (known === undefined) throw error
    return err(known)
  }
  if (lock === undefined) return err(failure("store-in-use", "The agent of this profile holds it: kf agent stop"))
  const opened = await openNodeKeyferry({
    folder,
    client: CLIENT,
    secrets: createKeychainStorage(folder, systemKeychain(folder)),
  })
  if (!opened.ok) {
    lock.release()
    return opened
  }
  const held = lock
  const keyferry = opened.value
  const close = async (): Promise<void> => {
    await keyferry.close()
    held.release()
  }
  return ok(Object.freeze({ ...keyferry, close }))
}
