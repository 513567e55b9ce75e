import { cpSync } from "node:fs"

import { afterAll, beforeAll, describe, expect, test } from "vitest"

import type { Keyferry, Kit } from "@keyferry/sdk"

import {
  ADDRESS,
  createAuthenticator,
  createWorld,
  enrolByKit,
  exchangeKey,
  login,
  must,
  PASSWORD,
  until,
  type World,
} from "./world.ts"

const NEW_PASSWORD = "brand new password 1"
let world: World
let a: Keyferry
let b: Keyferry
let kit: Kit
let code: () => Promise<string>
let first: string
let second: string
let strict: string

const titles = async (kf: Keyferry) => must(await kf.list()).map((i) => [i.title, i.custody])
const field = async (kf: Keyferry, id: string, name: string) =>
  must(await kf.get(id)).fields.find((f) => f.name === name)?.value

beforeAll(async () => {
  world = await createWorld()
})
afterAll(() => world.close())

// One story, in order: each step stands on the one before it.
describe("devices of one person on real processes", () => {
  test("sign-up keeps everything local until there is a second factor", async () => {
    a = await world.device("a")
    must(await a.createLocal(PASSWORD))
    first = must(await a.add(login("one"))).id
    kit = must(await a.signUp({ link: world.firstLink(), address: ADDRESS, password: PASSWORD, deviceName: "Laptop" }))
    expect((await a.status({ fresh: true })).account).toMatchObject({
      deviceState: "pending-first",
      kitUnchecked: true,
    })
    const again = { server: world.origin(), password: PASSWORD, deviceName: "Laptop" }
    expect(await a.loginStart({ ...again, address: "eve@example.org" })).toMatchObject({
      ok: false,
      error: { code: "wrong-account" },
    })
    expect(await a.loginStart({ ...again, address: ADDRESS })).toMatchObject({
      ok: false,
      error: { code: "account-exists-here" },
    })
    expect(await a.syncNow()).toMatchObject({ ok: false, error: { code: "sync-not-enabled-here" } })
    expect(await a.syncOn({ items: "all", autoNew: true })).toMatchObject({
      ok: false,
      error: { code: "two-factor-required" },
    })
    code = createAuthenticator(must(await a.twoFactorStart()).otpauth, world)
    expect(must(await a.twoFactorConfirm(await code())).factors).toEqual(["totp"])
    must(await a.syncOn({ items: "all", autoNew: true }))
    second = must(await a.add(login("two"))).id
    strict = must(await a.add(exchangeKey("Strict"))).id
    must(await a.syncNow())
    expect(await titles(a)).toEqual([
      ["one", "synced"],
      ["Strict", "synced"],
      ["two", "synced"],
    ])
  })

  test("a restart keeps it; a wrong password says how many tries are left", async () => {
    await a.close()
    a = await world.device("a")
    expect(await a.unlock("wrong horse battery")).toMatchObject({ ok: false, error: { code: "wrong-password" } })
    expect(must(await a.unlock(PASSWORD)).lock).toBe("unlocked")
    expect(await field(a, strict, "exchange")).toBe("bybit")
  })

  test("a kit counts as unchecked on the device that made it until it is read there", async () => {
    expect((await a.status()).account?.kitUnchecked).toBe(true)
    expect((await a.checkKit(`${kit.code.slice(0, -1)}${kit.code.endsWith("0") ? "1" : "0"}`)).ok).toBe(false)
    expect((await a.status()).account?.kitUnchecked).toBe(true)
    must(await a.checkKit(kit.code))
    expect((await a.status()).account?.kitUnchecked).toBeUndefined()
    await a.close()
    a = await world.device("a")
    must(await a.unlock(PASSWORD))
    expect((await a.status()).account?.kitUnchecked).toBeUndefined()
  })

  test("a second device: password, factor, mailed link with the typed code, keys by kit", async () => {
    b = await world.device("b")
    must(await b.loginStart({ server: world.origin(), address: ADDRESS, password: PASSWORD, deviceName: "Desk" }))
    const waiting = must(await b.loginSecondFactor("totp", await code()))
    expect(await b.finishWithKit(kit.code)).toMatchObject({ ok: false, error: { code: "device-not-verified" } })
    const token = await world.takeToken()
    expect(await world.confirm(token, waiting.code === "000000" ? "000001" : "000000")).not.toBe(200)
    expect(await world.confirm(token, waiting.code ?? "")).toBe(200)
    expect(must(await b.confirmation()).step).toBe("keys")
    expect(await b.finishWithKit("KF1-0000-0000-0000-0000-0000-0000-0000-0000-0000")).toMatchObject({
      ok: false,
      error: { code: "kit-code-wrong" },
    })
    must(await b.finishWithKit(kit.code))
    must(await b.syncOn({ items: "none", autoNew: true }))
    expect(await titles(b)).toEqual([
      ["one", "synced"],
      ["Strict", "synced"],
      ["two", "synced"],
    ])
  })

  test("an edit arrives through the feed", async () => {
    must(await b.edit(first, { title: "one renamed" }))
    await until(async () => must(await a.get(first)).title === "one renamed", "the feed brings the edit")
  })

  test("offline: standard items open within the grace, strict ones do not; both sides' edits survive", async () => {
    await world.stop()
    must(
      await a.edit(first, {
        fields: [
          { name: "username", value: "from-a" },
          { name: "password", value: "pw-a" },
        ],
      }),
    )
    must(
      await b.edit(first, {
        fields: [
          { name: "url", value: "https://b.example" },
          { name: "password", value: "pw-b" },
        ],
      }),
    )
    await a.lock()
    expect(must(await a.unlock(PASSWORD))).toEqual({ lock: "standard-only", notice: "network-unreachable" })
    expect(await a.get(strict)).toMatchObject({ ok: false, error: { code: "lease-needs-server" } })
    must(await a.edit(second, { title: "two offline" }))
    await world.start()
    expect(must(await a.unlock(PASSWORD)).lock).toBe("unlocked")
    must(await a.syncNow())
    must(await b.syncNow())
    must(await a.syncNow())
    const [va, vb] = [must(await a.get(first)), must(await b.get(first))]
    expect(va.fields).toEqual(vb.fields)
    expect(va.alternatives).toEqual(vb.alternatives)
    expect(va.fields.find((f) => f.name === "username")?.value).toBe("from-a")
    expect(va.fields.find((f) => f.name === "url")?.value).toBe("https://b.example")
    const both = [va.fields.find((f) => f.name === "password")?.value, va.alternatives[0]?.value].toSorted(
      (x = "", y = "") => x.localeCompare(y),
    )
    expect(both).toEqual(["pw-a", "pw-b"])
    must(await a.resolve(first, "password", 0))
    must(await a.syncNow())
    await until(async () => must(await b.get(first)).alternatives.length === 0, "the choice arrives")
    expect(must(await b.history(first)).length).toBeGreaterThan(0)
  })

  test("switched to local-only an item leaves the server and stays elsewhere as a copy; back on, divergent copies merge", async () => {
    must(await a.setPolicy([second], "local-only", "keep"))
    must(await a.syncNow())
    must(await b.syncNow())
    expect(await titles(b)).toContainEqual(["two offline", "local"])
    must(await b.edit(second, { fields: [{ name: "username", value: "only-b" }] }))
    must(await a.edit(second, { fields: [{ name: "url", value: "https://only-a.example" }] }))
    must(await a.setPolicy([second], "synced"))
    must(await a.syncNow())
    must(await b.syncNow())
    must(await a.syncNow())
    for (const kf of [a, b]) {
      expect(await field(kf, second, "username")).toBe("only-b")
      expect(await field(kf, second, "url")).toBe("https://only-a.example")
    }
  })

  test("deleted items wait in the bin of every device and come back", async () => {
    must(await b.remove(second))
    must(await b.syncNow())
    must(await a.syncNow())
    expect(must(await a.bin()).map((i) => i.title)).toEqual(["two offline"])
    must(await a.restore(second))
    must(await a.syncNow())
    must(await b.syncNow())
    expect(await titles(b)).toContainEqual(["two offline", "synced"])
  })

  test("a new password and a new kit; the old kit is dead; the factor cannot be turned off while sync is on", async () => {
    must(await a.twoFactorCheck("totp", await code()))
    must(await a.changePassword({ password: PASSWORD, newPassword: NEW_PASSWORD, exposed: true }))
    await a.lock()
    expect(await a.unlock(PASSWORD)).toMatchObject({ ok: false, error: { code: "wrong-password" } })
    must(await a.unlock(NEW_PASSWORD))
    must(await b.syncNow())
    must(await b.changeDevicePassword({ password: PASSWORD, newPassword: NEW_PASSWORD }))
    await b.lock()
    must(await b.unlock(NEW_PASSWORD))
    const old = kit
    const draft = { title: "Typed", values: { key: "half a key" } }
    must(await a.keepDraft(strict, draft))
    kit = must(await a.replaceKit({ password: NEW_PASSWORD }))
    expect(await a.checkKit(old.code)).toMatchObject({ ok: false, error: { code: "kit-code-wrong" } })
    // The device's own keys are new ones; what was typed and not saved is under them, and closed where its item is.
    expect(must(await a.draft(strict))).toEqual(draft)
    expect((await a.status()).account?.kitUnchecked).toBe(true)
    expect((await b.status()).account?.kitUnchecked).toBeUndefined()
    expect((await a.checkKit(kit.code)).ok).toBe(true)
    expect((await a.status()).account?.kitUnchecked).toBeUndefined()
    const ofOldKit = async (): Promise<readonly string[]> =>
      must(await a.devices()).flatMap((d) => (d.oldKit ? [d.name] : []))
    expect(await ofOldKit()).toEqual(["Desk"])
    // Another name for it changes nothing about that: only the device itself knows.
    must(await a.renameDevice((await b.status()).account?.deviceId ?? "", "Attic"))
    expect(await ofOldKit()).toEqual(["Attic"])
    // The other device makes new local keys for the new kit as soon as it knows of it: a copy of its disk shows which opens.
    must(await b.syncNow())
    must(await a.syncNow())
    expect(await ofOldKit()).toEqual([])
    cpSync(world.folderOf("b"), world.folderOf("b-copy"), { recursive: true })
    const copy = await world.device("b-copy")
    expect(await copy.rescue(old.code, NEW_PASSWORD)).toMatchObject({ ok: false, error: { code: "kit-code-wrong" } })
    expect(must(await copy.rescue(kit.code, NEW_PASSWORD)).items).toBe(3)
    expect(await a.twoFactorOff({ password: NEW_PASSWORD, suspendSync: false })).toMatchObject({
      ok: false,
      error: { code: "two-factor-disable-blocked" },
    })
  })

  test("approval by words, both ways, and a mistyped word ends it", async () => {
    const c = await world.device("c")
    must(await c.loginStart({ server: world.origin(), address: ADDRESS, password: NEW_PASSWORD, deviceName: "Travel" }))
    must(await c.loginSecondFactor("totp", await code()))
    expect(await a.stopFactorReset()).toEqual({ ok: true, value: { cancelled: false } })
    const pending = must(await a.devices()).find((d) => d.state === "pending")
    const firstTry = c.approvalWords()
    must(await a.approveStart(pending?.id ?? ""))
    must(await firstTry)
    expect(await a.approve(pending?.id ?? "", "acid acid acid")).toMatchObject({
      ok: false,
      error: { code: "approval-mismatch" },
    })
    // Both begin again, the approver first: it waits for the new exchange, whatever is left of the old one.
    const started = a.approveStart(pending?.id ?? "")
    const words = c.approvalWords()
    must(await started)
    const shown = must(await words).words
    const answer = must(await a.approve(pending?.id ?? "", shown.join(" ")))
    const [joined, appended] = await Promise.all([c.approvalReply(answer.reply.join(" ")), answer.done])
    must(joined)
    must(appended)
    must(await c.syncOn({ items: "none", autoNew: false }))
    expect(await titles(c)).toEqual(await titles(a))

    const removed = must(await a.removeDevice({ id: pending?.id ?? "", reason: "lost" }))
    expect(removed.rotation[0]).toMatchObject({ title: "Strict", harm: "withdraws" })
    expect(removed.replaceKit).toBe(true)
    expect(await c.syncNow()).toMatchObject({ ok: false, error: { code: "device-removed" } })
    expect((await c.status()).lockCode).toBe("device-removed")
    expect(await c.unlock(NEW_PASSWORD)).toMatchObject({ ok: false, error: { code: "device-removed" } })
    expect(
      (
        await c.loginStart({
          server: world.origin(),
          address: ADDRESS,
          password: NEW_PASSWORD,
          deviceName: "Travel again",
        })
      ).ok,
    ).toBe(true)
    must(await b.edit(first, { title: "after the removal" }))
    await until(async () => must(await a.get(first)).title === "after the removal", "the new epoch works")
  })

  test("what is added to a device while an approval lets it in is there after it was locked", async () => {
    const d = await world.device("busy")
    must(await d.loginStart({ server: world.origin(), address: ADDRESS, password: NEW_PASSWORD, deviceName: "Busy" }))
    must(await d.loginSecondFactor("totp", await code()))
    const pending = must(await a.devices()).find((one) => one.state === "pending")
    const started = a.approveStart(pending?.id ?? "")
    const words = d.approvalWords()
    must(await started)
    const answer = must(await a.approve(pending?.id ?? "", must(await words).words.join(" ")))
    let isJoining = true
    const added: string[] = []
    const adding = (async () => {
      while (isJoining) {
        added.push(must(await d.add(login(`during ${added.length}`))).title)
        // A store in a file answers within the turn of the loop, and the network would never get one.
        await new Promise((resolve) => setImmediate(resolve))
      }
    })()
    const [joined, appended] = await Promise.all([d.approvalReply(answer.reply.join(" ")), answer.done])
    isJoining = false
    must(joined)
    must(appended)
    await adding
    expect(added.length).toBeGreaterThan(2)
    await d.lock()
    must(await d.unlock(NEW_PASSWORD))
    const here = new Set(must(await d.list()).map(({ title }) => title))
    expect(added.filter((title) => !here.has(title))).toEqual([])
    must(await a.removeDevice({ id: pending?.id ?? "", reason: "retired" }))
  })

  test("a device that signs out is taken out of the chain by the others", async () => {
    const own = (await b.status()).account?.deviceId
    must(await b.add({ ...login("only here"), policy: "local-only" }))
    expect(await b.signOut({ clear: true, confirmed: false })).toMatchObject({
      ok: false,
      error: { code: "unsynced-loss" },
    })
    must(await b.signOut({ clear: true, confirmed: true }))
    expect((await b.status()).mode).toBe("none")
    await until(async () => must(await a.devices()).find((d) => d.id === own)?.state === "retired", "b is retired")
  })

  test("the kit alone, with factor and mail, brings everything back and removes the lost devices", async () => {
    let d = await world.device("d")
    const recovery = { server: world.origin(), kitCode: kit.code, deviceName: "New" }
    must(await d.recoverStart({ ...recovery, newPassword: "another password 22" }))
    const waiting = must(await d.loginSecondFactor("totp", await code()))
    // The program stops in between: what was begun is in the store, and goes on with the password that was chosen.
    await d.close()
    d = await world.device("d")
    must(await d.unlock("another password 22"))
    expect((await d.status()).enrolment).toMatchObject({ purpose: "recovery", step: "confirm", passwordChosen: true })
    expect(await world.confirm(await world.takeToken(), waiting.code ?? "")).toBe(200)
    must(await d.confirmation())
    const newKit = must(await d.recoverFinish())
    must(await d.syncOn({ items: "none", autoNew: true }))
    expect((await titles(d)).map(([t]) => t)).toEqual(["after the removal", "Strict", "two offline"])
    expect(await a.syncNow()).toMatchObject({ ok: false, error: { code: "device-removed" } })

    const e = await world.device("e")
    must(
      await e.loginStart({
        server: world.origin(),
        address: ADDRESS,
        password: "another password 22",
        deviceName: "E",
      }),
    )
    expect((await d.status({ fresh: true })).account?.factorResetAtMs).toBeUndefined()
    expect(await e.loginFactorLost()).toMatchObject({ ok: false, error: { code: "recovery-waiting" } })
    // The server says to a device that listens that there is something to ask for.
    await until(async () => (await d.status()).account?.deviceState === "unknown", "d is told")
    const waits = (await d.status({ fresh: true })).account?.factorResetAtMs
    expect(waits).toBeGreaterThan(world.nowMs() + 71 * 3_600_000)
    expect(must(await d.stopFactorReset()).cancelled).toBe(true)
    expect((await d.status({ fresh: true })).account?.factorResetAtMs).toBeUndefined()
    await world.stop()
    expect(must(await d.rescue(newKit.code, "rescued password 1")).items).toBe(3)
    expect((await titles(d)).map(([, c]) => c)).toEqual(["local", "local", "local"])
    expect(
      await enrolByKit(world, e, { password: "x", kit: kit.code, code: "1", name: "E" }).then(
        () => "in",
        () => "refused",
      ),
    ).toBe("refused")
  })
})
