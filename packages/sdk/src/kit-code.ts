import { err, type Result } from "@keyferry/base"
import { parseKitCode, type RecoveryCode } from "@keyferry/crypto"
import type { Failure } from "@keyferry/protocol"

import type { Device } from "./device.ts"

/** Reads a kit code as a person typed it. Errors: kit-code-wrong, with what is wrong about it. */
export const parseKit = (device: Device, text: string): Result<RecoveryCode, Failure> => {
  const parsed = parseKitCode(device.ports.primitives, text)
  if (parsed.ok) return parsed
  const why = {
    "wrong-length": "It has 36 characters after KF1.",
    "bad-character": "It holds a character that kit codes do not use.",
    "check-failed": "The last group says there is a typing mistake.",
  }[parsed.error]
  return err({ code: "kit-code-wrong", detail: why })
}
