import { tmpdir } from "node:os"
import { join } from "node:path"

import { chromium, type BrowserContext, type Page } from "playwright-core"

import { createAuthenticator } from "../devices/world.ts"
import { watchContext, type Watch } from "./browsers.ts"
import { chromiumPath } from "./installed.ts"
import { assert, equal, type Suite, until } from "./suite.ts"
import { createWorld, type World } from "./world.ts"

const PASSWORD = "correct horse battery staple"
const ADDRESS = "ada@example.org"
const SECRET = "canary-77aa90b1c2d3e4f5-secret"

/** The first crossing as a person does it: what is on the screen is read, pressed and typed, and nothing else. */
export const tellScreens = async (bundle: string, watch: Watch, suite: Suite): Promise<void> => {
  const { check } = suite
  const world = await createWorld(bundle, watch)
  const contexts: BrowserContext[] = []
  const open = async (profile: string): Promise<Person> => {
    const context = await chromium.launchPersistentContext(join(world.folder, `screens-${profile}`), {
      executablePath: chromiumPath(),
      args: ["--no-sandbox", "--disable-dev-shm-usage"],
    })
    context.setDefaultTimeout(60_000)
    watchContext(context, watch)
    contexts.push(context)
    return personAt(context.pages()[0] ?? (await context.newPage()))
  }
  try {
    const ada = await open("first")
    let kit = ""
    let authenticator = (): Promise<string> => Promise.resolve("")

    await check("the first thing a visitor does is add a key, with no account", async () => {
      await ada.page.goto(world.origin)
      await ada.press("Add a key")
      await ada.page.getByRole("combobox", { name: "Exchange" }).fill("okx")
      await ada.page.getByRole("option", { name: "OKX", exact: true }).click()
      await ada.type("API key", "5e2b6f0a-1111-2222-3333-444455556666")
      await ada.type("API secret", SECRET)
      await ada.type("Passphrase", "eleven herbs")
      await ada.press("Save")
      await ada.type("Password", PASSWORD)
      await ada.press("Seal and save")
      await ada.sees("OKX main")
      assert(!(await ada.text()).includes(SECRET), "the secret is not on the screen before it is asked for")
    })
    await check("a secret shows when asked, and a reload locks the page with nothing of it left", async () => {
      await ada.page.getByRole("button", { name: /^Show.*secret/i }).click()
      await ada.sees(SECRET)
      await ada.page.reload()
      await ada.sees("Locked")
      assert(!(await ada.page.content()).includes(SECRET), "the locked page holds no secret")
      await ada.unlock()
      await ada.sees("OKX main")
    })
    await check("the first-account link leads into the app, and an invitation outlives the lock", async () => {
      await ada.page.goto(world.firstLink())
      await ada.page.getByRole("link", { name: "Sign up in this browser" }).click()
      await ada.unlock()
      await ada.type("Email", ADDRESS)
      await ada.type("Password of this browser", PASSWORD)
      await ada.press("Create account")
      await ada.sees("Your recovery kit")
    })
    await check("the kit is shown once, and two groups of it are asked back", async () => {
      kit = await kitOn(ada.page)
      // In letters that are told apart on paper; without their file the system's own would do in silence.
      await until(
        () =>
          ada.page.evaluate(
            `[...document.fonts].some(({ family, status }) => /Hyperlegible Mono/.test(family) && status === "loaded")`,
          ),
        "the code is drawn in the letters of the app",
      )
      const groups = kit.split("-").slice(1)
      const asked = await ada.page.getByRole("textbox", { name: /^Group \d+/ }).all()
      equal(asked.length, 2)
      for (const field of asked) {
        const label = await ada.page.locator(`label[for="${await field.getAttribute("id")}"]`).innerText()
        await field.fill(groups[Number(/\d+/.exec(label)?.[0]) - 1] ?? "")
      }
      await ada.press("Check")
      await ada.sees("Turn on sync")
    })
    await check(
      "turning sync on is three steps: a second factor, this browser (the first link has confirmed it), a choice",
      async () => {
        await ada.press("Set it up")
        const key = (await ada.page.locator(".factor-key").innerText()).replaceAll(/\s/g, "")
        authenticator = createAuthenticator(`otpauth://totp/Keyferry:ada?secret=${key}`)
        await ada.type("The code that it shows now", await authenticator())
        await ada.press("I’ve saved these")
        await ada.sees("Choose what syncs")
        await ada.page.getByRole("button", { name: /^Turn on sync, upload/ }).click()
        await ada.sees("Sync is on")
      },
    )

    const bob = await open("second")
    await check("a second browser signs in, is confirmed by mail, and gets its keys with the kit", async () => {
      await bob.page.goto(world.origin)
      await bob.press("Sign in")
      await bob.type("Email", ADDRESS)
      await bob.type("Password", PASSWORD)
      await bob.press("Sign in")
      await bob.type("Code", await authenticator())
      await bob.page.getByText("With a mail", { exact: true }).click()
      await bob.press("Email me")
      await confirmByMail(world, bob)
      await bob.page.getByText("With my recovery kit", { exact: true }).click()
      await bob.type("Code of your recovery kit", kit)
      await bob.press("Get my keys")
    })
    await check("sync is turned on there, and what the first browser synced arrives", async () => {
      await bob.sees("Retrieve your keys")
      await bob.press("Retrieve my keys")
      await bob.sees("Sync is on")
      await bob.go("Credentials")
      await bob.sees("OKX main")
    })
    await check("an edit on one side is on the other side's screen by itself", async () => {
      await bob.page.getByText("OKX main").first().click()
      await bob.press("Edit")
      await bob.type("Name", "OKX renamed")
      await bob.press("Save changes")
      await ada.go("Credentials")
      await ada.sees("OKX renamed")
    })
    await check(
      "every page that the rail and the settings lead to opens, the palette and the list of keys too",
      async () => {
        for (const place of ["Devices", "Activity", "Bin", "Settings"]) {
          await ada.go(place)
          await ada.page.getByRole("heading", { level: 1 }).first().waitFor()
        }
        const places = ada.page.locator(".settings-nav a")
        await places.first().waitFor()
        const count = await places.count()
        assert(count >= 7, "the settings have their pages")
        for (let n = 0; n < count; n++) {
          await places.nth(n).click()
          await ada.page.locator('.settings-nav [aria-current="page"]').waitFor()
          await ada.page.locator(".settings-body").getByRole("heading").first().waitFor()
        }
        await ada.go("Credentials")
        const quietInk = (): Promise<unknown> =>
          ada.page.evaluate("getComputedStyle(document.querySelector('.vault-name')).color")
        const usual = await quietInk()
        await ada.page.emulateMedia({ contrast: "more" })
        assert((await quietInk()) !== usual, "who asks for contrast gets ink for quiet words")
        await ada.page.emulateMedia({ contrast: null })
        await ada.page.keyboard.press("Control+k")
        await ada.page.getByRole("dialog").waitFor()
        await ada.page.keyboard.press("Escape")
        await ada.page.getByRole("dialog").waitFor({ state: "detached" })
        await ada.page.keyboard.press("?")
        await ada.page.getByRole("dialog").waitFor()
        await ada.page.keyboard.press("Escape")
        await ada.page.getByRole("dialog").waitFor({ state: "detached" })
      },
    )
    await check("the second browser is removed: it says so by itself, and a list tells what to replace", async () => {
      await ada.go("Devices")
      await ada.page
        .getByRole("button", { name: /^Actions/ })
        .last()
        .click()
      await ada.page.getByRole("menuitem", { name: /^Remove / }).click()
      await ada.page.getByText("It’s lost, stolen, or someone else had it").click()
      await ada.page
        .getByRole("dialog")
        .getByRole("button", { name: /^Remove / })
        .click()
      await ada.stepUp("Now make its copies useless", PASSWORD, authenticator)
      await ada.sees("Now make its copies useless")
      await ada.sees("OKX renamed")
      await bob.sees("This browser was removed")
    })
  } catch (error) {
    // What the person had before them tells more than the sentence.
    for (const [at, context] of contexts.entries())
      for (const page of context.pages())
        await page.screenshot({ path: join(tmpdir(), `keyferry-screens-${at}.png`) }).catch(() => undefined)
    throw error
  } finally {
    for (const context of contexts) await context.close().catch(() => undefined)
    await world.close()
  }
}

/** What a person can do with one page. */
interface Person {
  readonly page: Page
  readonly press: (name: string) => Promise<void>
  readonly type: (label: string, text: string) => Promise<void>
  readonly sees: (text: string, withinMs?: number) => Promise<void>
  readonly text: () => Promise<string>
  readonly unlock: () => Promise<void>
  readonly go: (name: string) => Promise<void>
  readonly stepUp: (shown: string, password: string, code: () => Promise<string>) => Promise<void>
}

const personAt = (page: Page): Person => {
  const person: Person = {
    page,
    press: (name) =>
      page
        .getByRole("button", { name, exact: true })
        .or(page.getByRole("link", { name, exact: true }))
        .first()
        .click(),
    type: (label, text) =>
      page
        .getByRole("textbox", { name: label, exact: true })
        .or(page.getByLabel(label, { exact: true }).and(page.locator("input, textarea")))
        .first()
        .fill(text),
    sees: (text, withinMs = 60_000) => page.getByText(text).first().waitFor({ timeout: withinMs }),
    text: () => page.locator("body").innerText(),
    unlock: async () => {
      await person.sees("Locked")
      await person.type("Password", PASSWORD)
      await person.press("Unlock")
    },
    go: (name) =>
      page
        .getByRole("navigation")
        .getByRole("link", { name: new RegExp(`^${name}`) })
        .first()
        .click(),
    stepUp: async (shown, password, code) => {
      const answered = page.getByText(shown).first()
      // Each is asked only where it is not fresh.
      for (let asked = 0; asked < 2; asked++) {
        const dialog = page.getByRole("dialog").filter({ has: page.locator("input[name=password], input[name=code]") })
        await dialog.or(answered).first().waitFor()
        if (!(await dialog.isVisible())) return
        const field = dialog.locator("input").first()
        const name = await field.getAttribute("name")
        await field.fill(name === "password" ? password : await code())
        await dialog.getByRole("button").first().click()
        await dialog.locator(`input[name=${name}]`).waitFor({ state: "detached" })
      }
    },
  }
  return person
}

const kitOn = async (page: Page): Promise<string> => {
  const parts = await page.locator(".kit-code > span:first-child, .kit-code .kit-group b").allInnerTexts()
  return parts.map((part) => part.trim()).join("-")
}

/** Opens the mailed link in the browser that waits, types the code that its screen shows, and presses the button. */
const confirmByMail = async (world: World, person: Person): Promise<void> => {
  await person.page.locator(".big-code").waitFor()
  const code = (await person.page.locator(".big-code").innerText()).replaceAll(/\s/g, "")
  const mail = await world.smtp.waitForMail(({ links }) => links.some((link) => link.includes("/v/#")))
  world.smtp.clear()
  const tab = await person.page.context().newPage()
  await tab.goto(mail.links.find((link) => link.includes("/v/#")) ?? "")
  await tab.getByLabel("The six digits that this device shows").fill(code)
  await tab.getByRole("button", { name: "Confirm this device" }).click()
  await until(
    async () => !(await tab.getByRole("button", { name: "Confirm this device" }).isVisible()),
    "the page has taken the code",
  )
  await tab.close()
}
