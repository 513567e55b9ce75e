import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

import { base64urlToBytes, bytesToBase64url, secret } from "@keyferry/base"
import { afterEach, describe, expect, it } from "vitest"

import { allHandlers } from "../all-handlers.ts"
import {
  codeOf,
  createWorld,
  json,
  makeActive,
  makeDevice,
  must,
  p,
  prepareSignUp,
  reachOf,
  send,
  signIn,
  type TestDevice,
  totpCode,
  type World,
} from "../fixture.ts"
import { decodeSync, doPush, genesisPush, itemId, itemsPush, makePut, writerOf } from "../vaults/fixture.ts"
import { cases } from "./conformance.ts"
import { type Frozen, FROZEN_FILES } from "./freeze.ts"

const folders: string[] = []
const newFolder = (): string => {
  const folder = mkdtempSync(join(tmpdir(), "kf-store-"))
  folders.push(folder)
  return folder
}
let world: World | undefined
afterEach(async () => {
  await world?.close()
  world = undefined
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
})

describe("conformance on SQLite", () => {
  it.each(cases)("$name", ({ run }) => run({ url: `sqlite:${join(newFolder(), "a.db")}`, dialect: "sqlite" }))
})

it("[ST14] a copy of both stores holds no seed, password record, wrap, record or lease key in clear", async () => {
  world = await createWorld(allHandlers)
  const reach = reachOf(world)
  const person = await prepareSignUp(reach)
  await send(reach, person.device, "signup.finish", person.body)
  const otpauth = await makeActive(reach, person)
  const writer = writerOf(person)
  await doPush(reach, writer, await genesisPush(writer))
  const put = await makePut(writer, itemId())
  await doPush(reach, writer, await itemsPush(writer, [put]))
  const { ctx, leases } = world.room()
  await ctx.store.checkpoint()
  await leases.store.checkpoint()
  const copies = readdirSync(world.folder)
    .filter((file) => file.includes(".db"))
    .map((file) => readFileSync(join(world?.folder ?? "", file)))
  const holds = (needle: Uint8Array | string): boolean => copies.some((copy) => copy.includes(needle))
  // The search finds what is there.
  expect([holds(person.accountUuid), holds(person.device.keys.authPk)]).toEqual([true, true])
  const seed = new URL(otpauth).searchParams.get("secret") ?? ""
  expect(holds(seed)).toBe(false)
  expect(holds(base32(seed))).toBe(false)
  expect(holds(person.body.registrationRecord.subarray(40, 80))).toBe(false)
  for (const wrap of person.body.wraps) expect(holds(wrap.subarray(-48))).toBe(false)
  // Its header is signed and public; what it seals is neither.
  expect(holds(put.record.subarray(-100))).toBe(false)
  for (const secretBytes of [
    ctx.opaque.reveal(),
    ...["main.kek", "lease-kek-1"].map((file) => readFileSync(join(world?.folder ?? "", file))),
  ])
    expect(holds(secretBytes.subarray(0, 32))).toBe(false)
})

const base32 = (text: string): Uint8Array => {
  let bits = ""
  for (const c of text) bits += "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".indexOf(c).toString(2).padStart(5, "0")
  return Uint8Array.from(bits.match(/.{8}/g) ?? [], (byte) => Number.parseInt(byte, 2))
}

it("the committed schema is the sum of the migrations", async () => {
  world = await createWorld(allHandlers)
  const committed = readFileSync(join(import.meta.dirname, "schema.sql"), "utf8")
  expect(world.room().ctx.store.schemaText()).toBe(committed)
})

const fixtures = join(import.meta.dirname, "fixtures")
const bytes = (text: string): Uint8Array => base64urlToBytes(text) ?? new Uint8Array()

describe.each(readdirSync(fixtures))("stores that version %s left", (version) => {
  it("are opened: the password, the factor, the lease and the records still work", async () => {
    const folder = newFolder()
    for (const file of FROZEN_FILES) copyFileSync(join(fixtures, version, file), join(folder, file))
    const frozen = JSON.parse(readFileSync(join(fixtures, version, "frozen.json"), "utf8")) as Frozen
    world = await createWorld(allHandlers, { folder })
    const reach = reachOf(world)
    world.clock.add(60_000)
    const { accounts } = await must(reach.call("hello", {}))
    expect(accounts).toBe(1)
    const other = await makeDevice()
    const login = await must(signIn(reach, frozen.accountUuid, frozen.password, other.keys.authPk))
    expect([bytesToBase64url(login.accountId), login.factors]).toEqual([frozen.accountId, ["totp"]])
    const code = await totpCode(frozen.otpauth, world.clock.nowMs())
    expect(await codeOf(reach.call("secondFactor", { accountUuid: frozen.accountUuid, kind: "totp", code }))).toBe("ok")

    const device = await deviceOf(frozen)
    expect(await json(send(reach, device, "account.status"))).toMatchObject({ state: "active" })
    const zero = new Uint8Array(32)
    const body = { account: [1, zero], cursors: [[bytes(frozen.vaultId), 0, zero]], pushes: [], maxBytes: 1 << 20 }
    const { vaults } = decodeSync(await send(reach, device, "sync", body))
    expect(vaults[0]?.records.map(bytesToBase64url).toSorted()).toEqual(frozen.records)
    expect(await world.room().leases.attempts(device.deviceId)).toMatchObject({ locked: false })
  })
})

const deviceOf = async ({ deviceId, sigSeed, authSeed }: Frozen): Promise<TestDevice> => {
  const made = await makeDevice()
  const seed = secret<"SigSeed">(bytes(sigSeed))
  return {
    ...made,
    deviceId: bytes(deviceId),
    sigSeed: seed,
    authSeed: secret<"SigSeed">(bytes(authSeed)),
    signer: { holderId: bytes(deviceId), sign: (message) => p.ed25519Sign(seed.reveal(), message) },
  }
}
