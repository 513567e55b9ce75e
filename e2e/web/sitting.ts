import { tmpdir } from "node:os"
import { join } from "node:path"

import type { BrowserName, BrowserProcess, Tab, Watch } from "./browsers.ts"
import { typistAt } from "./keyboard.ts"
import type { Person } from "./person.ts"
import { pointerAt } from "./pointer.ts"
import { type Suite, until } from "./suite.ts"
import { createWorld, type World } from "./world.ts"

/** Places at which a page was reloaded or locked, and how many of them were there again. */
export interface Resumed {
  steps: number
  resumed: number
}

/** People before the screens of one world, and what happens to them there. */
export interface Sitting {
  readonly world: World
  readonly name: BrowserName
  readonly how: "by keyboard" | "by pointer"
  readonly check: Suite["check"]
  readonly sit: (browser: BrowserProcess) => Promise<Person>
  /** Reloads, opens the vault where that locked it, and looks whether it is the same step. */
  readonly reloaded: (who: Person, shown: string, password?: string) => Promise<void>
}

export const PASSWORD = "correct horse battery staple"
export const ADDRESS = "ada@example.org"
/** A page of this origin that runs nothing of the app: nobody holds its databases open. */
export const QUIET_PAGE = "/pages/style.css"

/**
 * Chromium's person has no pointer. Headless Firefox loses the focus to its own bars when Tab leaves the page, and takes no
 * Enter for a button after that; its person has a pointer.
 */
export const personAt = (name: BrowserName, tab: Tab): Person => (name === "chromium" ? typistAt(tab) : pointerAt(tab))

export interface SittingWish {
  readonly name: BrowserName
  readonly bundle: string
  readonly watch: Watch
  readonly suite: Suite
  readonly count: Resumed
}

/** Tells a story before the screens of a new world. Where it fails, pictures say what the people had before them. */
export const tellSitting = async (
  story: string,
  { name, bundle, watch, suite, count }: SittingWish,
  tell: (sitting: Sitting) => Promise<void>,
): Promise<void> => {
  const world = await createWorld(bundle, watch)
  const people: Person[] = []
  try {
    await tell({
      world,
      name,
      how: name === "chromium" ? "by keyboard" : "by pointer",
      check: suite.check,
      sit: async (browser) => {
        const person = personAt(name, await browser.tab())
        people.push(person)
        return person
      },
      reloaded: async (who, shown, password = PASSWORD) => {
        count.steps++
        await who.tab.reload()
        await unlockIfLocked(who, shown, password)
        await who.sees(shown)
        count.resumed++
      },
    })
  } catch (error) {
    // What the person had before them tells more than the sentence.
    for (const [at, { tab }] of people.entries())
      await tab.screenshot(join(tmpdir(), `keyferry-${story}-${name}-${at}.png`)).catch(() => undefined)
    throw error
  } finally {
    await world.close()
  }
}

/** Types the password where it is asked for on the way to `shown`. */
export const unlockIfLocked = async (who: Person, shown: string, password = PASSWORD): Promise<void> => {
  let isLocked = false
  await until(async () => {
    const text = await who.text()
    isLocked = /^Locked$/m.test(text)
    return isLocked || text.includes(shown)
  }, `${shown}, or “Locked”`)
  if (!isLocked) return
  await who.fill("Password", password)
  await who.press("Unlock")
}

/** The password and the second factor, once more, where they are asked for on the way to `shown`; answers with what was asked. */
export const stepUp = async (
  who: Person,
  shown: string | ((text: string) => boolean),
  code: (() => Promise<string>) | "by passkey",
  password = PASSWORD,
): Promise<readonly string[]> => {
  const asked: string[] = []
  const isShown = typeof shown === "string" ? (text: string) => text.includes(shown) : shown
  while (asked.length < 3) {
    let question: string | undefined
    await until(
      async () => {
        const text = await who.text()
        // On top of the dialog that it is asked for.
        question = /Your (password|second factor), once more/.exec(text)?.[1]
        return question !== undefined || isShown(text)
      },
      `${typeof shown === "string" ? shown : "what was asked for"}, or a question`,
    )
    const asking = question
    if (asking === undefined) break
    asked.push(asking)
    if (asking === "second factor" && code === "by passkey") await who.press("Use a passkey")
    else {
      if (asking === "password") await who.fill("Password", password)
      else if (code !== "by passkey") await who.fill("Code", await code())
      await who.press("Confirm")
    }
    await until(async () => !(await who.text()).includes(`Your ${asking}, once more`), `“${asking}” is answered`)
  }
  return asked
}
