import type { BrowserProcess } from "./browsers.ts"
import type { Person } from "./person.ts"
import { personAt } from "./sitting.ts"
import { until } from "./suite.ts"
import type { World } from "./world.ts"

/** Where a person reads their mail: another browser than the one that waits for the link. */
export interface Mailbox {
  /** The mail is asked for by a person, or went out with the second factor. */
  readonly mailed: (who: Person) => Promise<void>
  /** The mailed link, opened here, with the code that the waiting page shows. */
  readonly confirm: (who: Person) => Promise<void>
}

export const mailboxIn = (browser: BrowserProcess, world: World): Mailbox => ({
  mailed: async (who) => {
    await until(async () => /Email me|Nothing yet\?/.test(await who.text()), "a mail, or the button for it")
    if (!(await who.text()).includes("Nothing yet?")) await who.press("Email me")
    await who.sees("Nothing yet?")
  },
  confirm: async (who) => {
    const digits = (await who.textOf(".big-code")).replaceAll(/\s/g, "")
    const mail = await world.smtp.waitForMail(({ links }) => links.some((link) => link.includes("/v/#")))
    world.smtp.clear()
    const page = personAt(browser.name, await browser.tab())
    await page.tab.goto(mail.links.find((link) => link.includes("/v/#")) ?? "")
    await page.fill("The six digits that this device shows", digits)
    await page.press("Confirm this device")
    await page.sees("Confirmed. Go on at the device.")
    await page.tab.close()
  },
})
