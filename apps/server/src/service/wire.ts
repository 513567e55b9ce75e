import { base64urlToBytes, err, ok, parseId, type IdPrefix, type Result } from "@keyferry/base"
import { type Failure, failure } from "@keyferry/protocol"
import type { CallParams } from "@keyferry/strongroom-api"

/** Bytes of a JSON field. Errors: malformed, for another length than the one given. */
export const bytesField = (text: string, length?: number): Result<Uint8Array, Failure> => {
  const bytes = base64urlToBytes(text)
  return bytes === undefined || (length !== undefined && bytes.length !== length)
    ? err(failure("malformed"))
    : ok(bytes)
}

export const idField = (prefix: IdPrefix, text: string): Result<Uint8Array, Failure> => {
  const id = parseId(prefix, text)
  return id.ok ? id : err(failure("malformed"))
}

export type DeviceKeys = CallParams<"enrol">["device"]

interface DeviceKeysJson {
  readonly deviceId: string
  readonly sigPk: string
  readonly kemPk: string
  readonly authPk: string
  readonly platform: string
}

/** Public keys of a device that asks to become one. Errors: malformed. */
export const deviceKeysField = (json: DeviceKeysJson): Result<DeviceKeys, Failure> => {
  const deviceId = idField("dev", json.deviceId)
  const sigPk = bytesField(json.sigPk, 32)
  const kemPk = bytesField(json.kemPk, 1216)
  const authPk = bytesField(json.authPk, 32)
  if (!deviceId.ok || !sigPk.ok || !kemPk.ok || !authPk.ok) return err(failure("malformed"))
  return ok({
    deviceId: deviceId.value,
    sigPk: sigPk.value,
    kemPk: kemPk.value,
    authPk: authPk.value,
    platform: printableText(json.platform),
  })
}

/**
 * Text of a device that goes into a mail or on a page: one line of ordinary characters, none of which a mail program would
 * turn into a link. Whoever has a stolen password writes it, and its owner reads it.
 */
export const printableText = (text: string): string =>
  text
    .replace(/[^\p{L}\p{N} ·.,()+_-]+/gu, " ")
    .replace(/(?<!\d)\.|\.(?!\d)/g, " ")
    .replace(/ +/g, " ")
    .trim()
    .slice(0, 64)
