import { base32ToBytes, bytesToBase32, formatId, parseId } from "@keyferry/base"

const WORD = "keyferry-device"

/**
 * What the QR code of a new device says, for a camera or to be pasted: whom to talk to, and the hash of its keys. No secret.
 * Source   spec/devices.md DV29, spec/keys.md KE19
 */
export const scanText = (keysHash: Uint8Array, deviceId: Uint8Array): string =>
  `${WORD} ${formatId("dev", deviceId)} ${bytesToBase32(keysHash)}`

/** `undefined` for anything else, words among it. */
export const parseScan = (
  text: string,
): { readonly deviceId: Uint8Array; readonly keysHash: Uint8Array } | undefined => {
  const [word, id, hash, ...more] = text.trim().split(/\s+/)
  if (word !== WORD || id === undefined || hash === undefined || more.length > 0) return undefined
  const deviceId = parseId("dev", id)
  const keysHash = base32ToBytes(hash)
  return deviceId.ok && keysHash?.length === 32 ? { deviceId: deviceId.value, keysHash } : undefined
}

/** The device that such a text is of. */
export const deviceOfScan = (text: string): string | undefined => {
  const scanned = parseScan(text)
  return scanned === undefined ? undefined : formatId("dev", scanned.deviceId)
}
