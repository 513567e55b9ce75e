import { base64urlToBytes, bytesToBase64url, formatId } from "@keyferry/base"

export const b64 = bytesToBase64url
export const fromB64 = base64urlToBytes

/** The key id of a device's signed requests. */
export const keyIdOf = (deviceId: Uint8Array): string => formatId("dev", deviceId)
