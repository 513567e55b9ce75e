import { HOTP, Secret, TOTP, URI } from "otpauth"

import { err, ok, type Result } from "@keyferry/base"
import { failure, type Failure } from "@keyferry/sdk/errors"

export interface OtpNow {
  readonly code: string
  /** Seconds until the next one; absent where codes go by a counter. */
  readonly leftS?: number
}

/** The code of this moment for an otpauth:// address or a base32 secret. Errors: credential-malformed. */
export const otpNow = (text: string, nowMs: number): Result<OtpNow, Failure> => {
  const otp = parseOtp(text)
  if (otp === undefined)
    return err(failure("credential-malformed", "The field holds no otpauth:// address and no base32 secret."))
  if (otp instanceof HOTP) return ok({ code: otp.generate() })
  const leftS = Math.ceil(otp.remaining({ timestamp: nowMs }) / 1000)
  return ok({ code: otp.generate({ timestamp: nowMs }), leftS })
}

const parseOtp = (text: string): TOTP | HOTP | undefined => {
  try {
    if (/^otpauth:/i.test(text.trim())) return URI.parse(text.trim())
    return new TOTP({ secret: Secret.fromBase32(text.replaceAll(/[\s-]/g, "").toUpperCase()) })
  } catch {
    // The library's message quotes its input.
    return undefined
  }
}
