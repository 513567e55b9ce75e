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
  makeDevice,
  must,
  p,
  reachOf,
  send,
  signIn,
  type TestDevice,
  totpCode,
  type World,
} from "../fixture.ts"
import { decodeSync } from "../vaults/fixture.ts"
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
