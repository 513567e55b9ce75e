import { cpSync, rmSync } from "node:fs"
import { join } from "node:path"

import { compareBytes, formatId, parseId } from "@keyferry/base"
import { decodeWrapEntry } from "@keyferry/crypto"
import {
  accountKeysReplyStruct,
  PUSH_ACCEPTED,
  repairReplyStruct,
  repairRequestStruct,
  syncReplyStruct,
  syncRequestStruct,
} from "@keyferry/protocol"
import type { Keyferry } from "@keyferry/sdk"
import { createNodeHttp } from "@keyferry/sdk/node"
import { afterEach, beforeEach, describe, expect, test } from "vitest"

import { runOperatorCommand } from "../../apps/server/src/operator/commands.ts"
import { createWorld, enrolByKit, login, must, PASSWORD, signUpWithSync, until, type World } from "./world.ts"

/*
 * A server whose stores were put back to an earlier copy, with the newest lease store, as the operator page says; and one
 * that only says so.
 */
const NEW_PASSWORD = "another good password"
const LEASES = /lease/
let world: World
let a: Keyferry
let b: Keyferry
let kit: string
/** Recovery codes: each works at once, where an authenticator makes one in thirty seconds. */
let codes: string[]

const server = (): string => world.folderOf("server")
const backup = (): string => world.folderOf("backup")
const copyAway = async (): Promise<void> => {
  await world.stop()
  cpSync(server(), backup(), { recursive: true })
  await world.start()
}
/** Everything but the lease store goes back to what it was. */
const putBack = async (): Promise<void> => {
  await world.stop()
  cpSync(server(), world.folderOf("newest"), { recursive: true })
  rmSync(server(), { recursive: true })
  cpSync(backup(), server(), { recursive: true, filter: (from) => !LEASES.test(from.slice(backup().length)) })
  cpSync(join(world.folderOf("newest"), "strongroom"), join(server(), "strongroom"), {
    recursive: true,
    filter: (from) =>
      LEASES.test(from.slice(world.folderOf("newest").length)) || from === join(world.folderOf("newest"), "strongroom"),
  })
  await world.start()
}
const titles = async (kf: Keyferry): Promise<readonly string[]> =>
  must(await kf.list())
    .map((item) => `${item.title} ${item.custody}`)
    .toSorted()
const failsWith = async (work: Promise<{ readonly ok: boolean }>, wanted: string): Promise<void> =>
  expect(await work).toMatchObject({ ok: false, error: { code: wanted } })

/** As a server hands out the pages of a first read. Printed ids stand in another order: digits are the last of base32. */
const inOrderOfBytes = (one: string, other: string): number => {
  const [a, b] = [parseId("itm", one), parseId("itm", other)]
  if (!a.ok || !b.ok) throw new Error("not the id of an item")
  return compareBytes(a.value, b.value)
}

const nextCode = (): string => codes.pop() ?? ""

beforeEach(async () => {
  world = await createWorld()
  a = await world.device("a")
  kit = (await signUpWithSync(world, a)).kit
  codes = [...must(await a.recoveryCodes()).codes]
  b = await world.device("b")
  await enrolByKit(world, b, { password: PASSWORD, kit, code: nextCode(), factor: "recovery-code", name: "Desk" })
  must(await b.syncOn({ items: "all", autoNew: true }))
  for (const title of ["one", "two", "three"]) must(await a.add(login(title)))
  must(await a.syncNow())
  must(await b.syncNow())
}, 120_000)
afterEach(() => world.close())

describe("a server that was restored to an older copy", () => {
  test("[SY90] [SY93] [SY94] [SY96] serves nothing but repair until a device has brought back what was lost; then all devices agree", async () => {
    await copyAway()
    const [one, two] = must(await a.list())
    must(await a.edit(one?.id ?? "", { title: "one renamed" }))
    must(await a.remove(two?.id ?? ""))
    must(await a.syncNow())
    const c = await world.device("c")
    await enrolByKit(world, c, { password: PASSWORD, kit, code: nextCode(), factor: "recovery-code", name: "Travel" })
    must(await c.syncOn({ items: "all", autoNew: true }))
    must(await c.add(login("four")))
    must(await c.syncNow())
    must(await a.twoFactorCheck("recovery-code", nextCode()))
    must(await a.changePassword({ password: PASSWORD, newPassword: NEW_PASSWORD, exposed: true }))
    must(await b.syncNow())
    must(await b.add(login("five")))
    must(await b.syncNow())
    must(await a.syncNow())
    must(await c.syncNow())
    const agreed = await titles(a)
    expect(await titles(b)).toEqual(agreed)
    await putBack()

    await failsWith(a.syncNow(), "chain-rolled-back")
    await failsWith(b.syncNow(), "chain-rolled-back")
    await failsWith(c.syncNow(), "device-not-enrolled")
    expect(await titles(b)).toEqual(agreed)
    expect((await a.status()).sync.state).toBe("refused")
    must(await b.add(login("while it was away")))

    const losses = await runOperatorCommand(server(), { command: "loss-ls" }, true)
    expect(JSON.parse(losses.out)).toMatchObject([{ address: "ada@example.org" }])
    const report = must(await a.repair())
    expect(report).toMatchObject({ passwordLost: true, rotated: false, vaults: [{ state: "in-step", anew: 0 }] })
    expect(report.accountLinks).toBe(2)
    expect(report.vaults[0]?.links).toBeGreaterThan(4)
    expect(JSON.parse((await runOperatorCommand(server(), { command: "loss-ls" }, true)).out)).toEqual([])

    must(await b.syncNow())
    must(await a.syncNow())
    // The device that the restored store had forgotten is back; an unlock proves that it is the same.
    await c.lock()
    must(await c.unlock(PASSWORD))
    must(await c.syncNow())
    for (const kf of [a, b, c]) expect(await titles(kf)).toEqual([...agreed, "while it was away synced"].toSorted())

    const again = { server: world.origin(), address: "ada@example.org", deviceName: "New" }
    const d = await world.device("d")
    await failsWith(d.loginStart({ ...again, password: NEW_PASSWORD }), "wrong-credentials")
    await failsWith(b.registerPassword({ newPassword: NEW_PASSWORD }), "second-factor-needed")
    must(await b.twoFactorCheck("recovery-code", nextCode()))
    must(await b.registerPassword({ newPassword: NEW_PASSWORD }))
    await enrolByKit(world, d, { password: NEW_PASSWORD, kit, code: nextCode(), factor: "recovery-code", name: "New" })
    must(await d.syncOn({ items: "none", autoNew: true }))
    expect(await titles(d)).toEqual(await titles(a))
  }, 180_000)

  test("[SY95] [SY97] a vault that was frozen thaws by a repair, and a fork only when a person takes the server's side; nothing is lost", async () => {
    must(await b.syncOff())
    await copyAway()
    must(await a.add(login("four")))
    // A link of its own, however long its way takes.
    must(await a.syncNow())
    const one = must(await a.list()).find(({ title }) => title === "one")
    must(await a.edit(one?.id ?? "", { title: "one renamed" }))
    must(await a.syncNow())
    // Everything goes back, the lease store too: the server cannot know that it lost something, and the device does.
    await world.stop()
    rmSync(server(), { recursive: true })
    cpSync(backup(), server(), { recursive: true })
    await world.start()
    await failsWith(a.syncNow(), "chain-rolled-back")
    expect((await a.status()).sync.state).toBe("frozen")
    must(await a.edit(one?.id ?? "", { title: "one renamed while frozen" }))
    expect(must(await a.evidence())[0]).toMatchObject({ code: "chain-rolled-back" })
    expect(must(await a.repair()).vaults).toMatchObject([{ state: "thawed", links: 2 }])
    expect((await a.status()).sync.state).not.toBe("frozen")
    must(await a.syncNow())
    must(await b.syncOn({ items: "all", autoNew: true }))
    expect(await titles(b)).toEqual(await titles(a))
    expect(await titles(b)).toContain("one renamed while frozen synced")

    must(await b.syncOff())
    await copyAway()
    must(await a.add(login("five")))
    must(await a.syncNow())
    await putBack()
    // The operator gives it up, and another device goes on from there.
    const refused = await runOperatorCommand(server(), { command: "loss-accept", account: "nobody@example.org" }, false)
    expect(refused.exitCode).not.toBe(0)
    const accepted = await runOperatorCommand(server(), { command: "loss-accept", account: "ada@example.org" }, false)
    expect(accepted.out).toMatch(
      /^Accepted: ada@example\.org \(acc_\w+\): vault ends at step \d+, step \d+ was certainly stored/,
    )
    must(await b.syncOn({ items: "all", autoNew: true }))
    must(await b.add(login("six")))
    must(await b.syncNow())
    expect(await titles(b)).not.toContain("five synced")
    await failsWith(a.syncNow(), "chain-forked")
    const report = must(await a.repair())
    expect(report.vaults).toMatchObject([{ state: "frozen", code: "chain-forked" }])
    expect(report.lossAcceptedAtMs).toBeGreaterThan(0)
    expect((await a.status()).sync.state).toBe("frozen")
    must(await a.takeServerHistory())
    await failsWith(a.takeServerHistory(), "not-allowed")
    must(await b.syncNow())
    expect(await titles(a)).toEqual(await titles(b))
    expect(await titles(a)).toEqual(expect.arrayContaining(["five synced", "six synced", "four synced"]))
    expect(must(await a.list()).every(({ conflicts }) => conflicts === 0)).toBe(true)
  }, 180_000)

  test("[SY96] a server that lost a wrap of the account's newest key gets a new key of account and vaults, and every device goes on", async () => {
    const honest = createNodeHttp()
    let loses = false
    const own = (await b.status()).account?.deviceId ?? ""
    await a.close()
    a = await world.device("a", {
      http: {
        ...honest,
        send: async (request) => {
          const reply = await honest.send(request)
          if (!loses || reply?.status !== 200 || !request.url.endsWith("/account/keys")) return reply
          // As a copy from before the other device came would be: its wrap is not there.
          const served = decoded(accountKeysReplyStruct.decode(reply.body, 1 << 24))
          const wraps = served.wraps.filter(([, bytes]) => {
            const entry = decoded(decodeWrapEntry(bytes))
            return formatId("dev", entry.recipient) !== own
          })
          expect(wraps.length).toBeLessThan(served.wraps.length)
          return { ...reply, body: accountKeysReplyStruct.encode({ ...served, wraps }) }
        },
      },
    })
    must(await a.unlock(PASSWORD))
    must(await a.syncNow())
    expect(must(await a.repair())).toMatchObject({ rotated: false })
    loses = true
    expect(must(await a.repair())).toMatchObject({ rotated: true, accountLinks: 0, vaults: [{ state: "in-step" }] })
    loses = false
    expect(must(await a.repair())).toMatchObject({ rotated: false })
    must(await a.add(login("under the new key")))
    must(await a.syncNow())
    must(await b.syncNow())
    must(await b.add(login("from the other side")))
    must(await b.syncNow())
    must(await a.syncNow())
    expect(await titles(a)).toEqual(await titles(b))
    expect(await titles(b)).toContain("under the new key synced")
    // The kit opens the new key as well.
    const c = await world.device("c")
    await enrolByKit(world, c, { password: PASSWORD, kit, code: nextCode(), factor: "recovery-code", name: "Travel" })
    must(await c.syncOn({ items: "none", autoNew: true }))
    expect(await titles(c)).toEqual(await titles(a))
  }, 180_000)

  test("[SY92] an item whose newest record the repairing device did not keep is pushed anew from its copy", async () => {
    // Several pages of a first read, which is paused after the first: that device keeps the newest link of then.
    const text = "n".repeat(50_000)
    for (let i = 0; i < 48; i++)
      must(await a.add({ kind: "note", title: `page ${i}`, fields: [{ name: "text", value: text, secret: true }] }))
    must(await a.syncNow())
    const c = await world.device("c")
    await enrolByKit(world, c, { password: PASSWORD, kit, code: nextCode(), factor: "recovery-code", name: "Late" })
    must(
      await c.syncOn({ items: "none", autoNew: true }, ({ done }) => void (done > 0 ? c.pauseRetrieve() : undefined)),
    )
    expect((await c.status()).sync.retrieve?.paused).toBe(true)
    await copyAway()
    // The first in the order of the pages: when the read has gone on to its end, what came with the newest link is the last page.
    const [early] = must(await a.list())
      .filter((item) => item.title.startsWith("page "))
      .map((item) => item.id)
      .toSorted(inOrderOfBytes)
    must(await a.edit(early ?? "", { title: "edited after the copy" }))
    must(await a.syncNow())
    must(await c.syncNow())
    const agreed = await titles(c)
    expect(agreed).toContain("edited after the copy synced")
    await putBack()

    // The other devices, which kept the record, are not there.
    await failsWith(c.syncNow(), "chain-rolled-back")
    const report = must(await c.repair())
    expect(report.vaults).toMatchObject([{ state: "in-step", anew: 1 }])
    must(await c.syncNow())
    for (const kf of [a, b, c]) {
      must(await kf.syncNow())
      expect(await titles(kf)).toEqual(agreed)
      expect(must(await kf.get(early ?? "")).fields.map(({ value }) => value)).toEqual([text])
    }
  }, 180_000)

  test("[SY98] one that only says so learns nothing new and thaws nothing", async () => {
    let pretends = false
    let last: Uint8Array = new Uint8Array()
    let old: Uint8Array = new Uint8Array()
    const sent: Uint8Array[] = []
    const pushed: Uint8Array[] = []
    const honest = createNodeHttp()
    await a.close()
    a = await world.device("a", {
      http: {
        ...honest,
        send: async (request) => {
          if (request.url.endsWith("/sync") && request.body !== undefined) {
            for (const { links } of decoded(syncRequestStruct.decode(request.body, 1 << 24)).pushes)
              pushed.push(...links)
            if (pretends) return { status: 200, contentType: "application/cbor", body: old }
            const reply = await honest.send(request)
            if (reply?.status === 200) last = reply.body
            return reply
          }
          if (pretends && request.url.endsWith("/repair") && request.body !== undefined) {
            const { vaults } = decoded(repairRequestStruct.decode(request.body, 1 << 24))
            for (const { links } of vaults) sent.push(...links)
            const results = vaults.map(({ vaultId }) => ({
              vaultId,
              outcome: PUSH_ACCEPTED,
              head: [0, new Uint8Array(32)] as const,
            }))
            return { status: 200, contentType: "application/cbor", body: repairReplyStruct.encode({ results }) }
          }
          return honest.send(request)
        },
      },
    })
    must(await a.unlock(PASSWORD))
    must(await a.syncNow())
    old = onlyHeads(last)
    must(await a.add(login("four")))
    await until(async () => (await a.status()).sync.state === "up-to-date", "it is sent")
    const known = new Set(pushed.map((bytes) => Buffer.from(bytes).toString("hex")))
    pushed.length = 0
    pretends = true
    await failsWith(a.syncNow(), "chain-rolled-back")
    must(await a.add(login("a secret of later")))
    const report = must(await a.repair())
    expect(report.vaults).toMatchObject([{ state: "frozen", code: "chain-rolled-back" }])
    expect((await a.status()).sync.state).toBe("frozen")
    expect(pushed).toEqual([])
    expect(sent.length).toBeGreaterThan(0)
    expect(sent.every((bytes) => known.has(Buffer.from(bytes).toString("hex")))).toBe(true)
    // Honest again, the same command brings it back, and what waited goes up.
    pretends = false
    expect(must(await a.repair()).vaults).toMatchObject([{ state: "thawed" }])
    must(await b.syncNow())
    expect(await titles(b)).toContain("a secret of later synced")
  }, 180_000)
})

/** The answer of a server that shows these heads and nothing after them. */
const onlyHeads = (answer: Uint8Array): Uint8Array =>
  syncReplyStruct.encode({
    ...decoded(syncReplyStruct.decode(answer, 1 << 24)),
    accountLinks: [],
    results: [],
    vaults: [],
  })

const decoded = <T>(result: { readonly ok: true; readonly value: T } | { readonly ok: false }): T => {
  if (!result.ok) throw new Error("not of the shape")
  return result.value
}
