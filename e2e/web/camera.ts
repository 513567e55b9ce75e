import { tmpdir } from "node:os"
import { join } from "node:path"

import { createAuthenticator } from "../devices/world.ts"
import type { BrowserName, Watch } from "./browsers.ts"
import { openDeviceTab } from "./device-tab.ts"
import { filmCode } from "./film.ts"
import type { Person } from "./person.ts"
import { pointerAt } from "./pointer.ts"
import { assert, type Suite, until } from "./suite.ts"
import { createWorld, type World } from "./world.ts"

const PASSWORD = "correct horse battery staple"
const ADDRESS = "ada@example.org"
/** The gallery says by these sentences which story reaches a state. */
const NO_CAMERA = "where there is no camera, the page says so and names what is typed instead"
const KIT_SEEN = "the kit is checked by its code before the camera"
const DEVICE_SEEN = "a new browser is approved by its code before the camera, with nothing typed but two words"

/** What a camera reads, in browsers that read no codes by themselves. */
export const tellCamera = async (name: BrowserName, bundle: string, watch: Watch, suite: Suite): Promise<void> => {
  const world = await createWorld(bundle, watch)
  const people: Person[] = []
  try {
    await tellThem(name, world, suite, people)
  } catch (error) {
    // What the person had before them tells more than the sentence.
    for (const [at, { tab }] of people.entries())
      await tab.screenshot(join(tmpdir(), `keyferry-camera-${name}-${at}.png`)).catch(() => undefined)
    throw error
  } finally {
    await world.close()
  }
}

const tellThem = async (name: BrowserName, world: World, { check }: Suite, people: Person[]): Promise<void> => {
  const blind = pointerAt(await (await world.browser(name, "camera-none")).tab())
  people.push(blind)
  await check(NO_CAMERA, async () => {
    await blind.tab.goto(`${world.origin}/recover`)
    await blind.press("Scan")
    await blind.sees("There is no camera here.")
    await blind.sees("Type the code from the paper instead")
    await blind.press("Cancel")
    await blind.fill("Code of your recovery kit", "KF1-")
  })
  // Firefox takes no film for a camera.
  if (name === "firefox") return

  const film = join(world.folder, "camera.y4m")
  const first = await world.browser(name, "camera-first", { camera: film })
  const ada = pointerAt(await first.tab())
  const second = await world.browser(name, "camera-second")
  people.push(ada)
  const hook = await openDeviceTab(first, world.origin)

  await check(KIT_SEEN, async () => {
    await hook.must("createLocal", PASSWORD)
    await ada.tab.goto(world.firstLink())
    await ada.press("Sign up in this browser")
    await ada.fill("Email", ADDRESS)
    await ada.fill("Password of this browser", PASSWORD)
    await ada.press("Create account")
    await ada.sees("Your recovery kit")
    await filmCode(ada.tab, film)
    await ada.press("Scan the printed code")
    await until(async () => !(await ada.text()).includes("Your recovery kit"), "the kit is put away")
    await ada.sees("Turn on sync")
    assert((await hook.status()).account?.kitUnchecked !== true, "the kit counts as checked")
  })

  await check(DEVICE_SEEN, async () => {
    const { otpauth } = await hook.must<{ readonly otpauth: string }>("twoFactorStart")
    const code = createAuthenticator(otpauth)
    await hook.must("twoFactorConfirm", await code())
    await hook.must("syncOn", { items: "none", autoNew: true })
    const b = await openDeviceTab(second, world.origin)
    await b.must("loginStart", {
      server: world.origin,
      address: ADDRESS,
      password: PASSWORD,
      deviceName: "Second browser",
    })
    await b.must("loginSecondFactor", "totp", await code(), false)
    const bob = pointerAt(await second.tab())
    people.push(bob)
    await bob.tab.goto(world.origin)
    await bob.choose("With another device of mine")
    await ada.tab.goto(`${world.origin}/devices`)
    await ada.press("Review")
    await bob.sees("The two words that it shows then")
    await ada.sees("The three words on its screen")
    await filmCode(bob.tab, film)
    await ada.press("Scan")
    await ada.sees("Now type these two words")
    await bob.fill("The two words that it shows then", (await ada.textOf(".words")).split(/\s+/).join(" "))
    await bob.press("Get my keys")
    await ada.sees("is added")
    await bob.sees("Retrieve your keys")
  })
}
