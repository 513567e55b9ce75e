import { EventEmitter } from "node:events"

import { type CborValue, concatBytes, equalBytes, ok } from "@keyferry/base"
import {
  type ByteChannel,
  calls,
  createFrameReader,
  createStrongroomClient,
  decodeFrame,
  encodeFrame,
  serveStrongroom,
  type StrongroomHandlers,
} from "@keyferry/strongroom-api"

import { createFrameReader as createKfReader, encodeFrame as encodeKfFrame } from "../../apps/cli/src/agent/frames.ts"
import { parseAgentMessage, parseClientMessage } from "../../apps/cli/src/agent/messages.ts"
import { serveConnection } from "../../apps/cli/src/agent/serve.ts"
import { VERSION } from "../../apps/cli/src/version.ts"
import { diceOf, makeBytes, makeCbor, mutateBytes, mutateJson } from "./engine/mutate.ts"
import { type FuzzTarget, promise } from "./engine/target.ts"

const id = new Uint8Array(16).fill(1)
const hash = new Uint8Array(32).fill(2)
const limits = { devices: 0, items: 0, bytes: 0 }
const request = {
  method: "POST",
  authority: "keys.example.test",
  path: "/api/v1/sync",
  query: "",
  headers: [["signature", "sig1=:AAAA:"]] as const,
  body: new Uint8Array(20),
}
const device = { deviceId: id, sigPk: hash, kemPk: new Uint8Array(1216), authPk: hash, platform: "p" }
const call = (n: number, name: keyof typeof calls, params: unknown): Uint8Array => {
  const shape = calls[name].params as unknown as { readonly toCbor: (value: unknown) => CborValue }
  return encodeFrame({ kind: "request", id: n, name, params: shape.toCbor(params) })
}
const notice = { commit: 4, accountUuid: "u", audience: [id], event: new Uint8Array(9), closed: [], eventsTo: 2 }
const frames = [
  call(1, "hello", {}),
  call(2, "execute", { request, limits, origins: ["https://keys.example.test"] }),
  call(3, "enrol", { accountUuid: "u", device, tokenHash: hash, limits }),
  call(4, "confirmCode", { tokenHash: hash, code: "123456" }),
  call(5, "events", { after: 0, max: 100 }),
  encodeFrame({ kind: "result", id: 6, result: new Map([[1, "x"]]) }),
  encodeFrame({ kind: "error", id: 7, code: "malformed", detail: "", retryAfterS: 0, serverTimeMs: 0 }),
  encodeFrame({ kind: "notice", notice }),
]
const bodies = frames.map((frame) => frame.subarray(4))

/** What either side says when its peer is not one of ours: the process ends its channel with it. */
const DECLARED =
  /^(frame of \d+ bytes|the server sent something that is not a call|the strongroom sent something that is not a frame)$/

const within = (run: () => void): void => {
  try {
    run()
  } catch (error) {
    if (!(error instanceof Error) || !DECLARED.test(error.message)) throw error
  }
}

/** Every call is answered with an empty map: what is looked at is the way there and back. */
const handlers = new Proxy({} as StrongroomHandlers, { get: () => async () => ok({}) })

const deliver = (): { channel: ByteChannel; receive: (bytes: Uint8Array) => void; sent: Uint8Array[] } => {
  const sent: Uint8Array[] = []
  const listeners: ((bytes: Uint8Array) => void)[] = []
  const channel = {
    send: (bytes: Uint8Array) => void sent.push(bytes),
    onReceive: (listener: (bytes: Uint8Array) => void) => void listeners.push(listener),
    onClose: () => undefined,
  }
  return { channel, sent, receive: (bytes) => listeners.forEach((listener) => listener(bytes)) }
}

const kfMessages = [
  { hello: { version: VERSION, pid: 4, who: "kf ls", folder: "/x" } },
  { id: 1, call: "list", args: [], progress: false },
  { id: 2, call: "get", args: ["itm_a"], progress: true },
  { id: 3, call: "approve", args: ["dev_a", "one two three"] },
  {
    id: 4,
    run: ["ls", "--json"],
    env: { HOME: "/x" },
    terminal: { stdin: true, stdout: true, stderr: true, columns: 80 },
  },
  { id: 5, value: { ok: true, value: { $bytes: "AAAA" } } },
  { id: 6, progress: { step: "opening", done: 1, total: 2 } },
  { change: true },
  { id: 7, call: "importArchive", args: [new Uint8Array(5), {}, "skip"] },
]

export const targets: readonly FuzzTarget[] = [
  {
    name: "strongroom-frames",
    make: (dice) =>
      dice.chance(3)
        ? concatBytes(...Array.from({ length: 3 }, () => dice.pick(frames)))
        : makeBytes([concatBytes(...frames)])(dice),
    run: (input) => {
      const dice = diceOf(input)
      const read = (size: () => number): readonly Uint8Array[] => {
        const got: Uint8Array[] = []
        const push = createFrameReader((frame) => void got.push(frame.slice()))
        within(() => {
          for (let at = 0; at < input.length;) {
            const to = at + size()
            push(input.subarray(at, to))
            at = to
          }
        })
        return got
      }
      const whole = read(() => input.length)
      const pieces = read(() => 1 + dice.below(50))
      promise(
        whole.length === pieces.length && whole.every((one, i) => equalBytes(one, pieces[i] ?? input)),
        "other frames in pieces",
      )
    },
  },
  {
    name: "strongroom-calls",
    make: makeCbor(bodies),
    run: async (input) => {
      const decoded = decodeFrame(input)
      if (decoded !== undefined && decoded.kind !== "error")
        promise(equalBytes(encodeFrame(decoded).subarray(4), input), "a frame with a second form")
      const framed = concatBytes(lengthOf(input), input)
      const served = deliver()
      serveStrongroom(served.channel, handlers, (name, error) => {
        // An empty answer is of the wrong shape for most calls, which is this fixture's doing.
        if (!(error instanceof TypeError)) throw new Error(`${name}: ${String(error)}`)
      })
      within(() => served.receive(framed))
      const asked = deliver()
      const client = createStrongroomClient(asked.channel)
      client.onNotice(() => undefined)
      void client.call("hello", {})
      within(() => {
        try {
          asked.receive(framed)
        } catch (error) {
          // A strongroom that answers in another shape is not ours.
          if (!(error instanceof Error) || !/^answer to \w+ has another shape$/.test(error.message)) throw error
        }
      })
      await new Promise((resolve) => setImmediate(resolve))
      promise(served.sent.length <= 1, "one call, several answers")
    },
  },
  {
    name: "kf-frames",
    make: (dice) =>
      mutateBytes(dice, concatBytes(...kfMessages.slice(0, 3 + dice.below(5)).map((one) => encodeKfFrame(one)))),
    run: (input) => {
      const dice = diceOf(input)
      const read = (size: () => number): { got: unknown[]; refused: boolean } => {
        const reader = createKfReader()
        const got: unknown[] = []
        try {
          for (let at = 0; at < input.length;) {
            const to = at + size()
            got.push(...reader.push(Buffer.from(input.subarray(at, to))))
            at = to
          }
        } catch {
          // Declared: throws on a frame that nobody of ours would send.
          return { got, refused: true }
        }
        return { got, refused: false }
      }
      const whole = read(() => input.length)
      const pieces = read(() => 1 + dice.below(90))
      promise(whole.refused === pieces.refused, "refused in one way, accepted in the other")
      if (!whole.refused) promise(JSON.stringify(whole.got) === JSON.stringify(pieces.got), "other messages in pieces")
    },
  },
  {
    name: "kf-messages",
    make: (dice) => {
      const said = Array.from({ length: 1 + dice.below(4) }, () => {
        const message = dice.pick(kfMessages)
        return encodeKfFrame(
          dice.chance(4)
            ? message
            : mutateJson(dice, message, ["__proto__", "constructor", "agentStop", "close", "watch"]),
        )
      })
      return new Uint8Array(Buffer.concat([encodeKfFrame(kfMessages[0]), ...said]))
    },
    run: async (input) => {
      for (const message of safely(input)) {
        const client = parseClientMessage(message)
        if (client !== undefined && "hello" in client)
          promise(/^[\x20-\x7e]{0,80}$/.test(client.hello.who), "a name that a terminal would act on")
        parseAgentMessage(message)
      }
      const socket = Object.assign(new EventEmitter(), {
        destroyed: false,
        write: () => true,
        destroy: () => undefined,
      })
      const called: string[] = []
      const keyferry = new Proxy({}, { get: (_target, name) => async () => void called.push(String(name)) })
      serveConnection(socket as never, {
        keyferry: keyferry as never,
        folder: "/x",
        pid: 1,
        own: { agentStop: () => true },
        run: async () => ({ again: false, stdout: "", stderr: "", exit: 0 }),
        note: () => undefined,
        afterCall: () => undefined,
        defect: () => undefined,
      })
      socket.emit("data", Buffer.from(input))
      await new Promise((resolve) => setImmediate(resolve))
      promise(
        !called.some((name) => name === "constructor" || name === "then" || name === "__proto__"),
        `reached ${called.join()}`,
      )
    },
  },
]

const lengthOf = (bytes: Uint8Array): Uint8Array => {
  const out = new Uint8Array(4)
  new DataView(out.buffer).setUint32(0, bytes.length)
  return out
}

const safely = (input: Uint8Array): readonly unknown[] => {
  try {
    return createKfReader().push(Buffer.from(input))
  } catch {
    return []
  }
}
