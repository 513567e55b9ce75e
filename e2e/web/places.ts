import { kindByName } from "@keyferry/items"

import { makeAccount } from "./account.ts"
import { deviceOf } from "./device-tab.ts"
import { PASSWORD, type Sitting, type SittingWish, stepUp, tellSitting, unlockIfLocked } from "./sitting.ts"
import { assert, equal, until } from "./suite.ts"

declare const document: {
  readonly title: string
  readonly activeElement: { readonly dispatchEvent: (event: object) => void } | null
  readonly documentElement: { readonly dataset: Readonly<Record<string, string | undefined>> }
  readonly querySelectorAll: (selector: string) => Iterable<{
    readonly getBoundingClientRect: () => { readonly top: number; readonly height: number }
  }>
}

/** Whether no row lies over the next one. */
const rowsFollow = (): boolean => {
  const boxes = [...document.querySelectorAll(".row")].map((row) => row.getBoundingClientRect())
  const ends = boxes.map(({ top, height }) => [top, top + height] as const).toSorted(([a], [b]) => a - b)
  return ends.length > 1 && ends.slice(1).every(([top], at) => Math.abs(top - (ends[at]?.[1] ?? 0)) < 1)
}

const FACTOR_FRESH_MS = 5 * 60_000
/** The gallery says by these sentences which story reaches a state. */
const WITHOUT_ACCOUNT = "without an account every place says what is there, and what an account would bring"
const EDITOR_HELPS = "the editor says what is missing, and of a key that may withdraw what that means"
const EDITOR_PASTES = "the editor sorts what is pasted into it, and says what it did"
const KINDS_LOOK = "items of other kinds are read: a host, its key, and a key that may withdraw"
const LIST_LOOKS = "the list is filtered, selected and drawn closer, and an item's history is read"
const DEVICES_SAY = "the page of devices says that there is only one, how another is added, and what it knows of each"
const QUESTIONS = "questions that are given up change nothing, and a reload comes back to each"
const FROZEN = "the account is frozen and thawed again"
const PART_OPEN =
  "unlocked while the server is away, what is strict is closed and said to be; a press leads to what opens it"
const READ = "pages to read, and an address that has none"

/** Places and questions that the other stories pass by. */
export const tellPlaces = (wish: SittingWish): Promise<void> => tellSitting("places", wish, tellThem)

const tellThem = async ({ world, name, how, check, sit, reloaded }: Sitting): Promise<void> => {
  const ada = await sit(await world.browser(name, "places"))
  let code = (): Promise<string> => Promise.resolve("")
  const open = async (path: string, shown: string): Promise<void> => {
    await ada.tab.goto(`${world.origin}${path}`)
    await unlockIfLocked(ada, shown)
    await ada.sees(shown)
  }
  const gone = (text: string): Promise<unknown> =>
    until(async () => !(await ada.text()).includes(text), `“${text}” is gone`)

  await check(`${how}: ${WITHOUT_ACCOUNT}`, async () => {
    await ada.tab.goto(`${world.origin}/test/hook.html`)
    await deviceOf(ada.tab).must("createLocal", PASSWORD)
    await open("/", "Nothing here yet. Add a key, or bring what you have.")
    await reloaded(ada, "Nothing here yet.")
    await ada.press("Devices")
    await ada.sees("Devices appear here when you have an account.")
    await reloaded(ada, "Devices appear here when you have an account.")
    await ada.press("Activity")
    await ada.sees("Without an account there is no server’s log.")
    await ada.press("Sync: Only on this browser")
    await ada.press("Turn on sync")
    await ada.sees("It needs an account on this server")
    await reloaded(ada, "It needs an account on this server")
  })

  await check(`${how}: ${EDITOR_HELPS}`, async () => {
    await open("/add/exchange-key", "Add")
    await ada.fill("Exchange", "okx")
    await ada.key("ArrowDown")
    await ada.key("Enter")
    await ada.press("Save")
    await ada.sees("This is needed.")
    await ada.press("withdraw")
    await ada.sees("This key can withdraw funds")
    await ada.press("withdraw")
    await gone("This key can withdraw funds")
    await ada.press("Credentials")
    await ada.sees("Nothing here yet.")
  })

  await check(`${how}: ${EDITOR_PASTES}`, async () => {
    const paste = async (field: string, text: string): Promise<void> => {
      await ada.fill(field, "")
      await ada.tab.run((pasted) => {
        // Firefox makes no event with a clipboard of ours in it.
        const event = new Event("paste", { bubbles: true, cancelable: true })
        Object.defineProperty(event, "clipboardData", { value: { getData: () => pasted } })
        document.activeElement?.dispatchEvent(event)
      }, text)
    }
    const choose = async (exchange: string): Promise<void> => {
      await ada.fill("Exchange", exchange)
      await ada.key("ArrowDown")
      await ada.key("Enter")
    }
    await open("/add/choose", "What do you want to add?")
    await ada.press("Exchange key")
    await choose("bybit")
    await paste("API key", "  bX3kT0Ol1I9QvA7mZe \n")
    await ada.sees("Removed the spaces around what you pasted.")
    await paste(
      "API key",
      'export BYBIT_API_KEY="bX3kT0Ol1I9QvA7mZe"\nexport BYBIT_API_SECRET=q7WmT0Ol1IzR4vXk9Yb2Nc8Hd5Js6Ft3Gp',
    )
    await ada.sees("Those were several values: filled in API key and API secret.")
    assert(!(await ada.text()).includes("Removed the spaces"), "nothing is said of what was there before")
    await ada.press("Cancel")
    await open("/add/exchange-key", "Add: Exchange key")
    await choose("okx")
    await ada.fill("API key", "0123456789ABCDEF0123456789ABCDEF")
    await ada.fill("API secret", "00000000-1111-2222-3333-444444444444")
    await ada.sees("The two look swapped")
    await ada.press("Swap them")
    await gone("The two look swapped")
    await ada.press("Cancel")
    await open("/add/env-set", "Add")
    await paste("Name of a variable", "DATABASE_URL=postgres://db\nMODE=production")
    await ada.sees("DATABASE_URL")
    // Beside it stands the button that takes the variable out.
    await ada.press("Show DATABASE_URL")
    await ada.press("Hide DATABASE_URL")
    await ada.press("Remove MODE")
    await gone("MODE")
    await ada.sees("DATABASE_URL")
    await ada.press("Cancel")
    await ada.press("Credentials")
    await ada.sees("Nothing here yet.")
  })

  await check(`${how}: ${LIST_LOOKS}`, async () => {
    await ada.tab.goto(`${world.origin}/test/hook.html`)
    const a = deviceOf(ada.tab)
    await a.must("unlock", PASSWORD)
    for (const title of ["Alpha", "Beta"])
      await a.must("add", { kind: "note", title, fields: [{ name: "text", value: title, secret: true }] })
    ;({ code } = await makeAccount(world, a))
    await open("/", "2 of 2")
    await ada.fill("Filter this list", "quantum")
    await ada.sees("Nothing matches “quantum”.")
    await ada.press("Clear filter")
    await ada.press("Select Alpha")
    await ada.sees("1 selected")
    // Each row begins where the one before it ends, also when the page becomes that of a phone and back.
    for (const [width, height] of [
      [360, 740],
      [1280, 720],
    ] as const) {
      await ada.tab.resize(width, height)
      await until(() => ada.tab.run(rowsFollow, undefined), `rows follow each other at ${width} pixels`)
    }
    await open("/settings/appearance", "Rows")
    await ada.choose("Compact")
    await reloaded(ada, "Rows")
    const density = await ada.tab.run(() => document.documentElement.dataset["density"], undefined)
    assert(density === "compact", `the rows are ${density}`)
    await open("/", "Alpha")
    if (name === "chromium") {
      // By keys alone: no button is there to say what was copied.
      await ada.key("j")
      await ada.key("c")
      await until(async () => (await ada.textOf(".chip")).startsWith("Copied: Text of "), "what was copied is said")
    }
    await ada.press("Alpha")
    await ada.sees("1 version")
    await ada.press("Edit")
    await ada.fill("Text", "Omega")
    await ada.press("Save changes")
    await ada.sees("2 versions")
    await ada.pick("Actions for", "History")
    await ada.sees("History of “Alpha”")
    await reloaded(ada, "History of “Alpha”")
    // The version in use stands first and is not put back; the one before it is, at a press.
    await ada.sees("changed Text")
    equal((await ada.text()).match(/Put back/g)?.length, 1)
    await ada.press("Put back")
    await ada.sees("3 versions")
    await ada.press("Show")
    await until(async () => (await ada.textOf(".secrets")).includes("Alpha"), "the first text is back")
  })

  await check(`${how}: ${DEVICES_SAY}`, async () => {
    await open("/devices", "Only this browser.")
    await ada.press("Add a device")
    await ada.sees("On the new device, open")
    await reloaded(ada, "On the new device, open")
    await ada.key("Escape")
    await gone("On the new device, open")
    await ada.pick("Actions for", "Details")
    await ada.sees("made the account")
    await open("/replace", "Nothing to replace.")
    equal(await ada.tab.run(() => document.title, undefined), "What to replace · Keyferry")
  })

  await check(`${how}: ${QUESTIONS}`, async () => {
    for (const [path, button, question, away] of [
      [
        "/settings/account/synchronization",
        "Sync keys and identities",
        "Stop syncing credentials in Personal?",
        "Cancel",
      ],
      ["/settings/sign-in", "Turn two-factor off", "Turn two-factor off?", "Keep it"],
      ["/devices", "Freeze the account", "Freeze the account?", "Cancel"],
    ] as const) {
      await open(path, button)
      await ada.press(button)
      await ada.sees(question)
      await reloaded(ada, question)
      await ada.press(away)
      await gone(question)
      await reloaded(ada, button)
      assert(!(await ada.text()).includes(question), `“${question}” stays given up`)
    }
    await open("/settings/accounts/sync", "Manage devices")
    await ada.press("Sync: Synced")
    await ada.press("Something wrong?")
    await ada.sees("The server answers")
    await ada.press("Close")
  })

  await check(`${how}: ${FROZEN}`, async () => {
    await open("/devices", "Freeze the account")
    await ada.press("Freeze the account")
    await ada.sees("Freeze the account?")
    await ada.press("Freeze the account")
    await ada.sees("Locked")
    await ada.sees("This account is frozen")
    await ada.tab.reload()
    await ada.sees("This account is frozen")
    world.moveBy(FACTOR_FRESH_MS + 1000)
    await ada.press("Thaw it")
    await ada.sees("Your second factor, once more")
    assert(!(await ada.text()).includes("Use a passkey"), "the account has none, and none is offered")
    await stepUp(ada, (text) => !text.includes("This account is frozen"), code)
    await ada.sees("The account is thawed. Unlock to go on.")
    await reloaded(ada, "Freeze the account")
    assert(!(await ada.text()).includes("This account is frozen"), "it stays thawed")
  })

  await check(`${how}: ${KINDS_LOOK}`, async () => {
    await ada.tab.goto(`${world.origin}/test/hook.html`)
    const a = deviceOf(ada.tab)
    await a.must("unlock", PASSWORD)
    const add = async (kind: string, more: Readonly<Record<string, string>> = {}): Promise<string> => {
      const found = kindByName(kind)
      if (found === undefined) throw new Error(kind)
      const { example, fields: specs } = found
      const fields = Object.entries({ ...example.fields, ...more }).map(([name, value]) => ({
        name,
        value,
        secret: specs.find((spec) => spec.name === name)?.secret ?? false,
      }))
      return (await a.must<{ readonly id: string }>("add", { kind, title: example.title, fields })).id
    }
    const key = await add("ssh-key")
    const host = await add("host", { credential: key })
    const exchange = await add("exchange-key", { permissions: "read, trade, withdraw" })
    await open(`/item/${key}`, "SHA256:")
    await open(`/item/${host}`, "bastion.example.net")
    await ada.sees("Deploy key")
    await open(`/item/${exchange}`, "withdraw")
    // Titles are kept by the browser.
    equal(await ada.tab.run(() => document.title, undefined), "Credentials · Keyferry")
    await ada.press("Show API secret of OKX main")
    await ada.press("Large letters for API secret")
    await until(async () => (await ada.textOf(".large")) !== "", "each character stands for itself")
  })

  await check(`${how}: ${PART_OPEN}`, async () => {
    await world.killServer()
    await open("/kind/exchange-key", "closed with its names until you unlock")
    await ada.sees("Exchange keys and other strict credentials are closed")
    assert((await ada.text()).includes("Offline"), "nobody says that it is in step")
    await world.start()
    await ada.press("Lock, to unlock again")
    await ada.sees("Locked")
    await ada.fill("Password", PASSWORD)
    await ada.press("Unlock")
    await ada.sees("OKX main")
  })

  await check(`${how}: ${READ}`, async () => {
    await open("/security", "How your keys are kept")
    await open("/about-vaults", "About vaults")
    await open("/nowhere", "There is no page here")
    await ada.press("Go to credentials")
    await ada.sees("5 of 5")
    await ada.press("Lock")
    await ada.sees("Locked")
    await ada.press("Lost the password? Open with the recovery kit")
    await ada.sees("Open with the recovery kit")
    await ada.tab.reload()
    await ada.sees("Open with the recovery kit")
  })
}
