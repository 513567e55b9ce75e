import { bytesToBase64url, bytesToHex, encodeCbor, formatId, u32be } from "@keyferry/base"
import { bootstrapRequestStruct, historyRequestStruct, syncRequestStruct } from "@keyferry/protocol"
import type { Executed, SignedRequest } from "@keyferry/strongroom-api"
import { afterAll, beforeAll, describe, expect, test } from "vitest"

import {
  bodyBytes,
  enrolDevice,
  makeActive,
  makeDevice,
  must,
  NO_LIMITS,
  ORIGIN,
  type Person,
  random,
  send,
  signRequest,
  signUp,
  tokenHashOf,
} from "../../apps/strongroom/src/fixture.ts"
import {
  doPush,
  doSync,
  genesisPush,
  itemId,
  putPush,
  syncBody,
  vaultOf,
  type Writer,
  writerOf,
} from "../../apps/strongroom/src/vaults/fixture.ts"
import { startStrongroomUnderAttack, type StrongroomUnderAttack } from "../world/strongroom-process.ts"

/*
 * The API tier is taken over: it has the channel to the strongroom, every request that goes through it, and may call
 * whatever the contract has, in any order, with any values. It has no key of any device.
 */
let room: StrongroomUnderAttack
let ada: Person
let writer: Writer
let secretItem: Uint8Array

beforeAll(async () => {
  room = await startStrongroomUnderAttack()
  ada = await signUp(room.reach)
  await makeActive(room.reach, ada)
  writer = writerOf(ada)
  await doPush(room.reach, writer, await genesisPush(writer))
  secretItem = itemId()
  await doPush(room.reach, writer, await putPush(writer, secretItem, { text: "the secret of ada" }))
})
afterAll(() => room.close())

const execute = (request: SignedRequest, origins = [ORIGIN]): Promise<Executed> =>
  must(room.client().call("execute", { request, limits: NO_LIMITS, origins }))
const READS = (): readonly (readonly [
  "sync" | "bootstrap" | "history" | "account.keys" | "account.chain",
  Uint8Array,
])[] => [
  ["sync", syncRequestStruct.encode(syncBody(writer, { cursors: [[vaultOf(writer).id, 0, new Uint8Array(32)]] }))],
  ["bootstrap", bootstrapRequestStruct.encode({ vaultId: vaultOf(writer).id, maxBytes: 1e6 })],
  ["history", historyRequestStruct.encode({ vaultId: vaultOf(writer).id, itemId: secretItem })],
  ["account.keys", new Uint8Array()],
  ["account.chain", new Uint8Array()],
]

describe("KM-09", () => {
  test("KM-09 hostile server: without a signature, with one of its own, or with one for another request, nothing is read out", async () => {
    const evil = await makeDevice()
    for (const [route, body] of READS()) {
      const honest = await signRequest(route, ada.device.authSeed, ada.device.deviceId, body, room.reach.nowMs())
      const forged = await signRequest(route, evil.authSeed, ada.device.deviceId, body, room.reach.nowMs())
      const ownKey = await signRequest(route, evil.authSeed, evil.deviceId, body, room.reach.nowMs())
      const other = await signRequest(
        "account.status",
        ada.device.authSeed,
        ada.device.deviceId,
        new Uint8Array(),
        room.reach.nowMs(),
      )
      for (const [what, request] of [
        ["no headers", { ...honest, headers: [] }],
        ["a forged signature", forged],
        ["its own key", ownKey],
        ["the signature of another request", { ...honest, headers: other.headers }],
        ["another body", { ...honest, body: Uint8Array.from([...body, 0]) }],
        ["another query", { ...honest, query: "x=1" }],
      ] as const) {
        const answer = await execute(request)
        expect([route, what, answer.body.length, answer.status >= 400]).toEqual([route, what, 0, true])
      }
      // The one that is signed is carried out once.
      expect((await execute(honest)).status).toBe(200)
      expect((await execute(honest)).code).toBe("replay-rejected")
    }
  })

  test("KM-09 hostile server: requests that it hoards are worth nothing a minute later, nor after a restart of the strongroom", async () => {
    const hoard = await Promise.all(
      READS().map(([route, body]) =>
        signRequest(route, ada.device.authSeed, ada.device.deviceId, body, room.reach.nowMs()),
      ),
    )
    await room.kill()
    await room.start()
    for (const request of hoard.slice(0, 2)) expect((await execute(request)).code).toBe("clock-skew")
    const fresh = await Promise.all(
      READS().map(([route, body]) =>
        signRequest(route, ada.device.authSeed, ada.device.deviceId, body, room.reach.nowMs()),
      ),
    )
    room.advance(61_000)
    for (const request of fresh) expect((await execute(request)).code).toBe("clock-skew")
  })

  test("X-59 hostile server: it enrols a device of its own for somebody, confirms it with the operator's call, and reads: the chain and what is wrapped to slots, no record, no key of a device", async () => {
    const enrolled = await enrolDevice(room.reach, ada)
    await must(room.client().call("operatorConfirm", { code: enrolled.answer.code }))
    const ask = (route: Parameters<typeof send>[2], body: unknown = {}) =>
      send(room.reach, enrolled.device, route, body)
    expect((await ask("enrol.chain")).status).toBe(200)
    for (const [route, body] of READS()) {
      if (route === "account.chain") continue
      const answer = await execute(
        await signRequest(route, enrolled.device.authSeed, enrolled.device.deviceId, body, room.reach.nowMs()),
      )
      expect([route, answer.code, answer.body.length]).toEqual([route, "device-not-verified", 0])
    }
    // Ada is told: every step left an event that the next honest server mails.
    const { events } = await must(room.client().call("events", { after: 0, max: 1000 }))
    expect(events.map((e) => e.kind)).toEqual(expect.arrayContaining(["device-pending", "device-confirmed"]))
  })

  test("X-60 hostile server: whatever order it calls in, it makes no device active, no factor, no slot and no link", async () => {
    const before = await must(room.client().call("accounts", {}))
    const uuid = ada.accountUuid
    const attempts = [
      () => room.client().call("secondFactor", { accountUuid: uuid, kind: "totp", code: "000000" }),
      () => room.client().call("secondFactor", { accountUuid: uuid, kind: "none", code: "" }),
      () => room.client().call("confirmFirst", { accountUuid: uuid }),
      () =>
        room.client().call("loginFinish", {
          loginId: "x",
          finishLoginRequest: random.bytes(64),
          authPk: random.bytes(32),
          binding: random.bytes(32),
        }),
      () =>
        room.client().call("leaseReset", {
          accountUuid: uuid,
          deviceId: ada.device.deviceId,
          leaseId: random.bytes(16),
          attempt: 0,
          slotId: random.bytes(16),
          signature: random.bytes(64),
          authPk: ada.device.keys.authPk,
        }),
      () => room.client().call("confirmCode", { tokenHash: tokenHashOf(random.bytes(32)), code: "000000" }),
      () => room.client().call("enrolState", { accountUuid: uuid, deviceId: ada.device.deviceId }),
      () => room.client().call("deleteAccount", { accountUuid: uuid }),
      () =>
        room.client().call("enrol", {
          accountUuid: "nobody",
          device: ada.device.keys,
          tokenHash: random.bytes(32),
          limits: NO_LIMITS,
        }),
      () =>
        room.client().call("enrol", {
          accountUuid: uuid,
          device: ada.device.keys,
          tokenHash: random.bytes(32),
          limits: NO_LIMITS,
        }),
      () =>
        room
          .client()
          .call("registerStart", { accountUuid: uuid, registrationRequest: random.bytes(32), device: ada.device.keys }),
    ]
    for (const attempt of attempts) await attempt()
    const after = await must(room.client().call("accounts", {}))
    expect(after.accounts.map((x) => ({ ...x, devices: 0 }))).toEqual(
      before.accounts.map((x) => ({ ...x, devices: 0 })),
    )
    // Still there, still whole, still hers.
    const reply = await doSync(room.reach, writer, { cursors: [[vaultOf(writer).id, 0, new Uint8Array(32)]] })
    expect(reply.vaults[0]?.records.length).toBe(1)
  })

  test("X-61 hostile server: limits and origins are all that it decides: a smaller plan refuses, no origin lets another one's signature in", async () => {
    const body = bodyBytes("sync", syncBody(writer))
    const phished = await signRequest("sync", ada.device.authSeed, ada.device.deviceId, body, room.reach.nowMs(), {
      authority: "keys.evil.example",
    })
    expect((await execute(phished)).code).toBe("signature-invalid")
    // It may claim any origin: then the signature is over exactly that one, and the person's device signed it for there.
    expect((await execute(phished, ["https://keys.other.example"])).code).toBe("signature-invalid")
    const push = await putPush({ ...writer, hashes: new Map(writer.hashes) }, itemId())
    const answer = await send(room.reach, ada.device, "sync", syncBody(writer, { pushes: [push] }), {
      limits: { devices: 1, items: 1, bytes: 1 },
    })
    expect(answer.status).toBe(200)
    expect(bytesToHex(answer.body)).toContain(Buffer.from("item-limit").toString("hex"))
  })
})

describe("the channel", () => {
  const frame = (value: Parameters<typeof encodeCbor>[0]): Uint8Array => {
    const bytes = encodeCbor(value)
    return new Uint8Array(Buffer.concat([u32be(bytes.length), bytes]))
  }

  test("X-62 hostile server: calls that do not exist, values of other shapes and a thousand at once: each is answered, none breaks another", async () => {
    for (const [i, [name, params]] of [
      ["toString", new Map()],
      ["constructor", new Map()],
      ["__proto__", new Map()],
      ["", new Map()],
      ["hello", new Map([[9, 1]])],
      ["execute", null],
      ["execute", new Map()],
      [
        "events",
        new Map([
          [1, "x"],
          [2, true],
        ] as never),
      ],
      ["enrol", []],
    ].entries() as IterableIterator<[number, [string, never]]>)
      room.write(frame([7_000_001 + i, name, params]))
    const many = await Promise.all(
      Array.from({ length: 1000 }, () => room.client().call("events", { after: 2 ** 52, max: 2 ** 52 })),
    )
    expect(many.every((r) => r.ok)).toBe(true)
    expect((await room.client().call("hello", {})).ok).toBe(true)
  })

  test.each([
    ["a frame that is no CBOR", Buffer.concat([u32be(3), Buffer.from([0xff, 0xff, 0xff])])],
    ["a length that nobody sends", Buffer.from([0xff, 0xff, 0xff, 0xff])],
    ["an answer to a question that it did not ask", undefined],
    ["an HTTP request", Buffer.from("GET / HTTP/1.1\r\nHost: x\r\n\r\n")],
  ])(
    "X-63 hostile server: %s ends the strongroom at once, and what was committed is there afterwards",
    async (_, bytes) => {
      const own = await startStrongroomUnderAttack()
      try {
        const person = await signUp(own.reach)
        own.write(new Uint8Array(bytes ?? frame([1, 0, new Map()])))
        const code = await own.stop()
        expect(code).toBe(1)
        await own.start()
        const { accounts } = await must(own.client().call("accounts", {}))
        expect(accounts.map((x) => x.accountUuid)).toEqual([person.accountUuid])
      } finally {
        await own.close()
      }
    },
  )

  test("X-64 hostile server: texts as ids, and ids as texts: a deviceId of another account's does not move it", async () => {
    const eve = await signUp(room.reach)
    await makeActive(room.reach, eve)
    const answers = [
      await room.client().call("enrolState", { accountUuid: eve.accountUuid, deviceId: ada.device.deviceId }),
      await room.client().call("enrolMail", {
        accountUuid: eve.accountUuid,
        deviceId: ada.device.deviceId,
        tokenHash: random.bytes(32),
      }),
      await room.client().call("leaseReset", {
        accountUuid: eve.accountUuid,
        deviceId: ada.device.deviceId,
        leaseId: random.bytes(16),
        attempt: 1,
        slotId: random.bytes(16),
        signature: random.bytes(64),
        authPk: ada.device.keys.authPk,
      }),
    ]
    expect(answers.filter((a) => a.ok)).toEqual([])
    const denied = await send(room.reach, eve.device, "devices.deny", {
      deviceId: formatId("dev", ada.device.deviceId),
    })
    expect(denied.code).toBe("not-found")
    expect(bytesToBase64url(new Uint8Array(2)).length).toBe(3)
  })
})
