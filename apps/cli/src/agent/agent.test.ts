import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"

import { afterEach, beforeEach, expect, test } from "vitest"

import { err, ok } from "@keyferry/base"
import { failure } from "@keyferry/sdk/errors"

import type { Keyferry } from "../keyferry.ts"
import { agentFilePath, isPrivate, readAgentFile, socketFolder } from "../places.ts"
import { FAKE_STATUS, fakeItem, fakeKeyferry } from "../test/fake-keyferry.ts"
import { VERSION } from "../version.ts"
import { openChannel } from "./channel.ts"
import { findAgent, stopAgent } from "./connect.ts"
import { createFrameReader, encodeFrame } from "./frames.ts"
import { type Agent, type AgentPorts, startAgent } from "./host.ts"
import { createAgentCalls, createRemoteKeyferry } from "./remote.ts"

let folder = ""
let nowMs = 0
let tick: () => void = () => undefined
const running: Agent[] = []

beforeEach(() => {
  folder = join(mkdtempSync(join(tmpdir(), "kf-agent-")), "default")
  nowMs = 1_000_000
})

afterEach(async () => {
  for (const agent of running.splice(0)) await agent.stop()
  rmSync(join(folder, ".."), { recursive: true, force: true })
})

const start = async (keyferry: Keyferry, over: Partial<AgentPorts> = {}): Promise<Agent> => {
  const agent = await startAgent({
    folder,
    env: {},
    clock: { nowMs: () => nowMs },
    open: async () => ok(keyferry),
    run: async () => ({ again: false, stdout: "out", stderr: "", exit: 0 }),
    log: () => undefined,
    every: (_ms, run) => {
      tick = run
      return () => undefined
    },
    ...over,
  })
  if (agent === "other" || !agent.ok) throw new Error("the agent did not start")
  running.push(agent.value)
  return agent.value
}

const remote = async (who = "kf test") => {
  const channel = await findAgent({ folder, who, say: () => undefined })
  if (channel === undefined) throw new Error("no agent")
  return { channel, keyferry: createRemoteKeyferry(channel), agent: createAgentCalls(channel) }
}

test("calls, failures, bytes and progress travel; the answer is the SDK's own", async () => {
  const item = fakeItem()
  await start(
    fakeKeyferry({
      list: async () => ok([item]),
      get: async () => err({ code: "rate-limited", detail: "why", retryAfterS: 7 }),
      exportArchive: async ({ passphrase }) => ok(new TextEncoder().encode(passphrase ?? "")),
      importArchive: async (bytes, key, mode) =>
        ok({ added: bytes.length, skipped: 0, different: [], refused: [key.passphrase ?? "", mode] }),
      syncNow: async (onProgress) => {
        onProgress?.({ step: "uploading", done: 1, total: 2 })
        onProgress?.({ step: "uploading", done: 2, total: 2 })
        return ok({ sent: 2, received: 0 })
      },
    }),
  )
  const { keyferry, channel } = await remote()
  expect(await keyferry.list()).toEqual(ok([item]))
  expect(await keyferry.get("itm_x")).toEqual(err({ code: "rate-limited", detail: "why", retryAfterS: 7 }))
  expect(await keyferry.exportArchive({ passphrase: "abc" })).toEqual(ok(new TextEncoder().encode("abc")))
  expect(await keyferry.importArchive(new Uint8Array(300), { passphrase: "p" }, "skip")).toEqual(
    ok({ added: 300, skipped: 0, different: [], refused: ["p", "skip"] }),
  )
  const seen: number[] = []
  expect(await keyferry.syncNow((progress) => seen.push(progress.done))).toEqual(ok({ sent: 2, received: 0 }))
  expect(seen).toEqual([1, 2])
  expect(await keyferry.syncNow()).toEqual(ok({ sent: 2, received: 0 }))
  channel.close()
})

test("an approval answers its reply at once and its end later", async () => {
  const finish = Promise.withResolvers<Awaited<ReturnType<Keyferry["removeDevice"]>>>()
  await start(
    fakeKeyferry({
      approve: async (id, words) =>
        ok({ reply: [id, words], done: finish.promise.then(() => err(failure("approval-mismatch"))) }),
    }),
  )
  const { keyferry, channel } = await remote()
  const answer = await keyferry.approve("dev_x", "one two three")
  if (!answer.ok) throw new Error("refused")
  expect(answer.value.reply).toEqual(["dev_x", "one two three"])
  finish.resolve(err(failure("internal")))
  expect(await answer.value.done).toEqual(err(failure("approval-mismatch")))
  channel.close()
})

test("a change is told to whoever listens, until they stop", async () => {
  const listeners = new Set<() => void>()
  await start(
    fakeKeyferry({
      onChange: (listener) => {
        listeners.add(listener)
        return () => listeners.delete(listener)
      },
    }),
  )
  const { keyferry, channel } = await remote()
  const told = Promise.withResolvers<void>()
  keyferry.onChange(() => told.resolve())
  await keyferry.list()
  for (const listener of listeners) listener()
  await told.promise
  const before = listeners.size
  channel.close()
  await expect.poll(() => listeners.size).toBe(before - 1)
})

test("a defect is told as internal, with its story in the log only", async () => {
  const logged: string[] = []
  await start(
    fakeKeyferry({
      list: async () => {
        throw new Error("secret-in-a-message")
      },
    }),
    { log: (line) => logged.push(line) },
  )
  const { keyferry, channel } = await remote()
  const answer = await keyferry.list()
  expect(answer).toMatchObject({ ok: false, error: { code: "internal" } })
  expect(JSON.stringify(answer)).not.toContain("secret-in-a-message")
  channel.close()
})

test("one agent a profile: a second one is told so", async () => {
  await start(fakeKeyferry())
  const second = await startAgent({
    folder,
    env: {},
    clock: { nowMs: () => nowMs },
    open: async () => ok(fakeKeyferry()),
    run: async () => ({ again: false, stdout: "", stderr: "", exit: 0 }),
    log: () => undefined,
    every: () => () => undefined,
  })
  expect(second).toBe("other")
})

test("files, sockets and folders are for this user alone", async () => {
  const agent = await start(fakeKeyferry())
  expect(statSync(folder).mode & 0o777).toBe(0o700)
  expect(statSync(agentFilePath(folder)).mode & 0o777).toBe(0o600)
  for (const path of [agent.socket, agent.sshSocket]) {
    expect(statSync(path).mode & 0o777).toBe(0o600)
    expect(isPrivate(join(path, ".."))).toBe(true)
  }
})

test("a folder that others can enter is not trusted", async () => {
  const agent = await start(fakeKeyferry())
  chmodSync(folder, 0o755)
  expect(readAgentFile(folder)).toBeUndefined()
  expect(await findAgent({ folder, who: "kf test", say: () => undefined })).toBeUndefined()
  chmodSync(folder, 0o700)
  chmodSync(join(agent.socket, ".."), 0o755)
  expect(await findAgent({ folder, who: "kf test", say: () => undefined })).toBeUndefined()
  chmodSync(join(agent.socket, ".."), 0o700)
})

test("a socket that a dead agent left is replaced", async () => {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const sockets = socketFolder(folder, {}, tmpdir())
  mkdirSync(sockets, { recursive: true, mode: 0o700 })
  const left = join(sockets, "agent.sock")
  writeFileSync(left, "")
  writeFileSync(
    agentFilePath(folder),
    JSON.stringify({ pid: 999_999, version: VERSION, socket: left, sshSocket: `${left}.ssh` }),
    { mode: 0o600 },
  )
  expect(await findAgent({ folder, who: "kf test", say: () => undefined })).toBeUndefined()
  await start(fakeKeyferry())
  const { keyferry, channel } = await remote()
  expect(await keyferry.list()).toEqual(ok([]))
  channel.close()
})

test("an agent of another version is stopped with a sentence", async () => {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const path = join(folder, "old.sock")
  let stopped = false
  const old = createServer((socket) => {
    const reader = createFrameReader()
    socket.on("error", () => undefined)
    socket.on("data", (chunk: Buffer) => {
      for (const message of reader.push(chunk)) {
        if (JSON.stringify(message).includes('"hello"'))
          socket.write(encodeFrame({ hello: { version: "0.0.1", pid: 1, folder } }))
        if (!JSON.stringify(message).includes("agentStop")) continue
        stopped = true
        rmSync(agentFilePath(folder))
        socket.end()
        old.close()
      }
    })
  })
  await new Promise<void>((resolve) => old.listen(path, resolve))
  writeFileSync(agentFilePath(folder), JSON.stringify({ pid: 1, version: "0.0.1", socket: path, sshSocket: path }), {
    mode: 0o600,
  })
  const said: string[] = []
  expect(await findAgent({ folder, who: "kf test", say: (sentence) => said.push(sentence) })).toBeUndefined()
  expect(stopped).toBe(true)
  expect(said).toEqual([`The agent was version 0.0.1; it was restarted as version ${VERSION}, so the vault is locked.`])
})

test("a client of another version may stop the agent and nothing else", async () => {
  const agent = await start(fakeKeyferry({ list: async () => ok([fakeItem()]) }))
  const talk = (message: object): Promise<string> =>
    new Promise((resolve) => {
      void import("node:net").then(({ connect }) => {
        const socket = connect(agent.socket)
        let got = ""
        socket.on("data", (chunk: Buffer) => (got += chunk.toString("latin1")))
        socket.once("close", () => resolve(got))
        socket.on("error", () => undefined)
        socket.write(encodeFrame({ hello: { version: "9.9.9", pid: 1, who: "kf", folder } }))
        socket.write(encodeFrame({ id: 1, args: [], ...message }))
      })
    })
  expect(await talk({ call: "list" })).not.toContain("itm_")
  await talk({ call: "agentStop" })
  await agent.stopped
})

test("nonsense on the socket ends that connection and nothing else", async () => {
  const agent = await start(fakeKeyferry())
  const { connect } = await import("node:net")
  for (const bytes of [
    Buffer.from("GET / HTTP/1.1\r\n\r\n"),
    Buffer.from("ffffffffff", "hex"),
    encodeFrame({ id: 1, call: "list", args: [] }),
  ]) {
    await new Promise<void>((resolve) => {
      const socket = connect(agent.socket)
      socket.on("error", () => undefined)
      socket.once("close", () => resolve())
      socket.write(bytes)
    })
  }
  const { keyferry, channel } = await remote()
  expect(await keyferry.list()).toEqual(ok([]))
  channel.close()
})

test("the vault is locked when its time is over, and not before", async () => {
  let locks = 0
  await start(
    fakeKeyferry({
      status: async () => ({ ...FAKE_STATUS, unlockedUntilMs: 5_000_000 }),
      lock: async () => void locks++,
    }),
  )
  const { agent, channel } = await remote()
  await agent.lockAfter(60_000)
  nowMs += 59_000
  tick()
  await agent.status()
  expect(locks).toBe(0)
  nowMs += 1_000
  tick()
  await expect.poll(() => locks).toBe(1)
  nowMs = 5_000_000
  tick()
  await expect.poll(() => locks).toBe(2)
  channel.close()
})

test("an agent whose profile was deleted ends by itself", async () => {
  const agent = await start(fakeKeyferry())
  rmSync(agentFilePath(folder))
  tick()
  await agent.stopped
  expect(existsSync(agent.socket)).toBe(false)
})

test("an agent with nothing to hold ends when nobody has asked for ten minutes", async () => {
  const agent = await start(fakeKeyferry({ status: async () => ({ ...FAKE_STATUS, mode: "none", lock: "no-vault" }) }))
  nowMs += 9 * 60_000
  tick()
  const channel = await openChannel(agent.socket, "kf test", folder)
  expect(channel).toBeDefined()
  channel?.close()
  nowMs += 2 * 60_000
  await expect.poll(() => (tick(), existsSync(agent.socket))).toBe(false)
  await agent.stopped
})

test("who asked for what is listed for an hour, by name of command only", async () => {
  await start(fakeKeyferry({ list: async () => ok([fakeItem({ title: "Top secret title" })]) }))
  const { keyferry, agent, channel } = await remote("kf ls")
  await keyferry.list()
  const { asked } = await agent.status()
  expect(asked).toMatchObject([{ who: "kf ls", what: "list" }])
  expect(JSON.stringify(asked)).not.toContain("Top secret title")
  nowMs += 61 * 60_000
  expect((await agent.status()).asked).toEqual([])
  channel.close()
})

test("kf agent stop stops it and says whether there was one", async () => {
  const agent = await start(fakeKeyferry())
  expect(await stopAgent(folder, "kf agent stop")).toBe(true)
  await agent.stopped
  expect(readAgentFile(folder)).toBeUndefined()
  expect(await stopAgent(folder, "kf agent stop")).toBe(false)
})

test("a store that cannot be opened is told by its code, and the lock is given back", async () => {
  const ports: AgentPorts = {
    folder,
    env: {},
    clock: { nowMs: () => nowMs },
    open: async () => err(failure("schema-newer")),
    run: async () => ({ again: false, stdout: "", stderr: "", exit: 0 }),
    log: () => undefined,
    every: () => () => undefined,
  }
  expect(await startAgent(ports)).toEqual(err(failure("schema-newer")))
  await start(fakeKeyferry())
})
