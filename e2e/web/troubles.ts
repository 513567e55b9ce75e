import { tmpdir } from "node:os"
import { join } from "node:path"

import type { ItemSummary, ItemView } from "@keyferry/sdk"
import { errors } from "@keyferry/sdk/errors"

import { makeAccount } from "./account.ts"
import { standAt } from "./away.ts"
import type { BrowserName, Tab, Watch } from "./browsers.ts"
import { type DeviceTab, deviceOf } from "./device-tab.ts"
import type { Person } from "./person.ts"
import { pointerAt } from "./pointer.ts"
import { ADDRESS, PASSWORD, personAt, QUIET_PAGE } from "./sitting.ts"
import { assert, equal, type Suite, until } from "./suite.ts"
import { createWorld, type World } from "./world.ts"

declare const indexedDB: {
  readonly databases: () => Promise<readonly { readonly name?: string }[]>
  readonly deleteDatabase: (name: string) => {
    readonly addEventListener: (name: "success" | "error" | "blocked", heard: () => void) => void
  }
}

declare const navigator: { readonly serviceWorker: { readonly controller: unknown } }

/** The gallery says by this sentence which story reaches a state. */
const DEFECT_AT_START = "a worker that throws at its start is a sentence on the page, and the next load opens as ever"
const CONFLICT = "the same secret changed on both sides: both values are kept, and a person picks one"

/** What goes wrong around the app, on the screens: a server that is gone, mail that is down, links that do not fit, a store that is lost. */
export const tellTroubles = async (name: BrowserName, bundle: string, watch: Watch, suite: Suite): Promise<void> => {
  const world = await createWorld(bundle, watch)
  const people: Person[] = []
  try {
    await tellThem(name, world, suite, people, watch)
  } catch (error) {
    // What the person had before them tells more than the sentence.
    for (const [at, { tab }] of people.entries())
      await tab.screenshot(join(tmpdir(), `keyferry-trouble-${name}-${at}.png`)).catch(() => undefined)
    throw error
  } finally {
    await world.close()
  }
}

const deleteDatabases = (tab: Tab, names: readonly string[]): Promise<readonly string[]> =>
  tab.run(async (wanted) => {
    const all = (await indexedDB.databases()).map(({ name }) => name ?? "")
    const chosen = wanted.length === 0 ? all : all.filter((name) => wanted.includes(name))
    for (const name of chosen)
      await new Promise<void>((resolve, reject) => {
        const request = indexedDB.deleteDatabase(name)
        request.addEventListener("success", () => resolve())
        request.addEventListener("error", () => reject(new Error(name)))
        request.addEventListener("blocked", () => reject(new Error(`${name} is held open`)))
      })
    return chosen
  }, names)

const tellThem = async (
  name: BrowserName,
  world: World,
  { check }: Suite,
  people: Person[],
  watch: Watch,
): Promise<void> => {
  const first = await world.browser(name, "trouble-first")
  const second = await world.browser(name, "trouble-second")
  const open = async (browser: typeof first, path = "/"): Promise<Person> => {
    const person = pointerAt(await browser.tab())
    people.push(person)
    await person.tab.goto(`${world.origin}${path}`)
    return person
  }
  const hookIn = async (browser: typeof first): Promise<DeviceTab> => {
    const tab = await browser.tab()
    await tab.goto(`${world.origin}/test/hook.html`)
    return deviceOf(tab)
  }
  const a = await hookIn(first)
  const ada = await open(first)
  let code = (): Promise<string> => Promise.resolve("")
  let kit = ""

  await check(
    "the server is gone after the page was loaded: add, search, edit, copy and export work without an account",
    async () => {
      await a.must("createLocal", PASSWORD)
      await a.must("add", { kind: "note", title: "Harbour", fields: [{ name: "text", value: "quay 7", secret: true }] })
      await ada.sees("Harbour")
      // From then on the app's own worker gives the page its later parts.
      await until(
        () => ada.tab.run(() => navigator.serviceWorker.controller !== null, undefined),
        "the service worker has the page",
      )
      await world.killServer()
      await ada.press("Add")
      await ada.press("Note")
      await ada.fill("Name", "Written offline")
      await ada.fill("Text", "a line")
      await ada.press("Save")
      await ada.sees("Written offline")
      await ada.press("Credentials")
      await ada.fill("Filter this list", "harb")
      await ada.sees("1 of 2")
      await ada.press("Harbour")
      await ada.press("Edit")
      await ada.fill("Name", "Harbour north")
      await ada.press("Save changes")
      await ada.sees("Harbour north")
      await ada.press("Copy")
      await ada.sees("Copied")
      await ada.press("Settings")
      await ada.press("Export and import")
      await ada.fill("Passphrase for the file", "a passphrase for the harbour")
      await ada.press("Save the file")
      await ada.sees("Saved. Write the passphrase down", 60_000)
      equal(await a.titles(), ["Harbour north", "Written offline"])
    },
  )

  await check(
    "a proxy whose server is gone, and one that never answers: the app opens from its own copy, with everything in it",
    async () => {
      for (const what of ["proxy", "silence"] as const) {
        const leave = await standAt(world.origin, what)
        await ada.tab.goto(`${world.origin}/`)
        await ada.sees("Harbour north")
        await ada.sees("Written offline")
        await leave()
      }
      await world.start()
    },
  )

  await check(
    "signing out with something that is only here names it, and deletes nothing before it is typed",
    async () => {
      ;({ kit, code } = await makeAccount(world, a))
      const only = {
        kind: "note",
        title: "Only here",
        policy: "local-only",
        fields: [{ name: "text", value: "x", secret: true }],
      }
      await a.must("add", only)
      await ada.tab.goto(`${world.origin}/sign-out`)
      await ada.sees("Before you sign out of this browser")
      await ada.sees("Only here")
      await ada.press("Delete it and sign out")
      await ada.fill("Type “delete 1”", "delete 2")
      await ada.sees("This is the last device of the account")
      equal((await a.titles()).length, 3)
      // Not what was asked for: the button does nothing.
      await ada.key("Enter")
      await ada.press("Cancel")
      await ada.press("Just lock instead")
      await ada.sees("Locked")
      equal((await a.snapshot()).status?.lock, "locked")
      await a.must("unlock", PASSWORD)
      equal((await a.titles()).length, 3)
    },
  )

  const b = await hookIn(second)
  await b.must("loginStart", {
    server: world.origin,
    address: ADDRESS,
    password: PASSWORD,
    deviceName: "Second browser",
  })
  await b.must("loginSecondFactor", "totp", await code(), false)
  const bob = await open(second)
  const linkOf = async (): Promise<string> => {
    const mail = await world.smtp.waitForMail(({ links }) => links.some((link) => link.includes("/v/#")))
    world.smtp.clear()
    return mail.links.find((link) => link.includes("/v/#")) ?? ""
  }
  const page = pointerAt(await first.tab())
  people.push(page)
  const refuses = async (link: string): Promise<void> => {
    await page.tab.goto(`${world.origin}${QUIET_PAGE}`)
    await page.tab.goto(link)
    await page.sees("This link cannot be used. The waiting device says why")
  }
  await check(
    "mail is down: the waiting page says so and names the other ways, and goes on when it is up",
    async () => {
      await world.stopMail()
      await bob.choose("With a mail")
      await bob.press("Email me")
      await bob.sees("Nothing yet?")
      world.moveBy(6_000)
      await bob.sees("The mail could not be sent")
      await bob.sees("Approve from another device, or ask the operator to run")
      await bob.sees("With another device of mine")
      await world.startMail()
      world.moveBy(31_000)
      await bob.sees("Sent to")
    },
  )

  await check(
    "a link that is too old: its page refuses it, the waiting browser says that it expired, and a new mail works",
    async () => {
      const old = await linkOf()
      world.moveBy(11 * 60_000)
      await refuses(old)
      await bob.sees("The mailed link has expired")
      await bob.tab.reload()
      await bob.sees("The mailed link has expired")
      await bob.press("Mail me a new link")
      await bob.sees("Nothing yet?")
    },
  )

  await check(
    "a link that is foreign, or was replaced by a newer mail, or was used, confirms nobody; the page says only that",
    async () => {
      const replaced = await linkOf()
      await refuses(`${world.origin}/v/#${"A".repeat(43)}`)
      await b.must("requestMail")
      const link = await linkOf()
      await refuses(replaced)
      await bob.tab.reload()
      await bob.sees("Nothing yet?")
      const digits = (await bob.textOf(".big-code")).replaceAll(/\s/g, "")
      await page.tab.goto(`${world.origin}${QUIET_PAGE}`)
      await page.tab.goto(link)
      await page.fill("The six digits that this device shows", digits === "000000" ? "000001" : "000000")
      await page.press("Confirm this device")
      await page.sees("This link")
      await page.fill("The six digits that this device shows", digits)
      await page.press("Confirm this device")
      await page.sees("Confirmed. Go on at the device.")
      await refuses(link)
      await bob.sees("Almost there")
      await bob.choose("With my recovery kit")
      await bob.fill("Code of your recovery kit", kit)
      await bob.press("Get my keys")
      await bob.sees("Retrieve your keys")
      await bob.press("Retrieve my keys")
      await bob.sees("Sync is on")
      await until(async () => (await b.titles()).length === 2, "what syncs is here, what is local-only is not")
      // The clocks of the browsers stayed where they were, and the server would say so from here on.
      world.moveBy(Date.now() - world.nowMs())
    },
  )

  const how = name === "chromium" ? "by keyboard" : "by pointer"
  await check(`${how}: ${CONFLICT}`, async () => {
    const [first, second] = [personAt(name, ada.tab), personAt(name, bob.tab)]
    const picked: string[] = []
    await world.killServer()
    for (const [who, value, title] of [
      [first, "quay 8", "Harbour east"],
      [second, "quay 9", "Harbour west"],
    ] as const) {
      await who.press("Credentials")
      await who.press("Harbour north")
      await who.press("Edit")
      await who.fill("Name", title)
      await who.fill("Text", value)
      await who.press("Save changes")
      await who.sees("Edit")
    }
    await second.sees("Offline")
    await world.start()
    // Both go on with what they do; that is when a browser asks for its server again.
    await until(
      async () => {
        for (const who of [first, second]) await who.press("Credentials")
        const known = await Promise.all([a, b].map(async (side) => (await side.status()).sync.conflicts))
        return known.every((conflicts) => conflicts === 1)
      },
      "both sides know of it",
      120_000,
    )
    await second.sees("1 credential has two versions")
    await second.press("Look")
    await second.sees("changed in two places")
    await second.tab.reload()
    await second.sees("changed in two places")
    await second.press("Show")
    await second.sees("quay 8")
    await second.sees("quay 9")
    // Those that are not in use, so that the choice changes something. Each field is counted by itself.
    for (const pattern of [/(Harbour (?:east|west))\s+from /, /(quay \d)\s+from /]) {
      const other = pattern.exec(await second.text())?.[1] ?? ""
      await second.choose(other)
      await second.press("Use selected")
      await until(async () => !pattern.test(await second.text()), `“${other}” is settled`)
      picked.push(other)
    }
    await second.sees("No conflicts.")
    for (const side of [a, b]) {
      await until(async () => (await side.status()).sync.conflicts === 0, "it is settled on both sides")
      const item = (await side.must<readonly ItemSummary[]>("list")).find(({ title }) => title === picked[0])
      const { fields } = await side.must<ItemView>("get", item?.id)
      equal(fields.find((field) => field.name === "text")?.value, picked[1])
    }
    // What was not chosen is not lost: the history has it.
    await second.press("Credentials")
    await second.press(picked[0] ?? "")
    await second.pick("Actions for", "History")
    for (let rows = 0; rows < 2; rows++) await second.press("View the version of")
    await second.sees("Text, the second version")
  })

  await check(
    "a browser's keys are lost while its rows are there: the page says so, and the way on is open",
    async () => {
      for (const { tab } of [b, bob]) await tab.goto(`${world.origin}${QUIET_PAGE}`)
      const gone = await until(
        async () => (await deleteDatabases(bob.tab, ["keyferry-keys"]).catch(() => [])).length === 1,
        "the database can be deleted when nobody holds it",
      )
      assert(gone >= 0, "deleted")
      await bob.tab.goto(world.origin)
      await bob.sees("store-corrupt")
      await bob.press("Get keys again")
      await bob.sees("What was only here is lost")
      await bob.press("Clear and sign in")
      await bob.sees("Sign in")
    },
  )

  await check("a browser whose store was cleared is a new one, and says nothing of what was there", async () => {
    for (const { tab } of [a, ada, page]) await tab.goto(`${world.origin}${QUIET_PAGE}`)
    await until(async () => (await deleteDatabases(page.tab, []).catch(() => [])).length > 0, "all can be deleted")
    await ada.tab.goto(world.origin)
    await ada.sees("Add a key")
    assert(!(await ada.text()).includes(ADDRESS), "no address is left")
  })
  if (name === "chromium") {
    await check(DEFECT_AT_START, async () => {
      const thrown = "thrown by the story"
      const tab = await (await world.browser(name, "trouble-defect")).tab()
      const eve = pointerAt(tab)
      people.push(eve)
      // Each time, for a worker that does not come is begun again.
      const mend = await tab.spoil(
        /\/assets\/main-[^/]*\.js$/,
        `Object.defineProperty(navigator, "userAgent", { get() { throw new Error("${thrown}") } })`,
      )
      await tab.goto(world.origin)
      await eve.sees("This browser’s vault doesn’t open")
      await eve.sees(errors.internal.sentence)
      await mend()
      await tab.goto(world.origin)
      await eve.sees("Add a key")
      // What was thrown on purpose is no error of the story; that it was told where defects are looked for is.
      const told = watch.errors.splice(0)
      assert(
        told.some((text) => text.includes(thrown)),
        "the defect is told in the console",
      )
      watch.errors.push(...told.filter((text) => !text.includes(thrown)))
    })
    await check(
      "a worker that the browser never brings is begun again, and the page does not wait for ever",
      async () => {
        for (const [n, held] of [/\/device\.html$/, /\/assets\/main-[^/]*\.js$/].entries()) {
          const tab = await (await world.browser(name, `trouble-held-${n}`)).tab()
          await tab.stallOnce(held)
          const eve = pointerAt(tab)
          people.push(eve)
          await tab.goto(`${world.origin}/add/note`)
          await eve.fill("Text", "a line")
          await eve.press("Save")
          await eve.fill("Password", PASSWORD)
          await eve.press("Seal and save")
          await eve.sees("Local only", 60_000)
        }
      },
    )
  }
}
