import { parseId } from "@keyferry/base"

import type { FieldReason } from "./field.ts"

/** Checks of single values that several kinds share. Each gives a reason, or `undefined` for a good value. */
export type ValueCheck = (value: string) => FieldReason | undefined

export const isItemId: ValueCheck = (value) => (parseId("itm", value).ok ? undefined : "not-an-item-id")

export const isPort: ValueCheck = (value) =>
  /^[1-9]\d{0,4}$/.test(value) && Number(value) <= 65_535 ? undefined : "not-a-number"

/** Host name, IPv4 or IPv6 address, without scheme, port or path. */
export const isAddress: ValueCheck = (value) =>
  /^[^\s/@[\]?#]+$/.test(value) && value.length <= 255 && (isIpv6(value) || !value.includes(":"))
    ? undefined
    : "not-an-address"

/** One web address a line. Credentials inside an address would be a secret in a visible field. */
export const areUrls: ValueCheck = (value) =>
  value
    .split("\n")
    .every((line) => line.trim() === "" || /^[a-z][a-z0-9+.-]*:\/\/[^\s@/]+(?:[/?#]\S*)?$/i.test(line.trim()))
    ? undefined
    : "not-a-url"

/** `2027-03-01`, or with a time in UTC: `2027-03-01T12:00:00Z`. */
export const isDate: ValueCheck = (value) =>
  /^\d{4}-\d{2}-\d{2}(?:T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,3})?)?Z)?$/.test(value) && isRealDay(value)
    ? undefined
    : "not-a-date"

/** An `otpauth://totp/` or `otpauth://hotp/` address with a base32 secret, or such a secret alone. */
export const isOtp: ValueCheck = (value) => {
  if (!/^otpauth:/i.test(value)) return isBase32(value) ? undefined : "not-an-otp"
  const match = /^otpauth:\/\/(?:totp|hotp)\/[^?]*\?(.+)$/i.exec(value)
  const parameters = new Map(
    (match?.[1] ?? "").split("&").map((pair) => [pair.split("=")[0]?.toLowerCase(), pair.slice(pair.indexOf("=") + 1)]),
  )
  const digits = parameters.get("digits") ?? "6"
  const period = parameters.get("period") ?? "30"
  return isBase32(parameters.get("secret") ?? "") && /^(?:5|6|7|8)$/.test(digits) && /^[1-9]\d{0,3}$/.test(period)
    ? undefined
    : "not-an-otp"
}

export const isPrivateKeyText: ValueCheck = (value) =>
  /^-----BEGIN (?:OPENSSH |RSA |EC |ENCRYPTED )?PRIVATE KEY-----\n[^]+\n-----END (?:OPENSSH |RSA |EC |ENCRYPTED )?PRIVATE KEY-----\n?$/.test(
    value,
  )
    ? undefined
    : "not-a-private-key"

export const isPublicKeyText: ValueCheck = (value) =>
  /^(?:ssh-(?:ed25519|rsa)|ecdsa-sha2-nistp(?:256|384|521)|sk-[a-z0-9@.-]+) [A-Za-z0-9+/]+=*(?: .*)?$/.test(value)
    ? undefined
    : "not-a-public-key"

const isBase32 = (text: string): boolean => /^[A-Z2-7]{8,}$/i.test(text.replaceAll(/[ =-]|%3D/gi, ""))

const isIpv6 = (text: string): boolean => /^[0-9a-f:.]+(?:%[\w.-]+)?$/i.test(text) && text.split(":").length >= 3

const isRealDay = (value: string): boolean => {
  const at = Date.parse(value.length === 10 ? `${value}T00:00:00Z` : value)
  return !Number.isNaN(at) && new Date(at).toISOString().startsWith(value.slice(0, 10))
}
