import { createRequire } from "node:module"
import { join } from "node:path"
import { pathToFileURL } from "node:url"

import { startAnchor, type RunningAnchor } from "../run/anchor.ts"
import { inTime } from "../run/limit.ts"
import { PEERS } from "../run/peers.ts"

/** As much of the library's types as is used here; the package is not part of this repository. */
interface CoMap {
  readonly id: string
  readonly core: {
    readonly waitForSync: () => Promise<unknown>
    readonly subscribe: (listener: () => void) => () => void
  }
  readonly get: (key: string) => unknown
  readonly set: (key: string, value: unknown, privacy: "private") => void
}
interface Node {
  readonly createGroup: () => { readonly createMap: () => CoMap; readonly core: CoMap["core"] }
  readonly load: (id: string) => Promise<CoMap | "unavailable">
  readonly syncManager: {
    readonly addPeer: (peer: unknown) => void
    readonly waitForAllCoValuesSync: () => Promise<unknown>
  }
  readonly gracefulShutdown: () => unknown
}

export interface JazzDevice {
  readonly node: Node
  readonly group: ReturnType<Node["createGroup"]>
  /** A new item, until the server has it. */
  readonly push: (text: string) => Promise<void>
}
export interface Jazz {
  readonly server: RunningAnchor
  readonly device: () => Promise<JazzDevice>
  /** Another node of the same account. */
  readonly second: (of: JazzDevice) => Promise<JazzDevice>
}

/** It loses its connection under load, or waits for ever: that costs its own rows, and no other. */
export class JazzGaveUp extends Error {}

export const orGivesUp = async <T>(work: Promise<T>): Promise<T> => {
  try {
    return await inTime(work, 60_000)
  } catch (error) {
    throw new JazzGaveUp(`Jazz gave up: ${error instanceof Error ? error.message.split("\n")[0] : String(error)}`)
  }
}

export const startJazz = async (folder: string): Promise<Jazz> => {
  const server = await startAnchor("jazz-server.mjs", [PEERS, join(folder, "jazz.db")])
  const require = createRequire(join(PEERS, "package.json"))
  const load = async (name: string): Promise<Record<string, never>> =>
    (await import(pathToFileURL(require.resolve(name)).href)) as Record<string, never>
  const { LocalNode } = (await load("cojson")) as { LocalNode: never }
  const { NapiCrypto } = (await load("cojson/crypto/NapiCrypto")) as { NapiCrypto: never }
  const { createWebSocketPeer } = (await load("cojson-transport-ws")) as { createWebSocketPeer: never }
  const WebSocket = require("ws") as new (url: string) => unknown
  const crypto = await (
    NapiCrypto as { create: () => Promise<Record<string, (...args: unknown[]) => unknown>> }
  ).create()
  const newPeer = (): unknown =>
    (createWebSocketPeer as (options: object) => unknown)({
      id: "server",
      role: "server",
      websocket: new WebSocket(`ws://127.0.0.1:${server.port}`),
      batchingByDefault: false,
    })
  const made = new Map<JazzDevice, { readonly accountID: unknown; readonly accountSecret: unknown }>()
  const deviceOf = (node: Node, group: ReturnType<Node["createGroup"]>): JazzDevice => ({
    node,
    group,
    push: async (text) => {
      const map = group.createMap()
      map.set("v", text, "private")
      await map.core.waitForSync()
    },
  })
  return {
    server,
    device: async () => {
      const { node, accountID, accountSecret } = await (
        LocalNode as { withNewlyCreatedAccount: (o: object) => Promise<Record<string, unknown> & { node: Node }> }
      ).withNewlyCreatedAccount({ creationProps: { name: "bench" }, crypto, peers: [newPeer()] })
      const device = deviceOf(node, node.createGroup())
      await node.syncManager.waitForAllCoValuesSync()
      made.set(device, { accountID, accountSecret })
      return device
    },
    second: async (of) => {
      const { accountID, accountSecret } = made.get(of) ?? {}
      const node = await (LocalNode as { withLoadedAccount: (o: object) => Promise<Node> }).withLoadedAccount({
        accountID,
        accountSecret,
        sessionID: crypto["newRandomSessionID"]?.(accountID),
        crypto,
        peers: [newPeer()],
      })
      return deviceOf(node, of.group)
    },
  }
}

/** Milliseconds from a change at one node to its plaintext at the other. */
export const jazzPropagation = async (jazz: Jazz): Promise<() => Promise<number>> => {
  const a = await jazz.device()
  const map = a.group.createMap()
  map.set("v", "start", "private")
  await map.core.waitForSync()
  const b = await jazz.second(a)
  const seen = await b.node.load(map.id)
  if (seen === "unavailable") throw new Error("Jazz: the second node does not see the first one's value")
  let n = 0
  return async () => {
    const text = `${n++} ${"x".repeat(360)}`
    const began = performance.now()
    await new Promise<void>((resolve) => {
      let isDone = false
      const stop = seen.core.subscribe(() => {
        if (isDone || seen.get("v") !== text) return
        isDone = true
        queueMicrotask(() => stop())
        resolve()
      })
      map.set("v", text, "private")
    })
    return performance.now() - began
  }
}
