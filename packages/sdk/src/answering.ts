import { err, type Result } from "@keyferry/base"
import type { Failure } from "@keyferry/protocol"

import type { SdkPorts } from "./ports.ts"

/**
 * Runs `work`. A full disk, a damaged file or a locked keychain is an answer, not a crash; a defect stays one. Whatever nobody
 * waits for goes through here as well: what it throws would end the process.
 */
export const answering = async <T>(
  { failureOf }: Pick<SdkPorts, "failureOf">,
  work: () => Promise<Result<T, Failure>>,
): Promise<Result<T, Failure>> => {
  try {
    return await work()
  } catch (error) {
    const failure = failureOf(error)
    if (failure === undefined) throw error
    return err(failure)
  }
}
