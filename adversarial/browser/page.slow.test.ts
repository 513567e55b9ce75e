import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { mkdtempSync } from "node:fs"
import { createServer } from "node:http"
import { tmpdir } from "node:os"
import { join } from "node:path"

import { chromium, type BrowserContext, type Page } from "playwright-core"
import { afterAll, beforeAll, describe, expect, test } from "vitest"

import type { Watch } from "../../e2e/web/browsers.ts"
import { watchContext } from "../../e2e/web/browsers.ts"
import { chromiumPath } from "../../e2e/web/installed.ts"
import { buildTestBundle, createWorld, type World } from "../../e2e/web/world.ts"

/*
 * The web app in a real Chromium against a real server, with hostile content, a hostile script, a hostile server and a
 * hostile person at the screen.
 */
const PASSWORD = "tidewater 48 lantern orchard"
const SECRET = "canary-3b9f7a1c55d2e8406f-secret"
/** What content could do if it were anything but text; each would leave a trace named after it. */
const HOSTILE = [
  `<img src=x onerror="globalThis.owned='img'">`,
  `<svg onload="globalThis.owned='svg'"></svg>`,
  `</title><script>globalThis.owned='script'</script>`,
  `javascript:globalThis.owned='url'`,
  "${globalThis.owned='template'}{{globalThis.owned='braces'}}",
  '\u202Egnp.exe\u2066 =HYPERLINK("http://127.0.0.1:9/")',
]
const NAME_OF_A_MEGABYTE = "n".repeat(1024 * 1024)

let bundle: string
let world: World
let context: BrowserContext
let page: Page
const watch: Watch = { origins: new Set(), policyReports: [], errors: [] }

beforeAll(async () => {
  bundle = await buildTestBundle()
  world = await createWorld(bundle, watch)
  context = await chromium.launchPersistentContext(join(world.folder, "hostile"), {
    executablePath: chromiumPath(),
    args: ["--no-sandbox", "--disable-dev-shm-usage"],
    permissions: ["clipboard-read", "clipboard-write"],
  })
  context.setDefaultTimeout(30_000)
  watchContext(context, watch)
  page = context.pages()[0] ?? (await context.newPage())
  await page.goto(`${world.origin}/test/hook.html`)
  await call("createLocal", PASSWORD)
  await call("add", login("plain"))
})
afterAll(async () => {
  await context.close()
  await world.close()
  rmSync(bundle, { recursive: true, force: true })
})

/** A method of the device, in the page of the tests. */
const call = (
  method: string,
  ...args: readonly unknown[]
): Promise<{ readonly ok: boolean; readonly error?: unknown }> =>
  page.evaluate(
    ([name, given]) =>
      (globalThis as unknown as { hook: { call: (m: string, a: unknown) => Promise<never> } }).hook.call(name, given),
    [method, args] as const,
  )
const login = (title: string, fields: Readonly<Record<string, string>> = {}) => ({
  kind: "login",
  title,
  fields: [
    { name: "username", value: fields["username"] ?? "ada", secret: false },
    { name: "password", value: fields["password"] ?? SECRET, secret: true },
    { name: "url", value: fields["url"] ?? "https://shop.example", secret: false },
  ],
  ...(fields["notes"] === undefined ? {} : { notes: fields["notes"] }),
})
const unlockOnScreen = async (on: Page): Promise<void> => {
  await on.getByLabel("Password", { exact: true }).first().fill(PASSWORD)
  await on.getByRole("button", { name: "Unlock", exact: true }).click()
}

describe("hostile content", () => {
  test("WB-01 every field shows as text: nothing of it runs, loads, opens or grows the page", async () => {
    for (const [at, text] of HOSTILE.entries()) {
      const fields = { username: text, password: text, notes: text }
      // What is no address is refused in the field for one, and kept nowhere else.
      const asAddress = await call("add", login(`${at} ${text}`, { ...fields, url: text }))
      if (!asAddress.ok)
        expect([asAddress, await call("add", login(`${at} ${text}`, fields))]).toMatchObject([
          { error: { code: "credential-malformed" } },
          { ok: true },
        ])
    }
    expect(await call("add", login(NAME_OF_A_MEGABYTE))).toMatchObject({ ok: false })
    await page.goto(world.origin)
    await unlockOnScreen(page)
    const asked: string[] = []
    page.on("request", (request) => void asked.push(request.url()))
    for (const [at, text] of HOSTILE.entries()) {
      await page.goto(`${world.origin}/#/`)
      const row = page.getByText(`${at} ${text}`.slice(0, 12)).first()
      await row.waitFor()
      await row.click()
      await page.getByRole("button", { name: /^Show/ }).first().click()
      const shown = await page.locator("main").innerText()
      expect(shown).toContain(text.replaceAll(/[\u202E\u2066]/g, "").slice(0, 6))
      // No element of the page came from the text, and no address in it can be followed without a question.
      expect(
        await page.evaluate(() => [
          (globalThis as unknown as { owned?: string }).owned ?? "nothing",
          document.querySelectorAll("main script, main iframe, main object, main img[src='x'], main svg[onload]")
            .length,
          [...document.querySelectorAll("a[href]")].filter((a) => !/^(https?:|#|\/)/.test(a.getAttribute("href") ?? ""))
            .length,
        ]),
      ).toEqual(["nothing", 0, 0])
      await page.goBack()
    }
    expect(asked.filter((url) => !url.startsWith(world.origin) && !url.startsWith("blob:"))).toEqual([])
  })
})

describe("a hostile script in the page", () => {
  test("WB-02 finds no way out and no key: eval, inline and foreign scripts, forms, beacons and exports are refused", async () => {
    const caught: string[] = []
    const outside = createServer((request, response) => {
      caught.push(`${request.method} ${request.url}`)
      response.setHeader("access-control-allow-origin", "*")
      response.end("globalThis.owned = 'foreign'")
    })
    const port = await new Promise<number>((resolve) => {
      outside.listen(0, "127.0.0.1", () => {
        const address = outside.address()
        resolve(typeof address === "object" && address !== null ? address.port : 0)
      })
    })
    const there = `http://127.0.0.1:${port}`
    // The control: without a policy, a page does reach it.
    const bare = await context.newPage()
    await bare.goto(`${there}/page`)
    await bare.evaluate(async (to) => void (await fetch(`${to}/control`)), there)
    expect(caught).toContain("GET /control")
    await bare.close()
    caught.length = 0

    await page.goto(world.origin)
    const outcome = await page.evaluate(async (to) => {
      const told: Record<string, string> = {}
      // While the tool's own call is being evaluated, the browser lets `eval` pass: a later turn is a script like any other.
      await new Promise((resolve) => setTimeout(resolve, 50))
      const tell = async (name: string, work: () => unknown): Promise<void> => {
        try {
          await work()
          told[name] = "done"
        } catch (error) {
          told[name] = (error as Error).name
        }
      }
      const win = globalThis as unknown as { owned?: string; eval: (text: string) => unknown }
      // By reference, as a script would: the word alone is refused by the lint of this repository.
      await tell("eval", () => win.eval("globalThis.owned = 'eval'"))
      await tell("markup", () => (document.body.innerHTML = "<b>x</b>"))
      await tell("inline", () => {
        const script = document.createElement("script")
        script.textContent = "globalThis.owned = 'inline'"
        document.head.append(script)
      })
      await tell("fetch", () => fetch(`${to}/fetch`))
      await tell(
        "socket",
        () =>
          new Promise((resolve, reject) => {
            const socket = new WebSocket(to.replace("http", "ws"))
            socket.addEventListener("open", resolve)
            socket.addEventListener("error", () => reject(new DOMException("", "NetworkError")))
          }),
      )
      for (const [name, tag, attribute] of [
        ["foreign", "script", "src"],
        ["image", "img", "src"],
        ["frame", "iframe", "src"],
        ["style", "link", "href"],
      ] as const)
        await tell(
          name,
          () =>
            new Promise<void>((resolve, reject) => {
              const element = document.createElement(tag)
              if (tag === "link") element.setAttribute("rel", "stylesheet")
              element.addEventListener("load", () => resolve())
              element.addEventListener("error", () => reject(new DOMException("", "NetworkError")))
              element.setAttribute(attribute, `${to}/${name}`)
              document.head.append(element)
              // A frame that the policy refuses loads an empty page.
              setTimeout(resolve, 2000)
            }),
        )
      await tell("beacon", () => navigator.sendBeacon(`${to}/beacon`, "x"))
      // The browser refuses a form in a turn of its own: the report says that it has, and that nothing is left under way.
      await tell("form", async () => {
        const refused = new Promise<void>((resolve) => {
          document.addEventListener("securitypolicyviolation", ({ effectiveDirective }) => {
            if (effectiveDirective === "form-action") resolve()
          })
        })
        const form = document.createElement("form")
        form.action = `${to}/form`
        form.method = "post"
        document.body.append(form)
        form.submit()
        await refused
        throw new DOMException("", "SecurityError")
      })
      return { ...told, owned: win.owned ?? "nothing" }
    }, there)
    expect(outcome).toMatchObject({ eval: "EvalError", markup: "TypeError", inline: "TypeError", owned: "nothing" })
    expect(outcome).toMatchObject({ fetch: "TypeError", socket: "NetworkError", form: "SecurityError" })
    expect(page.url().startsWith(world.origin)).toBe(true)
    expect(caught).toEqual([])

    // Key objects that such a script finds in the databases do not give their bytes.
    await page.goto(`${world.origin}/test/hook.html`)
    await call("unlock", PASSWORD)
    const exported = await page.evaluate(async () => {
      const told: string[] = []
      for (const { name = "" } of await indexedDB.databases()) {
        const db = await new Promise<IDBDatabase>((resolve) => {
          const request = indexedDB.open(name)
          request.addEventListener("success", () => resolve(request.result))
        })
        for (const store of db.objectStoreNames) {
          const values = await new Promise<readonly unknown[]>((resolve) => {
            const request = db.transaction(store).objectStore(store).getAll()
            request.addEventListener("success", () => resolve(request.result))
          })
          const keys = (value: unknown): readonly CryptoKey[] =>
            value instanceof CryptoKey
              ? [value]
              : typeof value === "object" && value !== null && !ArrayBuffer.isView(value)
                ? Object.values(value).flatMap(keys)
                : []
          for (const key of values.flatMap(keys))
            for (const format of ["raw", "pkcs8", "jwk"] as const)
              told.push(
                await crypto.subtle.exportKey(format as "raw", key).then(
                  () => `${key.algorithm.name} ${format}`,
                  () => "refused",
                ),
              )
        }
        db.close()
      }
      return told
    })
    expect(exported.length).toBeGreaterThan(2)
    expect(new Set(exported)).toEqual(new Set(["refused"]))
    // A browser opens connections that it may need later, and no request ends those.
    outside.closeAllConnections()
    await new Promise<void>((resolve) => outside.close(() => resolve()))
    // What the policy reported of this test is what it is for.
    watch.policyReports.length = 0
  })
})

describe("a hostile server", () => {
  test("WB-03 one changed byte of a bundle is flagged by whoever compares it with the manifest", async () => {
    const manifest = join(bundle, "manifest.json")
    const kf = world.kf("checker")
    expect(await kf.run(["verify-web", world.origin, "--manifest", manifest])).toMatchObject({ exit: 0 })
    const copy = mkdtempSync(join(tmpdir(), "kf-manifest-"))
    const [script = ""] = readdirSync(join(bundle, "assets")).filter((name) => name.endsWith(".js"))
    const bytes = readFileSync(join(bundle, "assets", script))
    const text = readFileSync(manifest, "utf8")
    expect(text).toContain(script)
    // The same as a server that changed the file: the manifest that the person holds names other bytes.
    const changed = text.replace(
      /("sha256":\s*")(.)/,
      (_, head: string, first: string) => `${head}${first === "0" ? "1" : "0"}`,
    )
    writeFileSync(
      join(copy, "manifest.json"),
      changed === text ? text.replace(/[0-9a-f]{64}/, "0".repeat(64)) : changed,
    )
    expect(bytes.length).toBeGreaterThan(0)
    expect(await kf.run(["verify-web", world.origin, "--manifest", join(copy, "manifest.json")])).toMatchObject({
      exit: 11,
    })
    rmSync(copy, { recursive: true, force: true })
  })
})

describe("a hostile person at the screen", () => {
  test("WB-04 a locked tab shows nothing, nor do the back button, a second tab, or what the page keeps", async () => {
    await page.goto(world.origin)
    await unlockOnScreen(page)
    await page.getByText("plain").first().click()
    await page
      .getByRole("button", { name: /^Show.*[Pp]assword/ })
      .first()
      .click()
    await page.getByText(SECRET).first().waitFor()
    const second = await context.newPage()
    await second.goto(world.origin)
    await second.getByText("plain").first().waitFor()
    await page.keyboard.press("Control+Shift+L")
    for (const tab of [page, second]) {
      await tab.getByText("Locked").first().waitFor({ timeout: 15_000 })
      expect(await tab.content()).not.toContain(SECRET)
      expect(await tab.content()).not.toContain("plain")
    }
    await page.goBack().catch(() => null)
    await page.goForward().catch(() => null)
    await page.getByText("Locked").first().waitFor()
    expect(await page.content()).not.toContain(SECRET)
    const kept = await page.evaluate(async () => {
      const texts: string[] = [JSON.stringify({ ...localStorage }), JSON.stringify({ ...sessionStorage })]
      for (const name of await caches.keys()) {
        const cache = await caches.open(name)
        for (const request of await cache.keys())
          texts.push(request.url, (await (await cache.match(request))?.text()) ?? "")
      }
      return texts.join("\n")
    })
    expect(kept.length).toBeGreaterThan(1000)
    expect(kept).not.toContain(SECRET)
    expect(kept).not.toContain(PASSWORD)
    await second.close()
  })

  test("X-93 person at the screen: what is written into an entry of the tab's history runs nothing, breaks no page and carries nothing out", async () => {
    // The page of the tests has a device of its own in this browser: what is listed there is what the store holds.
    const listed = async (): Promise<unknown> => {
      await page.goto(`${world.origin}/test/hook.html`)
      await call("unlock", PASSWORD)
      return call("list")
    }
    const before = await listed()
    expect(before).toMatchObject({ ok: true })
    await page.goto(world.origin)
    await unlockOnScreen(page)
    await page.getByText("plain").first().click()
    await page.waitForURL(/item/)
    const item = new URL(page.url()).hash
    const id = item.split("/").at(-1) ?? ""
    const errors = watch.errors.length
    const PLACES = [
      "policy",
      "passkey-remove",
      "passkey-add",
      "password",
      "kit",
      "item",
      "confirm",
      "keys",
      "address",
      "clear",
      "credential-switch",
      "device-add",
      "factor-off",
      "factor-set-up",
      "freeze",
      "sync-existing",
      "sync-off",
      "whole-account",
      `details ${id}`,
      `device ${id}`,
    ]
    const VALUES = [
      "",
      "open",
      "account",
      "synced",
      "local-only",
      `synced ${id}`,
      "constructor",
      "__proto__",
      `<img src=x onerror="globalThis.owned='step'">`,
      "x".repeat(300_000),
      7,
      null,
      { toString: 7 },
    ]
    const states: readonly unknown[] = [
      7,
      "text",
      [],
      { steps: 7 },
      { steps: "text" },
      { steps: null },
      ...VALUES.map((value) => ({ steps: Object.fromEntries(PLACES.map((place) => [place, value])) })),
    ]
    for (const hash of [item, "#/sign-in", "#/security", "#/settings", "#/devices", "#/bin", "#/accounts"])
      for (const state of states) {
        await page.evaluate(
          ([to, put]) => {
            location.hash = to
            history.replaceState(put, "")
            location.hash = "#/about"
          },
          [hash, state] as const,
        )
        await page.waitForFunction(() => location.hash === "#/about")
        await page.goBack()
        await page.locator("main h1, main h2, [role=dialog]").first().waitFor()
        // What stands open is a question that waits for somebody; leaving it carries nothing out.
        await page.keyboard.press("Escape")
      }
    expect(await page.evaluate(() => (globalThis as unknown as { owned?: string }).owned ?? "nothing")).toBe("nothing")
    expect(watch.errors.slice(errors)).toEqual([])
    // After a real reload too: the page asks for the password, and comes back to a page.
    await page.evaluate((put) => {
      location.hash = "#/sign-in"
      history.replaceState(put, "")
    }, states.at(-4))
    await page.reload()
    await unlockOnScreen(page)
    await page.locator("main h1, main h2, [role=dialog]").first().waitFor()
    expect(watch.errors.slice(errors)).toEqual([])
    expect(await listed()).toEqual(before)
  })

  test("WB-05 a copied secret leaves the clipboard, a shown one hides, and a rest of 15 minutes locks", async () => {
    await page.clock.install()
    await page.goto(world.origin)
    await unlockOnScreen(page)
    await page.getByText("plain").first().click()
    await page.bringToFront()
    await page
      .getByRole("button", { name: /^Copy.*[Pp]assword/ })
      .first()
      .click()
    const clipboard = (): Promise<string> => page.evaluate(() => navigator.clipboard.readText())
    await expect.poll(clipboard).toBe(SECRET)
    await page
      .getByRole("button", { name: /^Show.*[Pp]assword/ })
      .first()
      .click()
    await page.getByText(SECRET).first().waitFor()
    await page.clock.fastForward(31_000)
    await expect.poll(() => page.locator("main").innerText()).not.toContain(SECRET)
    expect(await clipboard()).toBe(SECRET)
    await page.clock.fastForward(15_000)
    await expect.poll(clipboard).not.toBe(SECRET)
    // On paper, a secret that is shown is not printed.
    await page
      .getByRole("button", { name: /^Show.*[Pp]assword/ })
      .first()
      .click()
    await page.getByText(SECRET).first().waitFor()
    await page.emulateMedia({ media: "print" })
    expect(await page.getByText(SECRET).first().isVisible()).toBe(false)
    await page.emulateMedia({ media: "screen" })
    // The clock of the rest is in the worker.
    const [worker] = page.workers()
    if (worker === undefined) throw new Error("no worker leads")
    await worker.evaluate(() => {
      const real = Date.now
      Date.now = () => real() + 15 * 60_000 + 1000
    })
    await page.getByText("Locked").first().waitFor()
    expect(await page.content()).not.toContain(SECRET)
  })
})
