import { rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"

import type { EnrolmentState, ItemSummary, Kit } from "@keyferry/sdk"
import { canaryOf, createCanarySearch } from "@keyferry/testkit"

import { createAuthenticator } from "../devices/world.ts"
import { codeShown } from "../story/story.ts"
import type { BrowserName, Watch } from "./browsers.ts"
import { type DeviceTab, openDeviceTab } from "./device-tab.ts"
import { assert, equal, type Suite, until } from "./suite.ts"
import { createWorld } from "./world.ts"

declare const navigator: { readonly serviceWorker: { readonly ready: Promise<unknown> } }

/** In no list of bad passwords, so that what is found of it was written by mistake. */
const PASSWORD = "tidewater 48 lantern orchard"
const ADDRESS = "ada@example.org"
/** Found nowhere outside an open vault, or the store is not sealed. */
const SECRET = "canary-9f1c2d7e6b5a40381726-secret"

const login = (title: string, password = SECRET) => ({
  kind: "login",
  title,
  fields: [
    { name: "username", value: "ada", secret: false },
    { name: "password", value: password, secret: true },
  ],
})

/** One second, and what twenty looks at that page take now: on a machine that is busy the clock on the wall would measure the machine. */
const secondAt = async (side: DeviceTab): Promise<number> => {
  const startedMs = performance.now()
  for (let looks = 0; looks < 20; looks++) await side.snapshot()
  return 1000 + performance.now() - startedMs
}

/** In that time, or at the fortieth look, 25 ms after one another, at the latest: a machine that stood still meanwhile proves nothing. */
const withinSecond = async (limitMs: number, holds: () => Promise<boolean>, what: string): Promise<void> => {
  let looks = 0
  const ms = await until(async () => {
    looks++
    return holds()
  }, what)
  assert(
    ms <= limitMs || looks <= 40,
    `${what}: it took ${Math.round(ms)} ms of ${Math.round(limitMs)}, ${looks} looks`,
  )
}

/** The first crossing, with a browser on each side and `kf` beside them. */
export const tellStory = async (name: BrowserName, bundle: string, watch: Watch, suite: Suite): Promise<void> => {
  // Named as the checks of `npm run verify` look for tests of the rules.
  const test = suite.check
  const world = await createWorld(bundle, watch)
  try {
    const first = await world.browser(name, "first")
    let a: DeviceTab = await openDeviceTab(first, world.origin)
    let kit = ""
    let code = (): Promise<string> => Promise.resolve("")

    await test("with no account, a vault is made under a password and an item is added", async () => {
      equal((await a.status()).lock, "no-vault")
      await a.must("createLocal", PASSWORD)
      await a.must("add", login("one"))
      equal(await a.titles(), ["one"])
    })
    await test("a reload locks it; a wrong password does not open it, the right one does, and nothing is lost", async () => {
      await a.tab.reload()
      await until(async () => (await a.status()).lock === "locked", "the device is there again")
      equal(await a.codeOf("unlock", "wrong horse battery"), "wrong-password")
      await a.must("unlock", PASSWORD)
      equal(await a.titles(), ["one"])
    })
    await test("with the server gone, the app opens from what it kept, and a vault without an account works as before", async () => {
      await a.tab.run(() => navigator.serviceWorker.ready.then(() => true), undefined)
      await world.killServer()
      await a.tab.reload()
      await until(async () => (await a.status()).lock === "locked", "the device is there without a server")
      await a.must("unlock", PASSWORD)
      await a.must("add", login("offline"))
      equal(await a.titles(), ["offline", "one"])
      const [{ id }] = (await a.must<readonly ItemSummary[]>("list")).filter(({ title }) => title === "offline") as [
        ItemSummary,
      ]
      await a.must("remove", id)
      await world.start()
    })
    await test("sign-up by the one-time link gives a kit; a second factor makes the device active; sync is turned on", async () => {
      const made = await a.must<Kit>("signUp", {
        link: world.firstLink(),
        address: ADDRESS,
        password: PASSWORD,
        deviceName: "First browser",
      })
      kit = made.code
      const { otpauth } = await a.must<{ readonly otpauth: string }>("twoFactorStart")
      code = createAuthenticator(otpauth)
      await a.must("twoFactorConfirm", await code())
      await a.must("syncOn", { items: "all", autoNew: true })
      equal(
        (await a.must<readonly ItemSummary[]>("list")).map(({ custody }) => custody),
        ["synced"],
      )
    })

    await test("[DS11] what lay in the store before the account is gone with its database", async () => {
      equal(await a.databases(), ["keyferry", "keyferry-keys", "keyferry-rows-2"])
    })

    const second = await world.browser(name, "second")
    const b: DeviceTab = await openDeviceTab(second, world.origin)
    await test("a second profile signs in: password, factor, mailed link with the code it shows, keys by kit", async () => {
      await b.must("loginStart", {
        server: world.origin,
        address: ADDRESS,
        password: PASSWORD,
        deviceName: "Second browser",
      })
      const waiting = await b.must<EnrolmentState>("loginSecondFactor", "totp", await code())
      equal(await b.codeOf("finishWithKit", kit), "device-not-verified")
      equal(await world.confirm(waiting.code ?? ""), 200)
      equal((await b.must<EnrolmentState>("confirmation")).step, "keys")
      await b.must("finishWithKit", kit)
      await b.must("syncOn", { items: "none", autoNew: true })
      equal(await b.titles(), ["one"])
    })
    await test("an item added on one side arrives on the other by itself", async () => {
      await b.must("add", login("two"))
      await until(async () => (await a.titles()).includes("two"), "the feed brings it")
    })
    await test("`kf` beside them signs in, reads both, and what it adds arrives in both browsers", async () => {
      const kf = world.kf("machine")
      const words = ["login", world.origin, "--address", ADDRESS, "--device-name", "Terminal", "--json"]
      const waiting = await kf.run(words, { secrets: { password: PASSWORD, code: await code() } })
      equal(waiting.code, "device-not-verified")
      equal(await world.confirm(codeShown(waiting)), 200)
      await kf.ask(["login", "--by", "kit"], { secrets: { kit } })
      await kf.ask(["sync", "on", "--items", "none", "--auto-new"], { secrets: { password: PASSWORD } })
      await kf.ask(["add", "login", "three", "username=ada", "password=-"], { secrets: { "field:password": SECRET } })
      for (const side of [a, b])
        await until(async () => (await side.titles()).length === 3, "three items on both sides")
    })

    const a2 = await openDeviceTab(first, world.origin)
    await test("a second tab of a profile shows the same device, held by the first", async () => {
      await until(async () => (await a2.snapshot()).role === "follower", "the second tab follows")
      equal((await a.snapshot()).role, "leader")
      equal(await a2.titles(), ["one", "three", "two"])
      await a2.must("add", login("four"))
      await until(async () => (await a.titles()).includes("four"), "the first tab has it")
    })
    await test("locking in one tab locks all of them within a second", async () => {
      const limitMs = await secondAt(a)
      await a2.lockEverywhere()
      await withinSecond(limitMs, async () => (await a.snapshot()).status?.lock === "locked", "the other tab is locked")
      equal(await a2.codeOf("list"), "locked")
    })
    await test("the leading tab is killed in the middle of a push: another takes over, locked, and nothing is lost", async () => {
      await a2.must("unlock", PASSWORD)
      await world.killServer()
      await a2.must("add", login("five"))
      await world.start()
      // The push is under way when its tab dies.
      await a.tab.close()
      await until(async () => (await a2.snapshot()).role === "leader", "the second tab leads")
      equal((await a2.snapshot()).holderClosed, true)
      equal(await a2.codeOf("list"), "locked")
      await a2.must("unlock", PASSWORD)
      equal((await a2.snapshot()).holderClosed, false)
      equal(await a2.titles(), ["five", "four", "one", "three", "two"])
      await until(async () => (await b.titles()).includes("five"), "it reached the other browser")
      a = a2
    })
    await test("[DS12, DS13, DS14] keys of the device are objects that no script reads out: one signs requests, one is half of the X-Wing pair; none signs links", async () => {
      const keys = await a.keys()
      const kinds = [...new Set(keys.map(([, kind]) => kind))].toSorted()
      equal(kinds, ["private Ed25519", "private X25519", "secret AES-GCM"])
      equal(keys.filter(([, kind]) => kind === "private Ed25519").length, 1)
      equal(
        keys.filter(([, , extractable]) => extractable),
        [],
      )
    })

    if (name === "chromium")
      await test("a passkey with PRF is added in the browser, signs in and unlocks, and makes the second factor fresh", async () => {
        await a.tab.addAuthenticator()
        await a.must("twoFactorCheck", "totp", await code())
        const added = await a.must<{ readonly unlocks: boolean }>("passkeyAdd", {
          label: "Test key",
          password: PASSWORD,
        })
        equal(added.unlocks, true)
        const [known] = await a.must<readonly { readonly signsIn: boolean; readonly unlocks: boolean }[]>("passkeys")
        equal([known?.signsIn, known?.unlocks], [true, true])
        await a.must("twoFactorPasskey")
      })

    const b2 = await openDeviceTab(second, world.origin)
    await test("a removed browser goes dark in all its tabs, by itself, and keeps nothing", async () => {
      await until(async () => (await b2.snapshot()).role === "follower", "the second tab follows")
      const devices = await a.must<readonly { readonly id: string; readonly name: string }[]>("devices")
      const id = devices.find((device) => device.name === "Second browser")?.id ?? ""
      await a.must("twoFactorCheck", "totp", await code())
      await a.must("confirmPassword", PASSWORD)
      const limitMs = await secondAt(b)
      await a.must("removeDevice", { id, reason: "lost" })
      const lockOf = async (side: DeviceTab) => (await side.snapshot()).status?.lockCode
      await withinSecond(limitMs, async () => (await lockOf(b)) === "device-removed", "the first tab is dark")
      await until(async () => (await lockOf(b2)) === "device-removed", "the second tab is dark")
      equal(await b.codeOf("unlock", PASSWORD), "device-removed")
    })
    await first.close()
    await second.close()
    await test("no profile folder holds a password, the kit, or what an item says", async () => {
      const canaries = [SECRET, PASSWORD, kit].map((text, n) => canaryOf(`canary ${n}`, new TextEncoder().encode(text)))
      const search = createCanarySearch(canaries)
      // One that is there must be found, or finding none says nothing.
      const control = join(first.profile, "control-canary")
      writeFileSync(control, `before ${SECRET} after`)
      assert(search.inPath(first.profile).findings.length > 0, "the control canary was not found")
      rmSync(control)
      for (const { profile } of [first, second]) {
        const report = search.inPath(profile)
        assert(report.files > 10, `only ${report.files} files were searched`)
        equal(
          report.findings.map(({ canary, place }) => [canary, place]),
          [],
        )
      }
    })
  } finally {
    await world.close()
  }
}
