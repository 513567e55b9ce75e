import { makeAccount } from "./account.ts"
import { deviceOf } from "./device-tab.ts"
import { mailboxIn } from "./mailbox.ts"
import { type Person } from "./person.ts"
import {
  ADDRESS,
  PASSWORD,
  QUIET_PAGE,
  type Sitting,
  type SittingWish,
  stepUp,
  tellSitting,
  unlockIfLocked,
} from "./sitting.ts"
import { assert, equal, until } from "./suite.ts"

declare const hook: { readonly call: (method: string, args: readonly unknown[]) => Promise<unknown> }
interface FileField {
  files: unknown
  readonly dispatchEvent: (event: object) => void
}
declare const document: { readonly querySelector: (selector: string) => FileField | null }
declare const DataTransfer: new () => {
  readonly items: { readonly add: (file: object) => void }
  readonly files: unknown
}

const NEXT_PASSWORD = "another horse battery staple"
const NEXT_ADDRESS = "ada@new.example"
const FACTOR_FRESH_MS = 5 * 60_000
const PASSPHRASE = "a passphrase for the harbour"
/** The gallery says by these sentences which story reaches a state. */
const PASSWORD_CHANGED = "the password is changed; a reload comes back to the question"
const ADDRESS_CHANGED = "the address is changed by the link in the new mailbox; both mailboxes are told"
const KIT_REPLACED = "the kit is replaced, and the new one is checked after a reload lost its page"
const PASSKEY_ADDED = "a passkey is added"
const KIT_IN = "a browser that holds nothing any more signs in, and the kit brings its keys"
const PASSKEY_IN = "a browser that holds nothing any more signs in with the passkey, which brings its keys too"
const PASSKEY_REMOVED = "the passkey is removed, and a passkey answers for the second factor before that"
const SWITCHES = "sync of this browser and of one item is stopped, each after its question, and goes on"
const WHOLE_ACCOUNT = "sync of the whole account is stopped, after its question"
const SIGNED_OUT =
  "the last device signs out and clears, after what is only here was named and the kit was shown to be there"
const BIN = "an item goes into the bin and comes back"
const RENAMED = "a device gets another name"
const IMPORTED = "an archive is imported"
const HOLDER_CLOSED = "a tab that is locked because the one with the keys was closed says so"
const RETIRED = "the browser that signed out is listed as signed out"
const LEFT_OPEN = "a tab that another one locks in the middle of a question comes back to it"

/** What a person changes about an account, each with a reload at every step. */
export const tellSettings = (wish: SittingWish): Promise<void> => tellSitting("settings", wish, tellThem)

const tellThem = async ({ world, name, how, check, sit, reloaded }: Sitting): Promise<void> => {
  const browser = await world.browser(name, "settings")
  let code = (): Promise<string> => Promise.resolve("")
  let kit = ""
  let archive = ""
  let password = PASSWORD
  const ada = await sit(browser)
  const elsewhere = await world.browser(name, "settings-mailbox")
  const { mailed, confirm } = mailboxIn(elsewhere, world)
  // Firefox has no authenticator for tests.
  const isPasskey = name === "chromium"

  const open = async (path: string, shown: string): Promise<void> => {
    await ada.tab.goto(`${world.origin}${path}`)
    await unlockIfLocked(ada, shown, password)
    await ada.sees(shown)
  }
  const reload = (shown: string): Promise<void> => reloaded(ada, shown, password)
  const gone = (text: string): Promise<unknown> =>
    until(async () => !(await ada.text()).includes(text), `“${text}” is gone`)

  await check(`${how}: an account with two items is made`, async () => {
    await ada.tab.goto(`${world.origin}/test/hook.html`)
    const a = deviceOf(ada.tab)
    await a.must("createLocal", PASSWORD)
    const add = (title: string): Promise<unknown> =>
      a.must("add", { kind: "note", title, fields: [{ name: "text", value: title, secret: true }] })
    await add("Alpha")
    archive = await ada.tab.run(async (passphrase) => {
      const made = (await hook.call("exportArchive", [{ passphrase }])) as { readonly value: Uint8Array }
      return btoa(String.fromCharCode(...made.value))
    }, PASSPHRASE)
    await add("Beta")
    ;({ kit, code } = await makeAccount(world, a))
    await a.must("checkKit", kit)
    equal(await a.titles(), ["Alpha", "Beta"])
  })

  await check(`${how}: ${PASSWORD_CHANGED}`, async () => {
    await open("/settings/sign-in", "Change password")
    await reload("Change password")
    await ada.press("Change password")
    await ada.sees("Your other devices keep working")
    await reload("Your other devices keep working")
    await ada.fill("Current password", PASSWORD)
    await ada.fill("New password", NEXT_PASSWORD)
    await ada.press("Change password")
    await stepUp(ada, "The password is changed.", code, PASSWORD)
    password = NEXT_PASSWORD
    await reload("Change password")
    assert(!(await ada.text()).includes("Your other devices keep working"), "nothing is asked any more")
  })

  await check(`${how}: ${ADDRESS_CHANGED}`, async () => {
    world.smtp.clear()
    await open("/settings/general", "Change the email address")
    await ada.press("Change the email address")
    await ada.sees("Change the email address of your account?")
    await reload("Change the email address of your account?")
    await ada.fill("New email", NEXT_ADDRESS)
    await ada.press("Mail the link")
    await stepUp(ada, "A new address waits for its link", code, password)
    await reload("A new address waits for its link")
    const mail = await world.smtp.waitForMail(({ links }) => links.some((link) => link.includes("/address/#")))
    equal(mail.to, [NEXT_ADDRESS])
    const mailbox = await sit(elsewhere)
    await mailbox.tab.goto(mail.links.find((link) => link.includes("/address/#")) ?? "")
    await mailbox.press("This is my address")
    await mailbox.sees("From now on the address of your account is")
    await open("/settings/general", NEXT_ADDRESS)
    await gone("A new address waits")
    await world.smtp.waitForMail(({ to, subject }) => to.includes(ADDRESS) && subject.endsWith("address changed"))
  })

  await check(`${how}: ${KIT_REPLACED}`, async () => {
    await open("/settings/sign-in", "Replace the kit")
    await ada.press("Replace the kit")
    await ada.sees("Replace the recovery kit?")
    await reload("Replace the recovery kit?")
    await ada.fill("Password", password)
    await ada.press("Make a new kit")
    await stepUp(ada, "Check what you printed", code, password)
    const printed = (await ada.textOf(".kit-code")).split(/\s+/).filter((part) => /^(?:KF1|[0-9A-Z]{4})$/.test(part))
    equal(printed.length, 10)
    const old = kit
    kit = printed.join("-")
    await reload("Your recovery kit was not checked")
    await ada.press("Check the kit")
    await ada.sees("Code of your recovery kit")
    await reload("Code of your recovery kit")
    await ada.fill("Code of your recovery kit", old)
    await ada.press("Check")
    await ada.sees("It may have been replaced by a newer one.")
    await ada.fill("Code of your recovery kit", kit)
    await ada.press("Check")
    await ada.sees("This is your current kit.")
    await ada.press("Close")
    await gone("was not checked")
    await reload("Replace the kit")
  })

  if (isPasskey)
    await check(`${how}: ${PASSKEY_ADDED}`, async () => {
      await ada.tab.addAuthenticator()
      await ada.press("Add a passkey")
      await ada.sees("Name of the passkey")
      await reload("Name of the passkey")
      await ada.fill("Name of the passkey", "Desk key")
      await ada.fill("Password", password)
      await ada.press("Add passkey")
      await stepUp(ada, "Added. It signs in and unlocks.", code, password)
      await reload("Desk key")
    })

  await check(`${how}: ${RENAMED}`, async () => {
    await open("/devices", "First browser")
    await ada.pick("Actions for", "Rename")
    await ada.sees("Rename “First browser”")
    await reload("Rename “First browser”")
    await ada.fill("Name of this browser", "Harbour desk")
    await ada.press("Rename")
    await ada.sees("Harbour desk")
    await reload("Harbour desk")
  })

  await check(`${how}: ${BIN}`, async () => {
    await open("/", "Alpha")
    await ada.press("Alpha")
    await ada.pick("Actions for", "Move to the bin")
    await ada.sees("Move “Alpha” to the bin?")
    await reload("Move “Alpha” to the bin?")
    await ada.press("Move to the bin")
    await gone("Alpha")
    await ada.press("Bin")
    await ada.sees("kept until")
    await reload("kept until")
    await ada.press("Put back Alpha")
    await ada.sees("The bin is empty.")
    await reload("The bin is empty.")
    await open("/", "Alpha")
  })

  await check(`${how}: ${IMPORTED}`, async () => {
    await open("/settings/copies", "Choose a file")
    await reload("Choose a file")
    const choose = (): Promise<void> =>
      ada.tab.run((bytes) => {
        const field = document.querySelector("input[type=file]")
        const chosen = new DataTransfer()
        chosen.items.add(new File([Uint8Array.from(atob(bytes), (char) => char.charCodeAt(0))], "copy.tar.age"))
        if (field === null) return
        field.files = chosen.files
        field.dispatchEvent(new Event("change", { bubbles: true }))
      }, archive)
    await choose()
    await ada.sees("copy.tar.age")
    // A browser gives a page no file again by itself: it is chosen once more, and nothing was imported.
    await reload("Choose a file")
    await choose()
    await ada.fill("Passphrase or age identity", PASSPHRASE)
    await ada.choose("keep both")
    await ada.press("Import")
    await ada.sees("1 imported, 0 here already, 0 refused")
    await open("/", "3 of 3")
  })

  await check(`${how}: ${LEFT_OPEN}`, async () => {
    await open("/settings/account/synchronization", "Sync on this browser")
    await ada.press("Sync on this browser")
    await ada.sees("Turn sync off on this browser?")
    const other: Person = await sit(browser)
    await other.tab.goto(world.origin)
    await other.sees("Alpha")
    await other.press("Lock")
    await ada.sees("Locked")
    await unlockIfLocked(ada, "Turn sync off on this browser?", password)
    await ada.sees("Turn sync off on this browser?")
    await other.tab.close()
  })

  await check(`${how}: ${SWITCHES}`, async () => {
    await reload("Turn sync off on this browser?")
    await ada.press("Turn sync off here")
    await gone("Turn sync off on this browser?")
    await reload("Sync on this browser")
    await ada.press("Sync on this browser")
    await ada.sees("Choose what syncs")
    await reload("Choose what syncs")
    await ada.press("Turn on sync, upload ")
    await ada.sees("Sync is on")
    await open("/settings/account/synchronization", "Beta")
    await ada.press("Beta")
    await ada.sees("Keep “Beta” only on this browser?")
    await reload("Keep “Beta” only on this browser?")
    await ada.press("Keep only here")
    await gone("Keep “Beta” only on this browser?")
    await ada.sees("Local only")
    await reload("Local only")
    await ada.press("Sync the other 1 …")
    await ada.sees("Sync 1 credential?")
    await reload("Sync 1 credential?")
    await ada.press("Cancel")
    await gone("Sync 1 credential?")
    await ada.press("Beta")
    await ada.sees("Sync “Beta”?")
    await reload("Sync “Beta”?")
    await ada.press("Sync it")
    await gone("Sync “Beta”?")
    await gone("Local only")
  })

  await check(`${how}: ${HOLDER_CLOSED}`, async () => {
    const other = await sit(browser)
    await other.tab.goto(world.origin)
    await other.sees("Alpha")
    await ada.tab.goto(`${world.origin}${QUIET_PAGE}`)
    await other.sees("The tab that held the keys was closed")
    await unlockIfLocked(other, "Alpha", password)
    await other.sees("Alpha")
    assert(!(await other.text()).includes("The tab that held the keys"), "it is said as long as it matters")
    await other.tab.close()
  })

  await check(`${how}: ${SIGNED_OUT}`, async () => {
    await open("/sign-out", "Before you sign out of this browser")
    await reload("Before you sign out of this browser")
    await ada.press("Sign out and clear")
    await ada.sees("This is the last device of the account")
    await reload("This is the last device of the account")
    await ada.fill("Code of your recovery kit", kit)
    await ada.press("Sign out and clear")
    await ada.sees("Your keys, on your machines.")
    await reloaded(ada, "Your keys, on your machines.")
  })

  await check(`${how}: ${isPasskey ? PASSKEY_IN : KIT_IN}`, async () => {
    await ada.press("Sign in")
    await ada.sees("Name of this browser")
    await reloaded(ada, "Name of this browser")
    await ada.fill("Email", NEXT_ADDRESS)
    await ada.fill("Password", password)
    await ada.press("Sign in")
    await ada.sees("No app and no code left?")
    await reload("No app and no code left?")
    if (isPasskey) await ada.press("Use a passkey")
    else await ada.fill("Code", await code())
    await mailed(ada)
    await reload("Nothing yet?")
    await confirm(ada)
    await ada.sees("Almost there")
    await reload("Almost there")
    if (isPasskey) await ada.sees("It brings the keys to this browser by itself")
    else await ada.fill("Code of your recovery kit", kit)
    await ada.press("Get my keys")
    await ada.sees("Retrieve your keys")
    await reload("Retrieve your keys")
    await open("/", "They appear here as soon as sync has brought them")
    await ada.press("Retrieve my keys")
    await ada.sees("Retrieve your keys")
    await ada.press("Retrieve my keys")
    await ada.sees("Sync is on")
    await open("/", "3 of 3")
  })

  await check(`${how}: ${RETIRED}`, async () => {
    await open("/devices", "1 that is gone")
    await ada.press("1 that is gone")
    await ada.sees("Signed out")
  })

  if (isPasskey)
    await check(`${how}: ${PASSKEY_REMOVED}`, async () => {
      await open("/settings/sign-in", "Desk key")
      await ada.press("Remove Desk key")
      await ada.sees("Remove the passkey “Desk key”?")
      await reload("Remove the passkey “Desk key”?")
      await ada.fill("Password", password)
      // The one that signed in counts for five minutes.
      world.moveBy(FACTOR_FRESH_MS + 1000)
      await ada.press("Remove")
      const asked = await stepUp(ada, (text) => !text.includes("Desk key"), "by passkey", password)
      // The password was typed into the dialog already.
      equal(asked, ["second factor"])
      await reload("Add a passkey")
      assert(!(await ada.text()).includes("Desk key"), "it stays removed")
    })

  await check(`${how}: ${WHOLE_ACCOUNT}`, async () => {
    await open("/settings/account/synchronization", "Stop sync for the account")
    await ada.press("Stop sync for the account")
    await ada.sees("Stop sync for the whole account?")
    await reload("Stop sync for the whole account?")
    await ada.fill("Password", password)
    await ada.press("Stop sync for the account")
    await stepUp(ada, "Sync is stopped on every device", code, password)
    await gone("Stop sync for the whole account?")
    await ada.sees("Sync is stopped on every device")
    await reload("Sync is stopped on every device")
  })
}
