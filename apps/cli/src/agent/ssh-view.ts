import type { Socket } from "node:net"
import { setTimeout as sleep } from "node:timers/promises"

import {
  type AgentKey,
  createAgent,
  createAgentLock,
  parsePrivateKey,
  parsePublicKeyLine,
  type Purpose,
  serveStream,
  signWithKey,
  type SshPrivateKey,
} from "@keyferry/ssh-agent"

import type { ItemView, Keyferry } from "../keyferry.ts"
import { storyOf } from "./story.ts"

/** The SSH keys that the agent offers, and the door for SSH programs. */
export interface SshView {
  readonly serve: (socket: Socket) => void
  /** Reads the keys again after a change of items or of the lock. */
  readonly refresh: () => Promise<void>
  readonly size: () => number
}

export interface SshViewPorts {
  readonly keyferry: Keyferry
  /** Told of each signature: what for, never the key's text. */
  readonly note: (what: string) => void
  readonly log: (line: string) => void
}

interface Offered {
  readonly key: AgentKey
  readonly privateKey: SshPrivateKey
  readonly itemId: string
}

/**
 * The SSH keys of the open vault. Empty while it is locked; a key that was removed elsewhere stops signing with the
 * change that takes it away.
 */
export const createSshView = ({ keyferry, note, log }: SshViewPorts): SshView => {
  let offered: readonly Offered[] = []
  let reading: Promise<void> | undefined
  let again = false

  const agent = createAgent(
    {
      keys: async () => offered.map(({ key }) => key),
      sign: async ({ key, message, flags, purpose }) => {
        const found = offered.find((candidate) => candidate.key === key)
        if (found === undefined) return undefined
        const signed = signWithKey(found.privateKey, message, flags)
        note(signed.ok ? `sign ${purposeText(purpose)}` : "sign refused: SHA-1")
        return signed.ok ? signed.value : undefined
      },
    },
    createAgentLock(sleep),
  )

  const read = async (): Promise<void> => {
    const items = await keyferry.list()
    if (!items.ok) {
      offered = []
      return
    }
    const views: ItemView[] = []
    for (const item of items.value) {
      if (item.kind !== "ssh-key" && item.kind !== "host" && item.kind !== "identity") continue
      const view = await keyferry.get(item.id)
      // A strict key is closed without the server's answer: not offered, not an error.
      if (view.ok) views.push(view.value)
    }
    offered = offersOf(views)
  }

  const refresh = async (): Promise<void> => {
    if (reading !== undefined) {
      again = true
      return reading
    }
    reading = (async () => {
      do {
        again = false
        await read()
      } while (again)
    })()
    try {
      await reading
    } catch (defect) {
      // Nobody awaits a refresh: a defect ends here, with no key offered.
      offered = []
      log(storyOf(defect))
    } finally {
      reading = undefined
    }
  }

  return Object.freeze({
    serve: (socket: Socket) => serveStream(socket, agent, (defect) => log(storyOf(defect))),
    refresh,
    size: () => offered.length,
  })
}

/** Keys with the hosts that refer to them, directly or through an identity; a key that cannot be read is left out. */
export const offersOf = (views: readonly ItemView[]): readonly Offered[] => {
  const valueOf = (view: ItemView, name: string): string | undefined =>
    view.fields.find((field) => field.name === name)?.value
  const keyOfIdentity = new Map(
    views.filter((view) => view.kind === "identity").map((view) => [view.id, valueOf(view, "key")]),
  )
  const hostKeysOf = (id: string): Uint8Array[] =>
    views
      .filter((view) => view.kind === "host")
      .filter((view) => {
        const credential = valueOf(view, "credential")
        return credential === id || (credential !== undefined && keyOfIdentity.get(credential) === id)
      })
      .flatMap((view) => (valueOf(view, "host-keys") ?? "").split("\n"))
      .map((line) => parsePublicKeyLine(line))
      .flatMap((parsed) => (parsed.ok ? [parsed.value.blob] : []))
  return views
    .filter((view) => view.kind === "ssh-key")
    .flatMap((view) => {
      const parsed = parsePrivateKey(valueOf(view, "private-key") ?? "", valueOf(view, "passphrase"))
      if (!parsed.ok) return []
      const comment = valueOf(view, "comment") ?? view.title
      return [
        {
          key: { blob: parsed.value.blob, comment, hostKeys: hostKeysOf(view.id) },
          privateKey: parsed.value,
          itemId: view.id,
        },
      ]
    })
}

const purposeText = (purpose: Purpose): string => {
  if (purpose.kind === "login") return "in to a host"
  return purpose.kind === "document"
    ? `a ${purpose.namespace === "git" ? "git commit or tag" : "document"}`
    : "something else"
}
