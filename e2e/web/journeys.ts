import { tmpdir } from "node:os"
import { join } from "node:path"

import { createAuthenticator } from "../devices/world.ts"
import type { BrowserName, Tab, Watch } from "./browsers.ts"
import { typistAt } from "./keyboard.ts"
import type { Person } from "./person.ts"
import { pointerAt } from "./pointer.ts"
import { assert, equal, type Suite, until } from "./suite.ts"
import { createWorld, type World } from "./world.ts"

/** The gallery says by this sentence which story reaches a state. */
const KIT_FORGOTTEN = "an account is made by the first link, and a kit whose page was reloaded is not forgotten"
const TYPED = "what was typed and not saved is there after a reload, until it is saved or given up"
const SAME_NAME = "a second browser that came with the name of the first gets another one, at a press"
const PASSWORD = "correct horse battery staple"
const ADDRESS = "ada@example.org"
const SECRET = "canary-5f0e1d2c3b4a59687-secret"

/**
 * Chromium's person has no pointer. Headless Firefox loses the focus to its own bars when Tab leaves the page, and takes no
 * Enter for a button after that; its person has a pointer.
 */
const personAt = (name: BrowserName, tab: Tab): Person => (name === "chromium" ? typistAt(tab) : pointerAt(tab))

/** Places at which the page was reloaded, and how many of them were there again. */
export interface Resumed {
  steps: number
  resumed: number
}

/**
 * The five main journeys on the screens, in Chromium with a keyboard and no pointer, in Firefox with a pointer. At every step the page is reloaded,
 * as after a crash: it comes back to that step with nothing lost.
 */
export const tellJourneys = async (
  name: BrowserName,
  bundle: string,
  watch: Watch,
  suite: Suite,
  count: Resumed,
): Promise<void> => {
  const world = await createWorld(bundle, watch)
  const people: Person[] = []
  const sit = async (profile: string): Promise<Person> => {
    const typist = personAt(name, await (await world.browser(name, profile)).tab())
    people.push(typist)
    return typist
  }
  /** Reloads here, opens the vault where that locked it, and looks whether it is the same step. */
  const reloaded = async (who: Person, shown: string): Promise<void> => {
    count.steps++
    await who.tab.reload()
    await unlockIfLocked(who, shown)
    await who.sees(shown)
    count.resumed++
  }
  try {
    await tellThem(world, { name, sit, reloaded, check: suite.check })
  } catch (error) {
    // What the person had before them tells more than the sentence.
    for (const [at, { tab }] of people.entries())
      await tab.screenshot(join(tmpdir(), `keyferry-journey-${name}-${at}.png`)).catch(() => undefined)
    throw error
  } finally {
    await world.close()
  }
}

const unlockIfLocked = async (who: Person, shown: string): Promise<void> => {
  for (let looks = 0; looks < 400; looks++) {
    const text = await who.text()
    if (text.includes(shown)) return
    if (/^Locked$/m.test(text)) {
      await who.fill("Password", PASSWORD)
      await who.press("Unlock")
      return
    }
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

/** The password and the second factor, once more, where they are asked for on the way to `shown`. */
const stepUp = async (who: Person, shown: string, code: () => Promise<string>): Promise<void> => {
  for (let asked = 0; asked < 3; asked++) {
    let title = ""
    await until(
      async () => {
        title = await who.textOf("[role=dialog] h2")
        return /once more|second factor/i.test(title) || (await who.text()).includes(shown)
      },
      `${shown}, or a question`,
      20_000,
    )
    if ((await who.text()).includes(shown)) return
    if (/password/i.test(title)) await who.fill("Password", PASSWORD)
    else await who.fill("Code", await code())
    await who.press("Confirm")
    await until(async () => (await who.textOf("[role=dialog] h2")) !== title, `“${title}” is answered`, 20_000)
  }
}

const tellThem = async (
  world: World,
  tools: {
    readonly name: BrowserName
    readonly sit: (profile: string) => Promise<Person>
    readonly reloaded: (who: Person, shown: string) => Promise<void>
    readonly check: Suite["check"]
  },
): Promise<void> => {
  const { name, sit, reloaded, check } = tools
  const how = name === "chromium" ? "by keyboard" : "by pointer"
  const ada = await sit("keys-first")
  let authenticator = (): Promise<string> => Promise.resolve("")

  await check(`${how}: a key is added`, async () => {
    await ada.tab.goto(world.origin)
    await ada.sees("Add a key")
    await reloaded(ada, "Add a key")
    await ada.press("Add a key")
    await ada.fill("Exchange", "okx")
    await ada.key("ArrowDown")
    await ada.key("Enter")
    await ada.fill("API key", "5e2b6f0a-1111-2222-3333-444455556666")
    await ada.fill("API secret", SECRET)
    await ada.fill("Passphrase", "eleven herbs")
    await ada.press("Save")
    await ada.fill("Password", PASSWORD)
    await ada.press("Seal and save")
    await ada.sees("OKX main")
    await reloaded(ada, "OKX main")
    assert(!(await ada.text()).includes(SECRET), "the secret is not on the screen before it is asked for")
  })
  await check(`${how}: ${TYPED}`, async () => {
    await ada.press("Credentials")
    await ada.press("Add")
    await ada.press("Note")
    await ada.fill("Name", "Half a note")
    await ada.fill("Text", SECRET)
    await ada.sees("Your draft is kept")
    await reloaded(ada, "Your unsaved draft")
    // Somewhere else and back, without a reload.
    await ada.press("Credentials")
    await ada.sees("OKX main")
    await ada.press("Add")
    await ada.press("Note")
    await ada.sees("Your unsaved draft")
    await ada.press("Discard")
    await until(async () => !(await ada.text()).includes("Your unsaved draft"), "it is given up", 20_000)
    await reloaded(ada, "Add: Note")
    assert(!(await ada.text()).includes("Your unsaved draft"), "and stays so")
    await ada.press("Credentials")
    await ada.press("OKX main")
    await ada.press("Edit")
    await ada.fill("Tags", "desk seven")
    await ada.sees("Your draft is kept")
    await reloaded(ada, "Your unsaved draft")
    await ada.press("Save changes")
    await ada.sees("desk seven")
    await ada.press("Edit")
    await ada.sees("Save changes")
    assert(!(await ada.text()).includes("Your unsaved draft"), "what was saved is no draft any more")
    await ada.press("Cancel")
    await ada.sees("desk seven")
  })
  await check(`${how}: ${KIT_FORGOTTEN}`, async () => {
    await ada.tab.goto(world.firstLink())
    await ada.press("Sign up in this browser")
    await ada.fill("Password", PASSWORD)
    await ada.press("Unlock")
    await ada.sees("Password of this browser")
    await reloaded(ada, "Password of this browser")
    await ada.fill("Email", ADDRESS)
    await ada.fill("Password of this browser", PASSWORD)
    await ada.press("Create account")
    await ada.sees("Your recovery kit")
    // It is shown once: a reload loses it, says so, and the way to another one stays.
    await reloaded(ada, "Your recovery kit was not checked")
    await ada.sees("Your account is made")
    await ada.press("Turn on sync")
    await ada.sees("Set it up")
    await reloaded(ada, "Set it up")
  })
  await check(`${how}: sync is turned on in three steps`, async () => {
    await ada.press("Set it up")
    await ada.sees("Can’t scan?")
    authenticator = createAuthenticator(
      `otpauth://totp/Keyferry:ada?secret=${(await ada.textOf(".factor-key")).replaceAll(/\s/g, "")}`,
    )
    await ada.fill("The code that it shows now", await authenticator())
    await ada.press("I’ve saved these")
    await ada.sees("Choose what syncs")
    await reloaded(ada, "Choose what syncs")
    await ada.press("Turn on sync, upload 1")
    await ada.sees("Sync is on")
    await reloaded(ada, "Sync is on")
  })

  await check(`${how}: the banner leads to a new kit, which is checked by two of its groups`, async () => {
    await ada.press("Credentials")
    await ada.press("Make a new kit")
    await ada.sees("Replace the recovery kit?")
    await ada.fill("Password", PASSWORD)
    await ada.press("Make a new kit")
    await stepUp(ada, "Check what you printed", authenticator)
    const groups = (await ada.textOf(".kit-code")).split(/\s+/).filter((part) => /^[0-9A-Z]{4}$/.test(part))
    equal(groups.length, 9)
    const asked = [...(await ada.textOf(".kit-groups")).matchAll(/Group (\d+)/g)].map((match) => Number(match[1]))
    equal(asked.length, 2)
    for (const n of asked) await ada.fill(`Group ${n}`, groups[n - 1] ?? "")
    await ada.press("Check")
    await until(async () => !(await ada.text()).includes("Check what you printed"), "the kit is put away", 20_000)
    assert(!(await ada.text()).includes("was not checked"), "nothing reminds of it any more")
    await reloaded(ada, "Replace the kit")
    await ada.press("Credentials")
    await ada.sees("OKX main")
    assert(!(await ada.text()).includes("was not checked"), "nor after a reload")
  })

  const bob = await sit("keys-second")
  await check(`${how}: a second browser signs in and is confirmed by the mailed link`, async () => {
    await bob.tab.goto(world.origin)
    await bob.press("Sign in")
    await bob.sees("Password")
    await reloaded(bob, "Email")
    await bob.fill("Email", ADDRESS)
    await bob.fill("Password", PASSWORD)
    await bob.press("Sign in")
    await bob.sees("Code")
    await reloaded(bob, "No app and no code left?")
    await bob.fill("Code", await authenticator())
    await bob.sees("With a mail")
    await reloaded(bob, "With a mail")
    await bob.choose("With a mail")
    await bob.press("Email me")
    await bob.sees("Nothing yet?")
    await reloaded(bob, "Nothing yet?")
    const code = (await bob.textOf(".big-code")).replaceAll(/\s/g, "")
    const mail = await world.smtp.waitForMail(({ links }) => links.some((link) => link.includes("/v/#")))
    // Opened where the mail is read: by somebody who is signed in there, on another machine.
    const page = personAt(name, await (await world.browser(name, "keys-mailbox")).tab())
    await page.tab.goto(mail.links.find((link) => link.includes("/v/#")) ?? "")
    await page.fill("The six digits that this device shows", code)
    await page.press("Confirm this device")
    await page.sees("Confirmed. Go on at the device.")
    await bob.sees("Almost there")
    await reloaded(bob, "Almost there")
  })
  await check(`${how}: the first browser approves it, with three words there and two words back`, async () => {
    await bob.choose("From another device of mine")
    await ada.press("Devices")
    await ada.press("Review")
    await ada.sees("The three words on its screen")
    await bob.sees("The two words that it shows then")
    const words = (await bob.textOf(".words")).split(/\s+/).join(" ")
    await ada.fill("The three words on its screen", words)
    await ada.press("Add this device")
    await ada.sees("Now type these two words")
    await bob.fill("The two words that it shows then", (await ada.textOf(".words")).split(/\s+/).join(" "))
    await bob.press("Get my keys")
    await ada.sees("is added")
    await bob.sees("Retrieve your keys")
    await reloaded(bob, "Retrieve your keys")
    await bob.press("Retrieve my keys")
    await bob.sees("Sync is on")
    await bob.press("Credentials")
    await bob.sees("OKX main")
    await reloaded(bob, "OKX main")
  })
  await check(`${how}: ${SAME_NAME}`, async () => {
    const browser = name === "chromium" ? "Chrome" : "Firefox"
    await ada.press("Devices")
    await ada.sees("An older device has the same name")
    await reloaded(ada, "An older device has the same name")
    await ada.press("Rename to ")
    await until(async () => !(await ada.text()).includes("An older device"), "it has a name of its own", 20_000)
    await ada.sees(`${browser} on Linux 2`)
    await bob.press("Devices")
    await bob.sees(`${browser} on Linux 2`)
  })
  await check(`${how}: the second browser is removed, and the key that it could read is ticked off`, async () => {
    await ada.press("Devices")
    await ada.sees("This browser")
    await reloaded(ada, "This browser")
    await ada.pick("Actions for", "Remove ")
    await ada.sees("What is happening?")
    await ada.choose("It’s lost, stolen, or someone else had it")
    await ada.press("Remove ")
    await stepUp(ada, "Now make its copies useless", authenticator)
    await ada.sees("OKX main")
    await reloaded(ada, "Now make its copies useless")
    await bob.sees("This browser was removed")
    await ada.press("Replaced: OKX main")
    await ada.sees("1 of 1")
    await reloaded(ada, "1 of 1")
  })
}
