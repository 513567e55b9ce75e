import { ok, type Result } from "@keyferry/base"
import { feedEventStruct, feedRequestStruct, type Failure } from "@keyferry/protocol"

import { answering } from "./answering.ts"
import { deviceCalls } from "./device-calls.ts"
import type { Device } from "./device.ts"
import { cursorsOf, syncScope } from "./sync-exchange.ts"
import { applyReply } from "./sync.ts"
import type { Transport } from "./transport.ts"
import { fromB64 } from "./wire.ts"

export interface FeedListener {
  /** Changes arrived and were applied, or something must be asked for: a gap, a device that waits. */
  readonly onApplied: () => void
  readonly onGap: () => void
  readonly onNotice: (notice: string) => void
  readonly onFailure: (failure: Failure) => void
}

/**
 * Opens the feed: the first event brings what is missing since the cursors, later ones carry each change itself.
 * An event that does not follow what this device has is a gap, and an ordinary sync fills it.
 */
export const openFeed = async (device: Device, listener: FeedListener): ReturnType<Transport["events"]> => {
  const scope = syncScope(device)
  if (!scope.ok) return scope
  const calls = await deviceCalls(device)
  if (!calls.ok) return calls
  const body = feedRequestStruct.encode(cursorsOf(device))
  return calls.value.transport.events("feed", body, calls.value.as, (text, name) => {
    // The server ends the streams of a removed device before anything else: asking at once is how it learns why.
    if (name === "closed") {
      listener.onGap()
      return
    }
    const bytes = fromB64(text)
    const event = bytes === undefined ? undefined : feedEventStruct.decode(bytes, 80 * 1024 * 1024)
    if (event?.ok !== true) {
      listener.onGap()
      return
    }
    const { accountLinks, vaults, commit, notice } = event.value
    const take = async (): Promise<Result<void, Failure>> => {
      if (device.full === undefined) return ok(undefined)
      const known = vaults.filter((v) => follows(device, v.vaultId, v.links.length))
      if (known.length < vaults.length) {
        listener.onGap()
        return ok(undefined)
      }
      if (accountLinks.length > 0 || vaults.length > 0) {
        const applied = await applyReply(device, {
          logId: new Uint8Array(16),
          commit,
          accountLinks,
          results: [],
          vaults,
          heads: [],
        })
        if (!applied.ok) {
          if (applied.error.code !== "revision-conflict") return applied
          listener.onGap()
          return ok(undefined)
        }
        if (applied.value.again) listener.onGap()
        listener.onApplied()
      }
      if (notice !== undefined) listener.onNotice(notice)
      return ok(undefined)
    }
    // Behind what is under way, and nobody waits for it.
    void device.turns
      .background(() => answering(device.ports, take))
      .then(({ result }) => {
        if (!result.ok) listener.onFailure(result.error)
      })
  })
}

const follows = (device: Device, vaultId: Uint8Array, links: number): boolean => {
  const hex = [...vaultId].map((b) => b.toString(16).padStart(2, "0")).join("")
  const vault = device.vaults.get(hex)
  return vault !== undefined && vault.row.resumeAfter === undefined && links >= 0
}
