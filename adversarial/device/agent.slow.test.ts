import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs"
import { connect, createServer, type Socket } from "node:net"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"

import { ok } from "@keyferry/base"
import { openNodeKeyferry } from "@keyferry/sdk/node"
import { afterEach, beforeEach, describe, expect, test } from "vitest"

import { findAgent } from "../../apps/cli/src/agent/connect.ts"
import { createFrameReader, encodeFrame } from "../../apps/cli/src/agent/frames.ts"
import { type Agent, startAgent } from "../../apps/cli/src/agent/host.ts"
import { METHODS } from "../../apps/cli/src/agent/methods.ts"
import { agentFilePath, isPrivate, socketFolder } from "../../apps/cli/src/places.ts"
import { fakeKeyferry } from "../../apps/cli/src/test/fake-keyferry.ts"
import { VERSION } from "../../apps/cli/src/version.ts"
import { must } from "../world/world.ts"

/*
 * The agent's socket: what another program of the same machine can do with it. Another user cannot enter its folder; another
 * program of the same user is past every defence, but must not be able to confuse or crash what it does not speak with.
 */
let home: string
let folder: string
let agent: Agent
let approval: PromiseWithResolvers<never>
const called: string[] = []
const defects: string[] = []

const PORTS = {
  env: {},
  clock: { nowMs: () => Date.now() },
  run: async () => ({ again: false, stdout: "", stderr: "", exit: 0 }),
  log: (line: string) => void defects.push(line),
  every: () => () => undefined,
}
const LEAVING: ReadonlySet<string> = new Set(["signOut", "lock", "createLocal", "rescue"])

beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), "kf-agent-"))
  folder = join(home, "default")
  called.length = 0
  approval = Promise.withResolvers()
  const fake = fakeKeyferry({
    list: async () => ok([]),
    signOut: async () => ok(undefined),
    approve: async () => ok({ reply: ["one", "two"], done: approval.promise }),
  })
  const keyferry = new Proxy(fake, {
    get: (target, name) => {
      if (typeof name === "string") called.push(name)
      return Reflect.get(target, name) as unknown
    },
  })
  const started = await startAgent({ ...PORTS, folder, open: async () => ok(keyferry) })
  if (started === "other" || !started.ok) throw new Error("no agent")
  agent = started.value
})
afterEach(async () => {
  await agent.stop()
  rmSync(home, { recursive: true, force: true })
})

const HELLO = { hello: { version: VERSION, pid: 1, who: "attacker", folder: "" } }
const open = (): Promise<Socket> =>
  new Promise((resolve) => {
    const socket = connect(agent.socket)
    socket.on("error", () => undefined)
    socket.once("connect", () => resolve(socket))
  })
/** What comes back, and whether the agent ended the connection. */
/** Until the agent has answered each frame or ended the connection. */
const talk = async (
  ...frames: readonly Uint8Array[]
): Promise<{ readonly messages: readonly unknown[]; readonly ended: boolean }> => {
  const socket = await open()
  const reader = createFrameReader()
  const messages: unknown[] = []
  let ended = false
  const settled = Promise.withResolvers<void>()
  socket.on("data", (chunk: Buffer) => {
    messages.push(...reader.push(chunk))
    if (messages.length >= frames.length) settled.resolve()
  })
  socket.once("close", () => {
    ended = true
    settled.resolve()
  })
  for (const frame of frames) socket.write(frame)
  const limit = setTimeout(settled.resolve, 20_000)
  await settled.promise
  clearTimeout(limit)
  socket.destroy()
  return { messages, ended }
}
const alive = async (): Promise<boolean> =>
  (await talk(encodeFrame(HELLO), encodeFrame({ id: 1, call: "list", args: [] }))).messages.length === 2

describe("the socket", () => {
  test("X-73 other user: sockets and their folders are the owner's alone; the profile's folder too", () => {
    for (const path of [agent.socket, agent.sshSocket]) {
      expect(statSync(path).mode & 0o077).toBe(0)
      expect(isPrivate(dirname(path))).toBe(true)
    }
    expect(isPrivate(folder)).toBe(true)
    expect(statSync(agentFilePath(folder)).mode & 0o077).toBe(0)
    // Wherever the path ends up, also if the profile lies too deep for a socket.
    const deep = join(home, "x".repeat(120))
    expect(socketFolder(deep, {}, tmpdir()).length).toBeLessThan(100)
  })

  test("X-74 other user: a socket in a folder that others may enter, or that a link leads to, is never spoken to: no password goes there", async () => {
    await agent.stop()
    const shared = join(home, "shared")
    mkdirSync(shared)
    chmodSync(shared, 0o777)
    const heard: string[] = []
    const trap = createServer((socket) => socket.on("data", (chunk: Buffer) => heard.push(chunk.toString())))
    const path = join(shared, "agent.sock")
    await new Promise<void>((resolve) => trap.listen(path, () => resolve()))
    const announce = (socket: string): void =>
      writeFileSync(agentFilePath(folder), JSON.stringify({ pid: 1, version: VERSION, socket, sshSocket: socket }), {
        mode: 0o600,
      })
    announce(path)
    expect(await findAgent({ folder, who: "kf unlock", say: () => undefined })).toBeUndefined()
    symlinkSync(shared, join(folder, "link"))
    announce(join(folder, "link", "agent.sock"))
    expect(await findAgent({ folder, who: "kf unlock", say: () => undefined })).toBeUndefined()
    // A profile folder that others may write to is not believed at all.
    announce(agent.socket)
    chmodSync(folder, 0o777)
    expect(await findAgent({ folder, who: "kf unlock", say: () => undefined })).toBeUndefined()
    chmodSync(folder, 0o700)
    expect(heard).toEqual([])
    await new Promise((resolve) => trap.close(resolve))
  })
})

describe("what it is told", () => {
  test("X-75 other program: nothing before the hello, nothing in another version but its end, and no method that is not in the list", async () => {
    const early = await talk(encodeFrame({ id: 1, call: "list", args: [] }))
    expect([early.messages, early.ended]).toEqual([[], true])
    const old = await talk(
      encodeFrame({ hello: { ...HELLO.hello, version: "0.0.0-old" } }),
      encodeFrame({ id: 1, call: "list", args: [] }),
    )
    expect(old.ended).toBe(true)
    called.length = 0
    for (const call of [
      "close",
      "onChange",
      "constructor",
      "__proto__",
      "toString",
      "hasOwnProperty",
      "then",
      "",
      "agentStop\u0000",
      "lock.constructor",
    ]) {
      const answer = await talk(encodeFrame(HELLO), encodeFrame({ id: 1, call, args: [] }))
      expect([call, JSON.stringify(answer.messages[1] ?? {}).includes("native code")]).toEqual([call, false])
    }
    expect(called.filter((name) => ["close", "constructor", "toString", "then"].includes(name))).toEqual([])
    expect(await alive()).toBe(true)
  })

  test("X-76 other program: frames that are no JSON, too long, too deep, cut, or that would be prototypes: the connection ends, the agent does not", async () => {
    const raw = (text: string): Uint8Array => {
      const body = Buffer.from(text)
      const head = Buffer.alloc(4)
      head.writeUInt32BE(body.length)
      return Buffer.concat([head, body])
    }
    const head = (length: number): Uint8Array => {
      const out = Buffer.alloc(4)
      out.writeUInt32BE(length)
      return out
    }
    for (const frame of [
      raw("{"),
      raw("\u0000\u0001"),
      head(0xffffffff),
      raw(`${"[".repeat(200_000)}${"]".repeat(200_000)}`),
      raw('{"id":1,"call":"list","args":{"length":1e9}}'),
      raw('{"id":"1","call":"list","args":[]}'),
      raw("null"),
      raw("[]"),
      raw('{"hello":null}'),
    ]) {
      const { messages, ended } = await talk(encodeFrame(HELLO), frame)
      // It may have answered the hello, nothing else.
      expect([messages.length <= 1, ended]).toEqual([true, true])
    }
    const polluted = await talk(
      encodeFrame(HELLO),
      raw(
        '{"id":1,"call":"list","args":[{"__proto__":{"polluted":true}},{"constructor":{"prototype":{"polluted":true}}}]}',
      ),
    )
    expect(polluted.messages.length).toBe(2)
    expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined()
    // Half a frame and away; many of them.
    for (let i = 0; i < 50; i++) {
      const socket = await open()
      socket.write(head(1000))
      socket.destroy()
    }
    expect(await alive()).toBe(true)
  })

  test("X-77 other program: who asked is written as it is: no control characters, no more than a line", async () => {
    await talk(
      encodeFrame({ hello: { ...HELLO.hello, who: "\u001b[2Jkf unlock\nkf status\u202e" + "x".repeat(500) } }),
      encodeFrame({ id: 1, call: "list", args: [] }),
    )
    await talk(encodeFrame(HELLO), encodeFrame({ id: 1, call: "x".repeat(100_000), args: [] }))
    const { messages } = await talk(encodeFrame(HELLO), encodeFrame({ id: 1, call: "agentStatus", args: [] }))
    const text = JSON.stringify(messages[1])
    expect(text).toContain("kf unlock")
    expect(text).not.toMatch(/\\u001b|\\n|\\u202e|x{100}/)
    expect(defects.join("\n")).not.toMatch(/password/i)
  })

  test("X-105 other program: calls with arguments of any shape are each answered, and nothing is thrown where nobody waits", async () => {
    await agent.stop()
    const shapes = [
      [],
      [null],
      [1],
      ["x"],
      [{}],
      [[]],
      [{ id: null, items: 1, password: {} }],
      [{ kind: 1, fields: 7 }],
    ]
    const lost: unknown[] = []
    const hear = (error: unknown): void => void lost.push(error)
    process.on("unhandledRejection", hear)
    for (const state of ["none", "open", "locked"] as const) {
      const own = join(home, state)
      const keyferry = must(await openNodeKeyferry({ folder: join(own, "store") }))
      if (state !== "none") must(await keyferry.createLocal("correct horse battery"))
      if (state === "locked") await keyferry.lock()
      // What would end this profile, or wait for a person or a server, is not what is asked here.
      const calls = [...Object.keys(METHODS), "approve"].filter((name) => !LEAVING.has(name))
      const started = await startAgent({ ...PORTS, folder: own, open: async () => ok(keyferry) })
      if (started === "other" || !started.ok) throw new Error("no agent")
      agent = started.value
      for (const call of calls) {
        const frames = shapes.map((args, i) => encodeFrame({ id: i, call, args, progress: i % 2 === 0 }))
        const { messages } = await talk(encodeFrame(HELLO), ...frames)
        expect([call, messages.length]).toEqual([call, 1 + shapes.length])
      }
      expect(await alive()).toBe(true)
      if (state !== "locked") await agent.stop()
    }
    process.off("unhandledRejection", hear)
    expect(lost).toEqual([])
  })

  test("X-105 other program: what an approval ends with after the program went away does not end the agent", async () => {
    const lost: unknown[] = []
    const hear = (error: unknown): void => void lost.push(error)
    process.on("unhandledRejection", hear)
    const { messages } = await talk(encodeFrame(HELLO), encodeFrame({ id: 1, call: "approve", args: ["dev", "words"] }))
    expect(JSON.stringify(messages[1])).toContain("ticket")
    approval.reject(new TypeError("a defect"))
    await new Promise((resolve) => setTimeout(resolve, 50))
    process.off("unhandledRejection", hear)
    expect(lost).toEqual([])
    expect(defects.join("\n")).toContain("TypeError")
    expect(await alive()).toBe(true)
  })
})
