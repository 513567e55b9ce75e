import { err, ok, type Result } from "@keyferry/base"
import { type AccountState, compareWithKnown, encodeLink, knownAccount, verifyAccountLink } from "@keyferry/chain"
import type { Failure } from "@keyferry/protocol"

import { chainRows, decodeLinks, type Device } from "./device.ts"
import { recordEvidence } from "./evidence.ts"
import type { Row } from "./ports.ts"
import { bundleRow } from "./key-bundle.ts"
import { limitUnlocked } from "./open-time.ts"

/** New links of the own account: verified whole, stored with the key of a new epoch where one started. */
export const applyAccountLinks = async (
  device: Device,
  served: readonly Uint8Array[],
): Promise<Result<void, Failure>> => {
  const { account } = device
  if (account === undefined || served.length === 0) return ok(undefined)
  const links = decodeLinks(served)
  if (links === undefined) return err({ code: "chain-invalid" })
  const compared = compareWithKnown(device.ports.primitives, knownAccount(account), { head: account.head, links })
  if (!compared.ok) return err(await recordEvidence(device, compared.error))
  let state = account
  for (const link of compared.value) {
    const next = await verifyAccountLink(device.ports.primitives, state, link)
    if (!next.ok) return err(await recordEvidence(device, next.error))
    state = next.value
  }
  if (compared.value.length === 0) return ok(undefined)
  return acceptAccount(device, state, [...device.links, ...compared.value.map(encodeLink)])
}

/** Makes a verified account state the device's own. A new key epoch is fetched and unwrapped by `account-keys.ts`. */
export const acceptAccount = async (
  device: Device,
  state: AccountState,
  links: readonly Uint8Array[],
): Promise<Result<void, Failure>> => {
  const rows: Row[] = [...(await chainRows(device, links))]
  const before = device.account
  device.account = state
  if (device.full !== undefined && device.local !== undefined) {
    const { fetchAccountKeys } = await import("./account-keys.ts")
    const keyed = await fetchAccountKeys(device, state)
    if (!keyed.ok) {
      device.account = before
      return keyed
    }
    rows.push(await bundleRow(device, device.full, device.local))
  }
  await device.ports.store.write(rows)
  device.links = links
  limitUnlocked(device)
  return ok(undefined)
}
