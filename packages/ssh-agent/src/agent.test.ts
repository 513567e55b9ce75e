import { mkdtempSync, rmSync, statSync, writeFileSync, mkdirSync, symlinkSync } from "node:fs"
import { connect } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { duplexPair } from "node:stream"

import { concatBytes, u32be } from "@keyferry/base"
import fc from "fast-check"
import { afterEach, beforeEach, describe, expect, test } from "vitest"

import { createFrameReader, encodeFrame, MAX_FRAME_BYTES } from "./frames.ts"
import {
  type AgentKey,
  type AgentOptions,
  createAgent,
  createAgentLock,
  generateSshKey,
  listenOnSocket,
  parsePrivateKey,
  parsePublicKey,
  RSA_SHA2_512,
  serveStream,
  type SignRequest,
  signWithKey,
  type SshPrivateKey,
  verifySignature,
} from "./index.ts"
import { createReader, wireBool, wireString } from "./wire.ts"

const newKey = (type: Parameters<typeof generateSshKey>[0] = "ed25519"): SshPrivateKey => {
  const key = parsePrivateKey(generateSshKey(type, "k").privateKey)
  if (!key.ok) throw new Error(key.error.code)
  return key.value
}

const signed = (key: SshPrivateKey, message: Uint8Array): Uint8Array => {
  const signature = signWithKey(key, message, RSA_SHA2_512)
  if (!signature.ok) throw new Error(signature.error)
  return signature.value
}

const keys = Array.from({ length: 7 }, () => newKey())
const [first = newKey(), second = newKey()] = keys
const host = newKey()
const otherHost = newKey("ecdsa-p384")
const session = new Uint8Array(32).fill(5)

const world = (options: AgentOptions = {}, entries?: readonly AgentKey[]) => {
  const asked: SignRequest[] = []
  const delays: number[] = []
  const offered =
    entries ??
    keys.map((key, i): AgentKey => ({ blob: key.blob, comment: `key ${i}`, hostKeys: i === 1 ? [host.blob] : [] }))
  const signer = {
    keys: async () => offered,
    sign: async (request: SignRequest) => {
      asked.push(request)
      const key = keys.find((candidate) => Buffer.compare(candidate.blob, request.key.blob) === 0)
      return key && signed(key, request.message)
    },
  }
  const agent = createAgent(
    signer,
    createAgentLock(async (ms) => void delays.push(ms)),
    options,
  )
  return { agent, asked, delays, session: agent.openSession() }
}

const bind = (
  by: SshPrivateKey,
  options: { forwarding?: boolean; session?: Uint8Array; signedSession?: Uint8Array; hostKey?: Uint8Array } = {},
) => {
  const id = options.session ?? session
  return concatBytes(
    Uint8Array.of(27),
    wireString("session-bind@openssh.com"),
    wireString(options.hostKey ?? by.blob),
    wireString(id),
    wireString(signed(by, options.signedSession ?? id)),
    wireBool(options.forwarding === true),
  )
}

const loginMessage = (key: Uint8Array, id = session, hostKey?: Uint8Array) =>
  concatBytes(
    wireString(id),
    Uint8Array.of(50),
    wireString("ada"),
    wireString("ssh-connection"),
    wireString(hostKey === undefined ? "publickey" : "publickey-hostbound-v00@openssh.com"),
    wireBool(true),
    wireString("ssh-ed25519"),
    wireString(key),
    ...(hostKey === undefined ? [] : [wireString(hostKey)]),
  )

const signRequest = (key: Uint8Array, message: Uint8Array, flags = 0) =>
  concatBytes(Uint8Array.of(13), wireString(key), wireString(message), u32be(flags))

const LIST = Uint8Array.of(11)
const FAILURE = Uint8Array.of(5)
const SUCCESS = Uint8Array.of(6)
const EXTENSION_FAILURE = Uint8Array.of(28)

const listed = (answer: Uint8Array): readonly string[] => {
  const reader = createReader(answer)
  expect(reader.byte()).toBe(12)
  const count = reader.uint32() ?? 0
  const comments = Array.from({ length: count }, () => [reader.string(), reader.text()][1] as string)
  expect(reader.isAtEnd()).toBe(true)
  return comments
}

const isSigned = (answer: Uint8Array, key: SshPrivateKey, message: Uint8Array): boolean => {
  const reader = createReader(answer)
  const verifier = parsePublicKey(key.blob)
  if (reader.byte() !== 14 || !verifier.ok) return false
  return verifySignature(verifier.value, message, reader.string() ?? new Uint8Array(0))
}

describe("which keys are offered", () => {
  test("without a binding: all, in their order", async () => {
    expect(listed(await world().session.answer(LIST))).toEqual(keys.map((_key, i) => `key ${i}`))
  })

  test("to a host with keys of its own: those only", async () => {
    const { session: one } = world()
    expect(await one.answer(bind(host))).toEqual(SUCCESS)
    expect(listed(await one.answer(LIST))).toEqual(["key 1"])
  })

  test("to a strange host: the first five", async () => {
    const { session: one } = world()
    expect(await one.answer(bind(otherHost))).toEqual(SUCCESS)
    expect(listed(await one.answer(LIST))).toEqual(["key 0", "key 1", "key 2", "key 3", "key 4"])
  })

  test("a certificate is listed beside its key and signs with it", async () => {
    const certificate = wireString("a certificate")
    const { session: one, asked } = world({}, [
      { blob: first.blob, comment: "c", hostKeys: [], certificates: [certificate] },
    ])
    expect(listed(await one.answer(LIST))).toEqual(["c", "c"])
    const message = loginMessage(certificate)
    expect(isSigned(await one.answer(signRequest(certificate, message)), first, message)).toBe(true)
    expect(asked[0]?.key.blob).toEqual(first.blob)
  })
})

describe("what is signed", () => {
  test("a login on a bound connection, with its user and its proven host", async () => {
    const { session: one, asked } = world()
    await one.answer(bind(host))
    for (const message of [loginMessage(second.blob), loginMessage(second.blob, session, host.blob)]) {
      expect(isSigned(await one.answer(signRequest(second.blob, message)), second, message)).toBe(true)
    }
    expect(asked[0]).toMatchObject({ purpose: { kind: "login", user: "ada" }, hostKey: host.blob, isForwarded: false })
  })

  test.each([
    ["another session", loginMessage(second.blob, new Uint8Array(32).fill(6))],
    ["another host", loginMessage(second.blob, session, otherHost.blob)],
    ["another key", loginMessage(first.blob)],
    ["a document", concatBytes(Buffer.from("SSHSIG"), wireString("git"), wireString("x"))],
    ["anything else", Uint8Array.of(1, 2, 3)],
    ["a login with something behind it", concatBytes(loginMessage(second.blob), Uint8Array.of(0))],
  ])("on a bound connection not for %s", async (_what, message) => {
    const { session: one, asked } = world()
    await one.answer(bind(host))
    expect(await one.answer(signRequest(second.blob, message))).toEqual(FAILURE)
    expect(asked).toEqual([])
  })

  test("documents and old clients' logins without a binding, told apart for the signer", async () => {
    const { session: one, asked } = world()
    const document = concatBytes(
      Buffer.from("SSHSIG"),
      wireString("git"),
      wireString(""),
      wireString("sha512"),
      wireString("h"),
    )
    for (const message of [document, loginMessage(first.blob), Uint8Array.of(9)]) {
      expect(isSigned(await one.answer(signRequest(first.blob, message)), first, message)).toBe(true)
    }
    expect(asked.map((request) => request.purpose.kind)).toEqual(["document", "login", "other"])
    expect(asked[0]?.purpose).toEqual({ kind: "document", namespace: "git" })
    expect(asked.every((request) => request.hostKey === undefined)).toBe(true)
    expect(await one.answer(signRequest(first.blob, loginMessage(second.blob)))).toEqual(FAILURE)
  })

  test("not with an unknown key, and not what the signer refuses", async () => {
    const { session: one } = world({}, [{ blob: host.blob, comment: "not among the signer's", hostKeys: [] }])
    expect(await one.answer(signRequest(first.blob, Uint8Array.of(1)))).toEqual(FAILURE)
    expect(await one.answer(signRequest(host.blob, Uint8Array.of(1)))).toEqual(FAILURE)
  })
})

describe("bindings", () => {
  test.each([
    ["signed by another host", bind(otherHost, { hostKey: host.blob })],
    ["that was signed for another session", bind(host, { signedSession: new Uint8Array(32).fill(6) })],
    ["with something behind it", concatBytes(bind(host), Uint8Array.of(0))],
    ["that is cut off", bind(host).subarray(0, 60)],
    ["without a session id", bind(host, { session: new Uint8Array(0) })],
    ["with a truth value of 2", concatBytes(bind(host).subarray(0, -1), Uint8Array.of(2))],
  ])("one %s is refused, and nothing is listed or signed after it", async (_what, message) => {
    const { session: one, asked } = world()
    expect(await one.answer(message)).toEqual(EXTENSION_FAILURE)
    expect(listed(await one.answer(LIST))).toEqual([])
    expect(await one.answer(signRequest(first.blob, loginMessage(first.blob)))).toEqual(FAILURE)
    expect(await one.answer(bind(host))).toEqual(EXTENSION_FAILURE)
    expect(await one.answer(signRequest(second.blob, loginMessage(second.blob)))).toEqual(FAILURE)
    expect(asked).toEqual([])
  })

  test("a bound connection cannot be bound to another host; the same one may repeat itself", async () => {
    const { session: one } = world()
    await one.answer(bind(host))
    expect(await one.answer(bind(host))).toEqual(SUCCESS)
    expect(await one.answer(bind(otherHost, { session: new Uint8Array(32).fill(8) }))).toEqual(EXTENSION_FAILURE)
    expect(await one.answer(signRequest(second.blob, loginMessage(second.blob)))).toEqual(FAILURE)
  })

  test("bindings belong to their connection", async () => {
    const { agent, session: one } = world()
    await one.answer(bind(otherHost, { hostKey: host.blob }))
    expect(listed(await agent.openSession().answer(LIST))).toHaveLength(7)
  })

  test("a forwarded agent gets nothing by default", async () => {
    const { session: one, asked } = world()
    expect(await one.answer(bind(host, { forwarding: true }))).toEqual(EXTENSION_FAILURE)
    const onward = new Uint8Array(32).fill(9)
    await one.answer(bind(otherHost, { session: onward }))
    expect(listed(await one.answer(LIST))).toEqual([])
    expect(await one.answer(signRequest(second.blob, loginMessage(second.blob, onward)))).toEqual(FAILURE)
    expect(await one.answer(Uint8Array.of(19))).toEqual(FAILURE)
    expect(asked).toEqual([])
  })

  test("no second host for one session, and no chain of more than sixteen hosts", async () => {
    const { session: one } = world({ allowForwarding: true })
    expect(await one.answer(bind(host, { forwarding: true }))).toEqual(SUCCESS)
    expect(await one.answer(bind(otherHost))).toEqual(EXTENSION_FAILURE)
    const { session: two } = world({ allowForwarding: true })
    for (let hop = 0; hop < 16; hop++) {
      expect(await two.answer(bind(host, { forwarding: true, session: new Uint8Array(32).fill(100 + hop) }))).toEqual(
        SUCCESS,
      )
    }
    expect(await two.answer(bind(host, { session }))).toEqual(EXTENSION_FAILURE)
  })

  test("where forwarding is allowed the signer is told so, and the last host counts", async () => {
    const { session: one, asked } = world({ allowForwarding: true })
    const onward = new Uint8Array(32).fill(9)
    expect(await one.answer(bind(otherHost, { forwarding: true }))).toEqual(SUCCESS)
    expect(await one.answer(bind(host, { session: onward }))).toEqual(SUCCESS)
    expect(listed(await one.answer(LIST))).toEqual(["key 1"])
    const message = loginMessage(second.blob, onward)
    expect(isSigned(await one.answer(signRequest(second.blob, message)), second, message)).toBe(true)
    expect(asked[0]).toMatchObject({ isForwarded: true, hostKey: host.blob })
  })
})

describe("hiding and locking", () => {
  const remove = (key: Uint8Array) => concatBytes(Uint8Array.of(18), wireString(key))
  const lock = (text: string) => concatBytes(Uint8Array.of(22), wireString(text))
  const unlock = (text: string) => concatBytes(Uint8Array.of(23), wireString(text))

  test("a removed key is hidden everywhere until it is shown again", async () => {
    const { agent, session: one } = world()
    expect(await one.answer(remove(first.blob))).toEqual(SUCCESS)
    expect(await one.answer(remove(first.blob))).toEqual(FAILURE)
    expect(listed(await agent.openSession().answer(LIST))).toHaveLength(6)
    expect(await one.answer(signRequest(first.blob, loginMessage(first.blob)))).toEqual(FAILURE)
    expect(await one.answer(Uint8Array.of(19))).toEqual(SUCCESS)
    expect(listed(await one.answer(LIST))).toEqual([])
    agent.showAll()
    expect(listed(await one.answer(LIST))).toHaveLength(7)
  })

  test("locked, it lists and signs nothing; only the same passphrase unlocks, and guessing gets slower", async () => {
    const { agent, session: one, delays } = world()
    expect(await one.answer(unlock("a"))).toEqual(FAILURE)
    expect(await one.answer(lock("a"))).toEqual(SUCCESS)
    expect(await one.answer(lock("b"))).toEqual(FAILURE)
    expect(agent.isLocked()).toBe(true)
    expect(listed(await agent.openSession().answer(LIST))).toEqual([])
    expect(await one.answer(signRequest(first.blob, loginMessage(first.blob)))).toEqual(FAILURE)
    expect(await one.answer(remove(first.blob))).toEqual(FAILURE)
    expect(await one.answer(Uint8Array.of(19))).toEqual(FAILURE)
    for (const guess of ["b", "", "aa"]) expect(await one.answer(unlock(guess))).toEqual(FAILURE)
    expect(delays).toEqual([200, 400, 800])
    expect(await one.answer(unlock("a"))).toEqual(SUCCESS)
    expect(listed(await one.answer(LIST))).toHaveLength(7)
  })

  test("a lock that comes while a person is asked wins", async () => {
    const key = first
    let answerPerson: (signature: Uint8Array) => void = () => {}
    const asked = new Promise<Uint8Array>((resolve) => (answerPerson = resolve))
    const agentLock = createAgentLock(async () => {})
    const agent = createAgent(
      { keys: async () => [{ blob: key.blob, comment: "", hostKeys: [] }], sign: () => asked },
      agentLock,
    )
    const one = agent.openSession()
    const message = loginMessage(key.blob)
    const answer = one.answer(signRequest(key.blob, message))
    await agentLock.lock(new Uint8Array(1))
    answerPerson(signed(key, message))
    expect(await answer).toEqual(FAILURE)
  })
})

describe("messages", () => {
  test("everything unknown, empty or malformed is a failure, never a throw", async () => {
    const { session: one } = world()
    for (const type of [0, 1, 5, 9, 12, 17, 20, 21, 25, 26, 200, 255])
      expect(await one.answer(Uint8Array.of(type, 0))).toEqual(FAILURE)
    expect(await one.answer(new Uint8Array(0))).toEqual(FAILURE)
    expect(await one.answer(Uint8Array.of(11, 0))).toEqual(FAILURE)
    expect(await one.answer(concatBytes(Uint8Array.of(27), wireString("query")))).toEqual(FAILURE)
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(11, 13, 18, 22, 23, 27),
        fc.uint8Array({ maxLength: 80 }),
        async (type, payload) => {
          const answer = await world().session.answer(concatBytes(Uint8Array.of(type), payload))
          expect([5, 6, 12, 28]).toContain(answer[0])
        },
      ),
    )
  })

  test("frames come out whole however the stream is cut", () => {
    const messages = fc.array(fc.uint8Array({ minLength: 1, maxLength: 40 }), { maxLength: 6 })
    fc.assert(
      fc.property(messages, fc.integer({ min: 1, max: 9 }), (sent, step) => {
        const stream = concatBytes(...sent.map(encodeFrame))
        const reader = createFrameReader()
        const got: Uint8Array[] = []
        for (let at = 0; at < stream.length; at += step)
          got.push(...(reader.push(stream.subarray(at, at + step)) ?? []))
        expect(got).toEqual(sent)
      }),
    )
  })

  test("a frame of zero bytes or above the limit ends the reading, the largest does not", () => {
    expect(createFrameReader().push(u32be(0))).toBeUndefined()
    expect(createFrameReader().push(u32be(MAX_FRAME_BYTES + 1))).toBeUndefined()
    expect(createFrameReader().push(encodeFrame(new Uint8Array(MAX_FRAME_BYTES)))).toHaveLength(1)
    const reader = createFrameReader()
    expect(reader.push(Uint8Array.of(0xff))).toEqual([])
    expect(reader.push(Uint8Array.of(0xff, 0xff, 0xff))).toBeUndefined()
  })
})

describe("connections", () => {
  let folder = ""
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "agent-"))
  })
  afterEach(() => {
    rmSync(folder, { recursive: true, force: true })
  })
  const none = (defect: unknown): void => {
    throw defect
  }

  test("answers come in the order of the requests, also those read just before the end", async () => {
    const [client, server] = duplexPair()
    serveStream(server, world().agent, none)
    const requests = [LIST, Uint8Array.of(99), signRequest(first.blob, loginMessage(first.blob)), LIST]
    client.end(concatBytes(...requests.map(encodeFrame)))
    const reader = createFrameReader()
    const answers: Uint8Array[] = []
    for await (const chunk of client) answers.push(...(reader.push(new Uint8Array(chunk as Uint8Array)) ?? []))
    expect(answers.map((answer) => answer[0])).toEqual([12, 5, 14, 12])
  })

  test("a frame above the limit cuts the client off", async () => {
    const [client, server] = duplexPair()
    serveStream(server, world().agent, none)
    client.write(u32be(MAX_FRAME_BYTES + 1))
    await new Promise((resolve) => server.once("close", resolve))
    expect(server.destroyed).toBe(true)
  })

  test("a signer that throws cuts the client off and is reported", async () => {
    const [client, server] = duplexPair()
    const agent = createAgent(
      { keys: () => Promise.reject(new Error("broken")), sign: async () => undefined },
      createAgentLock(async () => {}),
    )
    const defect = new Promise((resolve) => serveStream(server, agent, resolve))
    client.write(encodeFrame(LIST))
    expect(await defect).toMatchObject({ message: "broken" })
    expect(server.destroyed).toBe(true)
  })

  test("the socket is private, is in use once, and a leftover is replaced", async () => {
    const path = join(folder, "run", "agent.sock")
    const one = await listenOnSocket(path, world().agent, none)
    if (!one.ok) throw new Error(one.error.code)
    expect(statSync(path).mode & 0o777).toBe(0o600)
    expect(statSync(join(folder, "run")).mode & 0o777).toBe(0o700)
    expect(await listenOnSocket(path, world().agent, none)).toEqual({ ok: false, error: { code: "socket-in-use" } })
    const client = connect(path)
    client.on("error", () => {})
    await new Promise((resolve) => client.once("connect", resolve))
    await one.value.close()
    const again = await listenOnSocket(path, world().agent, none)
    expect(again.ok).toBe(true)
    if (again.ok) await again.value.close()
  })

  test("a file in the socket's place, an open folder and a linked folder are refused", async () => {
    writeFileSync(join(folder, "file"), "mine")
    expect(await listenOnSocket(join(folder, "file"), world().agent, none)).toEqual({
      ok: false,
      error: { code: "socket-unsafe" },
    })
    mkdirSync(join(folder, "open"), { mode: 0o755 })
    expect(await listenOnSocket(join(folder, "open", "s"), world().agent, none)).toEqual({
      ok: false,
      error: { code: "socket-unsafe" },
    })
    symlinkSync(folder, join(folder, "link"))
    expect(await listenOnSocket(join(folder, "link", "s"), world().agent, none)).toEqual({
      ok: false,
      error: { code: "socket-unsafe" },
    })
    const long = join(folder, "x".repeat(120))
    expect(await listenOnSocket(long, world().agent, none)).toMatchObject({
      ok: false,
      error: { code: "socket-failed" },
    })
  })
})
