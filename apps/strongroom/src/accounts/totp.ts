import { Secret as OtpSecret, TOTP } from "otpauth"

/*
 * Time-based one-time codes (RFC 6238): SHA-1, six digits, 30 seconds, a seed of 160 bits; one step of drift either way.
 * Source: spec/devices.md DV14
 */
export const TOTP_SEED_BYTES = 20
const PERIOD_S = 30

/** The step that a code belongs to, `undefined` where it is of none that is near. */
export const stepOfCode = (seed: Uint8Array, code: string, nowMs: number): number | undefined => {
  if (!/^\d{6}$/.test(code)) return undefined
  const delta = totpOf(seed, "").validate({ token: code, timestamp: nowMs, window: 1 })
  return delta === null ? undefined : Math.floor(nowMs / 1000 / PERIOD_S) + delta
}

/** What a QR code holds. The label names the account, never its address: the strongroom does not know that. */
export const otpauthUri = (seed: Uint8Array, label: string): string => totpOf(seed, label).toString()

const totpOf = (seed: Uint8Array, label: string): TOTP =>
  new TOTP({
    issuer: "Keyferry",
    label,
    algorithm: "SHA1",
    digits: 6,
    period: PERIOD_S,
    secret: new OtpSecret({ buffer: Uint8Array.from(seed).buffer }),
  })
