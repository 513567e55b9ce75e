import { bytesToBase64url, type CborValue, decodeCbor, encodeCbor, equalBytes, type Result, utf8 } from "@keyferry/base"
import { decodeAccountState, decodeVaultState } from "@keyferry/chain"
import { makeSigSeed, sasReplyWords, sigPublicKey, signLabel } from "@keyferry/crypto"
import { nodePrimitives } from "@keyferry/crypto/node"
import { type Failure, isErrorCode, leaseTokenStruct, routeOf, signedLeaseTokenStruct } from "@keyferry/protocol"
import { jsonMessages } from "@keyferry/protocol/schemas"
import {
  type DeviceStore,
  type HttpReply,
  type HttpRequest,
  type Keyferry,
  openKeyferry,
  type Row,
  type SdkPorts,
} from "@keyferry/sdk"
import { createSeededRandom } from "@keyferry/testkit"

import { invite } from "../../apps/server/src/service/operator.ts"
import type { FakeStrongroom } from "../../apps/server/src/testing/fake-strongroom.ts"
import { createWorld as createServerWorld, type World as ServerWorld } from "../../apps/server/src/testing/world.ts"
import { allHandlers } from "../../apps/strongroom/src/all-handlers.ts"
import { createWorld, totpCode, type World } from "../../apps/strongroom/src/fixture.ts"
import { approvalReply, approvalWords } from "../../packages/sdk/src/approval.ts"
import { createDevice } from "../../packages/sdk/src/device.ts"
import * as formats from "../../packages/sdk/src/formats.ts"
import { decodeLabel, decodeProfile, encodeLabel, encodeProfile } from "../../packages/sdk/src/profile.ts"
import { createTransport } from "../../packages/sdk/src/transport.ts"
import { readToken } from "../../packages/sdk/src/lease-token.ts"
import { encodeTree, mutateTree, parseTree, type Tree } from "./engine/cbor-tree.ts"
import { diceOf, makeCbor, mutateBytes, mutateJson } from "./engine/mutate.ts"
import { leaseTokenSample } from "./engine/samples.ts"
import { sampleOf } from "./engine/schema-samples.ts"
import { type Dice, type FuzzTarget, promise } from "./engine/target.ts"

/*
 * The SDK against a server that answers as it likes. The stack behind it is the real one, in memory: server, strongroom,
 * an account with a vault; between them and the device sits whoever changes answers.
 */
const random = createSeededRandom("client")
/** Stretching a password would be all that is measured. */
const primitives = {
  ...nodePrimitives,
  argon2id: (password: Uint8Array, salt: Uint8Array, { length }: { readonly length: number }) =>
    nodePrimitives.hkdfSha512(password, salt, utf8("cheap"), length),
}

/** The rows of a store by table and key, and beside them the device secret. */
type Rows = Map<string, Uint8Array>
const SECRET = "secret -"
const memoryStore = (rows: Rows): DeviceStore => {
  const name = (table: string, key: string): string => `${table} ${key}`
  const write = async (changed: readonly Row[]): Promise<void> => {
    for (const row of changed)
      if (row.value === undefined) rows.delete(name(row.table, row.key))
      else rows.set(name(row.table, row.key), row.value.slice())
  }
  const clear = (): void => {
    for (const key of rows.keys()) if (key !== SECRET) rows.delete(key)
  }
  return {
    format: async () => 2,
    read: async (table, key) => rows.get(name(table, key)),
    list: async (table) =>
      [...rows]
        .filter(([k]) => k.startsWith(`${table} `))
        .map(([k, value]) => ({ key: k.slice(table.length + 1), value })),
    write,
    replace: async (all) => {
      clear()
      await write(all)
    },
    erase: async () => clear(),
    close: async () => undefined,
  }
}

type Answer = (request: HttpRequest) => Promise<HttpReply | undefined>
let nowMs = (): number => 1_800_000_000_000

const portsOf = (rows: Rows, answer: Answer): SdkPorts => ({
  store: memoryStore(rows),
  secrets: {
    load: async () => rows.get(SECRET)?.slice(),
    save: async (bytes) => void rows.set(SECRET, bytes.slice()),
    destroy: async () => void rows.delete(SECRET),
  },
  http: { send: answer, stream: async () => ({ ok: false, error: undefined }) },
  clock: { nowMs: () => nowMs(), monotonicMs: () => performance.now() },
  random: { bytes: (length) => new Uint8Array(crypto.getRandomValues(new Uint8Array(length))) },
  primitives,
  platform: "fuzz",
  client: "fuzz/1",
  failureOf: () => undefined,
  // Only what somebody waits for runs, at once; retries in the background would run into the next input.
  schedule: (run, _delayMs, somebodyWaits = false) => {
    if (somebodyWaits) setImmediate(run)
    return () => undefined
  },
})

// ── the genuine side ─────────────────────────────────────────────────────────────────────────────────────────────
const PASSWORD = "a password of some length"

interface Stage {
  readonly room: World
  readonly server: ServerWorld
  /** A device with an account, locked, and what lies in its store. */
  readonly device: Rows
  readonly titles: readonly string[]
  readonly answer: Answer
  /** Answers that were genuine once: a server can always send them again. */
  readonly recorded: HttpReply[]
}

const openStage = async (): Promise<Stage> => {
  const room = await createWorld(allHandlers, { storeUrl: "sqlite::memory:", leaseStoreUrl: "sqlite::memory:" })
  nowMs = room.clock.nowMs
  const fake = { handlers: room.room().calls, notify: () => undefined } as unknown as FakeStrongroom
  const time = {
    get nowMs() {
      return room.clock.nowMs()
    },
    set nowMs(_ms: number) {},
  }
  const server = await createServerWorld({ fake, time })
  const recorded: HttpReply[] = []
  const answer: Answer = async (request) => {
    const url = new URL(request.url)
    // Each request of its own network: limits are somebody else's test.
    const from = `10.${recorded.length % 250}.${Math.floor(recorded.length / 250) % 250}.${(request.body?.length ?? 1) % 250}`
    const reply = await server.app.inject({
      method: request.method as "GET" | "POST",
      url: `${url.pathname}${url.search}`,
      headers: { ...request.headers, host: url.host, "x-forwarded-for": from },
      ...(request.body === undefined ? {} : { payload: Buffer.from(request.body) }),
    })
    const got = {
      status: reply.statusCode,
      contentType: reply.headers["content-type"]?.toString() ?? "",
      body: new Uint8Array(reply.rawPayload),
    }
    recorded.push(got)
    if (recorded.length > 300) recorded.splice(0, 100)
    return got
  }
  const device: Rows = new Map()
  const kf = await opened(portsOf(device, answer))
  const invitation = must(await invite(server.context), "invitation")
  must(
    await kf.signUp({ link: invitation.link, address: "ada@example.com", password: PASSWORD, deviceName: "fuzz" }),
    "sign-up",
  )
  const { otpauth } = must(await kf.twoFactorStart(), "second factor")
  must(await kf.twoFactorConfirm(await totpCode(otpauth, nowMs())), "second factor")
  const titles = ["One", "Two", "Three"]
  for (const title of titles)
    must(
      await kf.add({ kind: "note", title, fields: [{ name: "text", value: `text of ${title}`, secret: true }] }),
      "item",
    )
  must(await kf.syncOn({ items: "all", autoNew: true }), "sync on")
  must(await kf.syncNow(), "sync")
  const waiting = must(
    await kf.add({ kind: "note", title: "Waiting", fields: [{ name: "text", value: "not sent yet", secret: true }] }),
    "item",
  )
  promise(waiting.custody !== "synced", "the edit that was to wait did not")
  await kf.lock()
  await kf.close()
  return { room, server, device, titles: [...titles, "Waiting"], answer, recorded }
}

const must = <T>(result: Result<T, Failure>, what: string): T => {
  if (!result.ok) throw new Error(`${what}: ${result.error.code} ${result.error.detail ?? ""}`)
  return result.value
}

const opened = async (ports: SdkPorts): Promise<Keyferry> =>
  must(await openKeyferry(ports), "opening the device's store")

let stage: Stage | undefined
let used = 0
const stageNow = async (): Promise<Stage> => {
  if (stage !== undefined && used++ < 120) return stage
  await closeStage()
  used = 0
  stage = await openStage()
  return stage
}
const closeStage = async (): Promise<void> => {
  await stage?.server.close()
  await stage?.room.close()
  stage = undefined
}

// ── whoever sits between ─────────────────────────────────────────────────────────────────────────────────────────
const changeReply = (
  dice: Dice,
  request: HttpRequest,
  genuine: HttpReply,
  recorded: readonly HttpReply[],
): HttpReply | undefined => {
  const route = routeOf(request.method, new URL(request.url).pathname)
  switch (dice.below(7)) {
    case 0:
      return dice.chance(3)
        ? undefined
        : { ...genuine, status: dice.pick([200, 204, 301, 400, 401, 404, 409, 413, 426, 429, 500, 503]) }
    case 1:
      return recorded.length === 0 ? genuine : dice.pick(recorded)
    case 2: {
      if (route === undefined || !(route in jsonMessages)) return genuine
      const { reply } = jsonMessages[route as keyof typeof jsonMessages]
      return { ...genuine, status: 200, body: utf8(JSON.stringify(sampleOf(reply, dice))) }
    }
    case 3:
      return { ...genuine, body: mutateBytes(dice, genuine.body) }
    default:
      return { ...genuine, body: changeBody(dice, genuine.body, recorded) }
  }
}

const changeBody = (dice: Dice, body: Uint8Array, recorded: readonly HttpReply[]): Uint8Array => {
  try {
    return utf8(JSON.stringify(mutateJson(dice, JSON.parse(Buffer.from(body).toString("utf8")))) ?? "null")
  } catch {
    const tree = parseTree(body)
    if (tree === undefined) return mutateBytes(dice, body)
    const others = recorded
      .slice(-4)
      .map(({ body: other }) => parseTree(other))
      .filter((other): other is Tree => other !== undefined)
    return encodeTree(mutateTree(dice, tree, others))
  }
}

const checkResult = (what: string, result: unknown): void => {
  promise(typeof result === "object" && result !== null && "ok" in result, `${what} answered no result`)
  const known = result as Result<unknown, Failure>
  if (known.ok) return
  const { code } = known.error as { readonly code: unknown }
  promise(
    typeof code === "string" && isErrorCode(code),
    `${what} failed with ${String(code)}, which is not in the table`,
  )
}

const STEPS: Readonly<Record<string, (kf: Keyferry, dice: Dice) => Promise<unknown>>> = {
  status: async (kf) => ({ ok: true, value: await kf.status({ fresh: true }) }),
  devices: (kf) => kf.devices(),
  sync: (kf) => kf.syncNow(),
  edit: async (kf, dice) => {
    const list = await kf.list()
    if (!list.ok || list.value.length === 0) return list
    return kf.edit(dice.pick(list.value).id, { fields: [{ name: "text", value: `edited ${dice.below(1000)}` }] })
  },
  history: async (kf, dice) => {
    const list = await kf.list()
    if (!list.ok || list.value.length === 0) return list
    return kf.history(dice.pick(list.value).id)
  },
  factor: (kf) => kf.twoFactorCheck("totp", "123456"),
  codes: (kf) => kf.recoveryCodes(),
  resume: (kf) => kf.syncResume(),
  approve: (kf) => kf.approveStart("dev_aaaaaaaaaaaaaaaaaaaaaaaaaa"),
  deny: (kf) => kf.denyDevice("dev_aaaaaaaaaaaaaaaaaaaaaaaaaa"),
  mail: (kf) => kf.requestMail(),
  unlock: (kf) => kf.unlock(PASSWORD),
  evidence: (kf) => kf.evidence(),
}
const FRESH_STEPS: Readonly<Record<string, (kf: Keyferry) => Promise<unknown>>> = {
  login: (kf) =>
    kf.loginStart({
      server: "http://localhost:8420",
      address: "ada@example.com",
      password: PASSWORD,
      deviceName: "new",
    }),
  factor: (kf) => kf.loginSecondFactor("totp", "123456"),
  confirmation: (kf) => kf.confirmation(),
  mail: (kf) => kf.requestMail(),
  recover: (kf) =>
    kf.recoverStart({
      server: "http://localhost:8420",
      kitCode: "KF1-0000-0000-0000-0000-0000-0000-0000-0000-0000",
      deviceName: "new",
    }),
}

// ── pieces of it by themselves ───────────────────────────────────────────────────────────────────────────────────
const tokenSeed = makeSigSeed(random)
const tokenPk = await sigPublicKey(primitives, tokenSeed)
const signToken = async (payload: Uint8Array): Promise<Uint8Array> =>
  signedLeaseTokenStruct.encode({
    payload,
    signature: await signLabel(primitives, tokenSeed, "kf1/lease-token", payload),
  })
const tokenPayload = leaseTokenStruct.encode(leaseTokenSample)
const tokenBytes = await signToken(tokenPayload)
const tokenAccount = {
  server: { leaseTokenPk: tokenPk },
  deviceId: leaseTokenSample.deviceId,
  leaseId: leaseTokenSample.leaseId,
}

const isStruct = (
  value: unknown,
): value is {
  decode: (bytes: Uint8Array, max: number) => Result<unknown, unknown>
  encode: (value: never) => Uint8Array
} => typeof value === "object" && value !== null && "decode" in value && "encode" in value
const rowShapes = Object.entries(formats).flatMap(([name, shape]) => (isStruct(shape) ? [[name, shape] as const] : []))
const id16 = random.bytes(16)
const id32 = random.bytes(32)
const rowSamples = [
  formats.deviceRecord.encode({ version: 1, mode: 1, saltOn: id32, saltOff: id32 }),
  formats.settingsRow.encode({
    syncOn: true,
    autoNew: false,
    credentials: true,
    lastSyncMs: 1,
    logId: id16,
    commit: 4,
  }),
  formats.graceBundle.encode({ standardKey: id32, token: tokenBytes, highWaterMs: 1, unlocks: 50 }),
  formats.localBundle.encode({ standardKey: id32, strictKey: id32 }),
  formats.evidenceRow.encode({ code: "chain-forked", atMs: 1, detail: "d", known: id32 }),
  formats.chainRow.encode({ links: [id32, id16], mac: id32 }),
  encodeProfile({ name: "Personal", credentials: true, left: [[id16, 3, 1]] }),
  encodeLabel({ name: "laptop", platform: "Linux" }),
]

const enrolment = {
  purpose: 1,
  server: { origin: "http://localhost:8420", deploymentId: "dep", opaquePk: id32, leaseTokenPk: tokenPk },
  accountUuid: "u",
  accountId: id32,
  address: "ada@example.com",
  deviceId: id16,
  deviceName: "new",
  sigSeed: id32,
  kemSeed: id32,
  authSeed: id32,
  session: "A".repeat(43),
  step: 3,
  factors: ["totp"],
  leaseId: id16,
  leasePk: id32,
  password: PASSWORD,
  state: "confirmed",
  approver: true,
} as const satisfies formats.Enrolment

/** What an approver says, by the keys of spec/devices.md: 1 type, 3 account, 4 approver, 5 seq, 6 head, 7 nonce, 13 payload, 15 exchange. */
const relaySamples = [
  { type: 2, 3: id32, 4: id16, 5: 1, 6: id32, 7: id32 },
  { type: 4, 13: random.bytes(400), 15: id32 },
  { type: 6, 15: id32 },
  { type: 9, 15: id32 },
].map(({ type, ...rest }) =>
  encodeTree({
    kind: "map",
    entries: [[1, type] as const, ...Object.entries(rest)].map(([key, value]) => [
      { kind: "uint", value: BigInt(key) } as const,
      typeof value === "number"
        ? ({ kind: "uint", value: BigInt(value) } as const)
        : ({ kind: "bytes", bytes: value } as const),
    ]),
  }),
)

/** An answer to the commitment that was sent, as a server that listened gives it. */
const answering = (body: string, commit: CborValue | undefined): string => {
  const decoded = decodeCbor(new Uint8Array(Buffer.from(body, "base64url")), 20_000)
  if (commit === undefined || !decoded.ok || !(decoded.value instanceof Map) || decoded.value.get(1) !== 2) return body
  const { value } = decoded
  const fields = [...value].filter(([key]) => typeof key === "number" && key !== 2) as [number, CborValue][]
  return bytesToBase64url(encodeCbor(new Map([...fields, [2, commit] as const].toSorted(([a], [b]) => a - b))))
}

/** An event without an end: whoever listens hangs up before it has kept more than the largest that there can be. */
const flood = async (ports: SdkPorts): Promise<void> => {
  const chunk = utf8("data: ".padEnd(1024 * 1024, "A"))
  let isClosed = false
  let keepOn: () => void = () => undefined
  const http = {
    send: async () => undefined,
    stream: async (_request: HttpRequest, onChunk: (chunk: Uint8Array) => void) => {
      keepOn = () => {
        for (let i = 0; i < 80 && !isClosed; i++) onChunk(chunk)
      }
      return { ok: true, value: { close: () => void (isClosed = true), closed: Promise.resolve() } } as const
    },
  }
  await createTransport({ ...ports, http }, "http://localhost:8420").events(
    "feed",
    new Uint8Array(1),
    {},
    () => undefined,
  )
  keepOn()
  promise(isClosed, "80 MiB of one event, and still listening")
}

export const targets: readonly FuzzTarget[] = [
  {
    name: "relay-messages",
    make: (dice) => {
      const mutate = makeCbor(relaySamples)
      const said = Array.from({ length: 1 + dice.below(4) }, (_, i) =>
        dice.chance(2) ? (relaySamples[i] ?? dice.bytes(4)) : (mutate(dice) as Uint8Array),
      )
      return utf8(JSON.stringify(said.map(bytesToBase64url)))
    },
    run: async (input) => {
      const bodies = JSON.parse(Buffer.from(input).toString("utf8")) as readonly string[]
      let read = 0
      let commit: CborValue | undefined
      const ports = portsOf(new Map([[SECRET, id32]]), async (request) => {
        const route = routeOf(request.method, new URL(request.url).pathname)
        if (route === "enrol.relay-send") {
          const { body } = JSON.parse(Buffer.from(request.body ?? new Uint8Array()).toString("utf8")) as {
            body: string
          }
          const sent = decodeCbor(new Uint8Array(Buffer.from(body, "base64url")), 20_000)
          if (sent.ok && sent.value instanceof Map && sent.value.get(1) === 1) commit = sent.value.get(2)
        }
        if (route !== "enrol.relay-read") return { status: 200, contentType: "", body: utf8('{"n":1}') }
        if (read++ > 3) return { status: 404, contentType: "", body: utf8("{}") }
        const messages = bodies
          .map((body, i) => ({ n: i + 1, from: "approver", body: answering(body, commit) }))
          .slice(read - 1, read)
        return { status: 200, contentType: "", body: utf8(JSON.stringify({ messages })) }
      })
      const device = must(await createDevice(ports, () => undefined), "device")
      const box = { current: enrolment as formats.Enrolment }
      const words = await approvalWords(device, box)
      checkResult("approvalWords", words)
      if (!words.ok) return
      promise(equalBytes(words.value.side.transcript.uid, enrolment.accountId), "words about another account")
      const typed = sasReplyWords(primitives, words.value.side.transcript).join(" ")
      const done = await approvalReply(device, box, words.value.side, typed, (work) => work())
      checkResult("approvalReply", done)
      promise(!done.ok, "an approval that nobody signed went through")
    },
  },
  {
    name: "lease-tokens",
    make: async (dice) => {
      if (dice.chance(2)) return makeCbor([tokenBytes])(dice)
      const tree = parseTree(tokenPayload)
      const payload = tree === undefined ? tokenPayload : encodeTree(mutateTree(dice, tree))
      return payload.length > 512 ? tokenBytes : signToken(payload)
    },
    run: async (input) => {
      const read = await readToken({ ports: { primitives } } as never, tokenAccount as never, input)
      if (!read.ok) return
      promise(equalBytes(read.value.deviceId, tokenAccount.deviceId), "a token of another device")
      promise(equalBytes(read.value.leaseId, tokenAccount.leaseId), "a token of another lease")
      const signed = signedLeaseTokenStruct.decode(input, 4096)
      promise(signed.ok, "accepted, and does not decode")
      const again = await signToken(signed.value.payload)
      promise(equalBytes(again, input), "a token that the strongroom did not sign")
    },
  },
  {
    name: "device-rows",
    make: makeCbor(rowSamples),
    run: (input) => {
      for (const [name, shape] of rowShapes) {
        const decoded = shape.decode(input, 1 << 20)
        if (decoded.ok) promise(equalBytes(shape.encode(decoded.value as never), input), `${name} has a second form`)
      }
      decodeProfile(input)
      decodeLabel(input)
      decodeAccountState(input)
      decodeVaultState(input)
    },
  },
  {
    name: "server-answers",
    make: (dice) => dice.bytes(16),
    run: async (input) => {
      const { device, titles, answer, recorded } = await stageNow()
      const dice = diceOf(input)
      const isFresh = dice.chance(5)
      const rows: Rows = isFresh ? new Map() : new Map([...device].map(([key, value]) => [key, value.slice()]))
      let hostile = false
      let calls = 0
      const ports = portsOf(rows, async (request) => {
        const genuine = await answer(request)
        // A server that never lets a conversation end is told from one that does by the number of its answers.
        promise(calls++ < 300, "the device keeps asking and asking")
        return hostile && genuine !== undefined && dice.chance(2)
          ? changeReply(dice, request, genuine, recorded)
          : genuine
      })
      const kf = await opened(ports)
      const steps = isFresh ? FRESH_STEPS : STEPS
      if (!isFresh) {
        hostile = dice.chance(6)
        const unlocked = await kf.unlock(PASSWORD)
        checkResult("unlock", unlocked)
        promise(
          unlocked.ok || hostile,
          `unlocking failed on an honest server: ${unlocked.ok ? "" : unlocked.error.code}`,
        )
      }
      hostile = true
      for (let i = 1 + dice.below(4); i > 0; i--) {
        calls = 0
        const name = dice.pick(Object.keys(steps))
        checkResult(name, await steps[name]?.(kf, dice))
      }
      hostile = false
      calls = 0
      if (!isFresh) {
        // Whatever a server said: nothing that lay here is gone.
        if ((await kf.status()).lock === "locked") {
          const again = await kf.unlock(PASSWORD)
          checkResult("unlock", again)
          promise(again.ok, `the device does not open any more: ${again.ok ? "" : again.error.code}`)
        }
        const list = must(await kf.list(), "list")
        for (const title of titles)
          promise(
            list.some((one) => one.title === title),
            `${title} is gone`,
          )
        checkResult("sync", await kf.syncNow())
      }
      await kf.lock()
      await kf.close()
    },
    close: closeStage,
  },
  {
    name: "feed-streams",
    make: (dice) => mutateBytes(dice, utf8("event: change\ndata: AAAA\n\n: ping\n\ndata: QUJD\ndata: REVG\n\n")),
    run: async (input) => {
      const dice = diceOf(input)
      const events: string[] = []
      const ports = portsOf(new Map(), async () => undefined)
      const cut = (size: () => number): Promise<unknown> =>
        createTransport(
          {
            ...ports,
            http: {
              send: async () => undefined,
              stream: async (_request, onChunk) => {
                for (let at = 0; at < input.length;) {
                  const to = at + size()
                  onChunk(input.subarray(at, to))
                  at = to
                }
                return { ok: true, value: { close: () => undefined, closed: Promise.resolve() } }
              },
            },
          },
          "http://localhost:8420",
        ).events("feed", new Uint8Array(1), {}, (event) => void events.push(event))
      if (dice.chance(2000)) await flood(ports)
      await cut(() => input.length)
      const whole = events.splice(0)
      await cut(() => 1 + dice.below(9))
      promise(JSON.stringify(whole) === JSON.stringify(events), "other events in pieces")
    },
  },
]
