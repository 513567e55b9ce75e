import { makeAccount } from "./account.ts"
import { openDeviceTab } from "./device-tab.ts"
import { mailboxIn } from "./mailbox.ts"
import type { Person } from "./person.ts"
import { ADDRESS, PASSWORD, type Sitting, type SittingWish, tellSitting } from "./sitting.ts"
import { assert, until } from "./suite.ts"

const NEW_PASSWORD = "another horse battery staple"
const HOUR_MS = 3_600_000
/** The gallery says by these sentences which story reaches a state. */
const RECOVERED =
  "the password is lost: the kit, the mailbox and the second factor bring the account back, with a reload at each step"
const SESSION_OVER = "a sign-in that the server has forgotten meanwhile begins anew from the page that waited for it"
const FACTOR_LOST =
  "the second factor is lost as well: after 72 hours the kit recovers without it, in a page that was closed meanwhile"

/** Asks to go on without the second factor, as the question says what that means. */
const passFactor = async (who: Person): Promise<void> => {
  await who.press("Go on without it")
  await who.sees("Go on without the second factor?")
  await who.press("Go on")
}

/** Ways back into an account, each with a reload at every step. */
export const tellRecovery = (wish: SittingWish): Promise<void> => tellSitting("recovery", wish, tellThem)

const tellThem = async ({ world, name, how, check, sit, reloaded }: Sitting): Promise<void> => {
  let kit = ""
  let code = (): Promise<string> => Promise.resolve("")
  const { mailed, confirm } = mailboxIn(await world.browser(name, "recovery-mailbox"), world)

  await check(`${how}: an account with one item is made`, async () => {
    const a = await openDeviceTab(await world.browser(name, "recovery-first"), world.origin)
    await a.must("createLocal", PASSWORD)
    await a.must("add", { kind: "note", title: "Harbour", fields: [{ name: "text", value: "quay 7", secret: true }] })
    ;({ kit, code } = await makeAccount(world, a))
    await a.tab.close()
  })

  const bob = await sit(await world.browser(name, "recovery-second"))
  await check(`${how}: ${SESSION_OVER}`, async () => {
    await bob.tab.goto(`${world.origin}/sign-in`)
    await bob.fill("Email", ADDRESS)
    await bob.fill("Password", PASSWORD)
    await bob.press("Sign in")
    await bob.sees("No app and no code left?")
    // Whoever has the phone elsewhere, or meant another account, is not kept here.
    await bob.press("Stop here and start again")
    await bob.sees("Name of this browser")
    await bob.fill("Password", PASSWORD)
    await bob.press("Sign in")
    await bob.sees("No app and no code left?")
    await bob.tab.reload()
    await bob.sees("A sign-in on this browser is not finished.")
    world.moveBy(HOUR_MS)
    await reloaded(bob, "No app and no code left?")
    await bob.fill("Code", await code())
    await bob.sees("signed-out")
    await bob.press("Start again")
    await bob.sees("Name of this browser")
    await reloaded(bob, "Name of this browser")
    await bob.fill("Password", PASSWORD)
    await bob.press("Sign in")
    await bob.sees("No app and no code left?")
    await bob.fill("Code", await code())
    await bob.sees("With a mail")
    await bob.choose("With a mail")
    await bob.press("Email me")
    await bob.sees("Nothing yet?")
    world.moveBy(HOUR_MS)
    // The link is too old by then as well; whichever the server says first, the way on is the same.
    await bob.press("Start again")
    await bob.sees("Name of this browser")
    await bob.tab.close()
    world.smtp.clear()
  })

  const carol = await sit(await world.browser(name, "recovery-third"))
  await check(`${how}: ${RECOVERED}`, async () => {
    await carol.tab.goto(world.origin)
    await carol.press("Sign in")
    await carol.press("I lost my password")
    await carol.sees("Recover the account")
    await reloaded(carol, "Recover the account")
    await carol.fill("New password", NEW_PASSWORD)
    await carol.fill("Code of your recovery kit", kit)
    // Two lines high, and Enter sends it all the same.
    await carol.key("Enter")
    await carol.sees("No app and no code left?")
    await reloaded(carol, "No app and no code left?", NEW_PASSWORD)
    await carol.fill("Code", await code())
    await mailed(carol)
    await reloaded(carol, "Nothing yet?", NEW_PASSWORD)
    await confirm(carol)
    await carol.sees("Ready to recover")
    await reloaded(carol, "Ready to recover", NEW_PASSWORD)
    await carol.press("Recover")
    await carol.sees("Check what you printed")
    const printed = (await carol.textOf(".kit-code")).split(/\s+/).filter((part) => /^(?:KF1|[0-9A-Z]{4})$/.test(part))
    kit = printed.join("-")
    await carol.press("I saved it, skip the check")
    await carol.sees("Replace the kit")
    await reloaded(carol, "Replace the kit", NEW_PASSWORD)
    await carol.press("Continue")
    await carol.sees("Retrieve your keys")
    await reloaded(carol, "Retrieve your keys", NEW_PASSWORD)
    await carol.press("Retrieve my keys")
    await carol.sees("Sync is on")
    await carol.press("Credentials")
    await carol.sees("Harbour")
  })

  const dave = await sit(await world.browser(name, "recovery-fourth"))
  await check(`${how}: ${FACTOR_LOST}`, async () => {
    await dave.tab.goto(`${world.origin}/recover`)
    await dave.fill("Code of your recovery kit", kit)
    await dave.fill("New password", PASSWORD)
    await dave.press("Start")
    await dave.sees("No app and no code left?")
    // A code that was wrong before is not what is said of the wait.
    await dave.fill("Code", "000 000")
    await dave.sees("second-factor-wrong")
    await passFactor(dave)
    await dave.sees("The 72 hours are running")
    assert(!(await dave.text()).includes("second-factor-wrong"), "the wrong code is not spoken of any more")
    // Wherever the account is open, it is said, and stopped by one press; then it begins anew.
    await carol.sees("Somebody asked to sign in without your second factor")
    await carol.press("Stop it")
    await carol.sees("Stopped: nobody gets in without your second factor")
    await carol.press("Dismiss")
    await until(async () => !(await carol.text()).includes("Stopped: nobody"), "it is put away")
    await passFactor(dave)
    await dave.sees("The 72 hours are running")
    await carol.sees("Somebody asked to sign in without your second factor")
    world.moveBy(73 * HOUR_MS)
    await reloaded(dave, "No app and no code left?")
    await passFactor(dave)
    await dave.sees("signed-out")
    await dave.press("Start again")
    await dave.fill("Code of your recovery kit", kit)
    await dave.fill("New password", PASSWORD)
    await dave.press("Start")
    await passFactor(dave)
    await mailed(dave)
    await reloaded(dave, "Nothing yet?")
    await confirm(dave)
    await dave.sees("Ready to recover")
    await reloaded(dave, "Ready to recover")
    await dave.press("Recover")
    await dave.sees("Check what you printed")
    await dave.press("I saved it, skip the check")
    await dave.sees("Replace the kit")
    await reloaded(dave, "Replace the kit")
  })
}
