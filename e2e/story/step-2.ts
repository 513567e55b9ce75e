import { deepEqual, equal, match, ok } from "node:assert/strict"
import { join } from "node:path"

import { copyDisk } from "@keyferry/testkit"
import { createNodeHttp } from "@keyferry/sdk/node"

import { createAuthenticator } from "../devices/world.ts"
import { openPage } from "./page.ts"
import { textAt } from "./profile.ts"
import { bytesOf, mainStore, rowsIn, vaultRowsOf } from "./stores.ts"
import { openStrongroomDoor } from "./strongroom-door.ts"
import { codeShown, confirmLinkOf, ended, idOf, isConfirmMail, listOf, type Story } from "./story.ts"
import { type UploadAnswer, uploadByHand } from "./upload.ts"
import { until } from "./world.ts"

/**
 * `kf sync on` without a second factor names the way out; with 2FA on and the device unconfirmed, an upload made by hand is
 * refused by server and strongroom. TOTP, mail, one key uploaded, one kept local, then automatic sync.
 */
export const stepTwo = async (story: Story): Promise<void> => {
  const { a, ada, check, secrets, world } = story
  const { server } = world
  const password = { password: ada.password }
  const rowsKept = (): Readonly<Record<string, number>> => vaultRowsOf(server.folder, story.accountUuid())
  const nothing = rowsKept()

  await check("kf sync on without a second factor ends with 8 and names the way out", async () => {
    const refused = await a.kf.run(["sync", "on"])
    ended(refused, 8, /needs a second factor/, /kf 2fa on/)
    deepEqual(rowsKept(), nothing)
  })
  await check("kf 2fa on gives a secret for an authenticator, and its first code turns it on", async () => {
    const otpauth = textAt(await a.kf.ask(["2fa", "on"], { secrets: password }), "otpauth")
    match(otpauth, /^otpauth:\/\/totp\//)
    secrets.keep("seed of the authenticator", base32(/secret=([A-Z2-7]+)/.exec(otpauth)?.[1] ?? ""))
    ada.code = createAuthenticator(otpauth)
    deepEqual((await a.kf.ask(["2fa"]))["factors"], [])
    deepEqual((await a.kf.ask(["2fa", "confirm"], { secrets: { code: await ada.code() } }))["factors"], ["totp"])
    equal(textAt(await a.kf.ask(["status"]), "account.deviceState"), "pending-first")
  })

  // A program with A's disk and password that no refusal of our client stops: a vault, then an item in it.
  const refusedTwice = (answers: readonly UploadAnswer[]): void => {
    deepEqual(
      answers.map(({ vaults, records, code }) => ({ vaults, records: records > 0, code })),
      [
        { vaults: 1, records: false, code: "device-not-verified" },
        { vaults: 1, records: true, code: "device-not-verified" },
      ],
    )
    deepEqual(rowsKept(), nothing)
  }
  const disk = (name: string): string => copyDisk(a.kf.folder, join(world.folder, name)).folder
  await check("an upload made by hand from A, a vault and an item, is refused by the server", async () => {
    const answers = await uploadByHand(disk("upload-1"), ada.password, createNodeHttp().send)
    refusedTwice(answers)
    deepEqual([...new Set(answers.map(({ status }) => status))], [403])
  })
  await check("and by the strongroom itself, with no server in between", async () => {
    match(await server.stop(), /^stopped: server 0, strongroom 0$/m)
    const door = await openStrongroomDoor(server.folder, [a.origin])
    try {
      refusedTwice(await uploadByHand(disk("upload-2"), ada.password, door.send))
    } finally {
      equal(await door.close(), 0)
      await server.start()
    }
  })

  const seen = story.mailsSeen()
  await check("kf sync on goes on to the mail, shows a code of six digits and ends with 8", async () => {
    const waiting = await a.kf.run(["sync", "on", "--json"])
    ended(waiting, 8)
    equal(waiting.code, "device-not-verified")
    const code = codeShown(waiting)
    const mail = await story.mailSince(seen, isConfirmMail)
    ok(!Buffer.from(mail.raw).toString("latin1").includes(code) && !mail.text.includes(code), "the mail holds the code")
    const page = await openPage(confirmLinkOf(mail))
    page.type("code", code)
    await page.click("confirm")
    match(page.text("status"), /^Confirmed/)
  })
  await check("typed on the page of the mailed link, the code makes A active", async () => {
    await until("A is active", async () => textAt(await a.kf.ask(["status"]), "account.deviceState") === "active")
  })
  const isKept = (name: string): boolean => {
    const leaves = rowsIn(mainStore(server.folder), "SELECT lower(hex(item_id)) AS id FROM leaf")
    return leaves.some(({ id }) => id === hexOf(idOf(story, name)))
  }
  await check("of two exchange keys one is uploaded, the other kept local", async () => {
    const on = await a.kf.ask(["sync", "on", "--items", idOf(story, "bybit"), "--no-auto-new"], { secrets: password })
    equal(on["uploaded"], 1)
    const custody = new Map((await listOf(a)).map((item) => [textAt(item, "id"), item["custody"]]))
    equal(custody.get(idOf(story, "bybit")), "synced")
    equal(custody.get(idOf(story, "okx")), "local")
    equal(isKept("bybit"), true)
    equal(isKept("okx"), false)
  })
  await check("what the strongroom keeps of it is one record, sealed", () => {
    const records = rowsIn(
      mainStore(server.folder),
      "SELECT r.sealed_record AS sealed FROM record r JOIN leaf l ON l.record_n = r.n WHERE lower(hex(l.item_id)) = ?",
      hexOf(idOf(story, "bybit")),
    )
    equal(records.length, 1)
    ok(bytesOf(records[0]?.["sealed"]).length > 100)
  })
  await check("a new item stays here until automatic sync is on", async () => {
    const token = ["add", "api-token", `Build ${secrets.word("title of Build")}`, "service=builds", "token=-"]
    const added = await a.kf.ask(token, { secrets: { "field:token": secrets.word("token of Build") } })
    story.items.set("build", textAt(added, "id"))
    equal(added["policy"], "local-only")
    equal(isKept("build"), false)
  })
  await check("with automatic sync a new item travels by itself", async () => {
    equal((await a.kf.ask(["sync", "auto", "on"]))["autoNew"], true)
    const note = secrets.word("text of Note")
    const words = ["add", "note", `Note ${secrets.word("title of Note")}`, "text=-"]
    story.items.set("note", textAt(await a.kf.ask(words, { secrets: { "field:text": note } }), "id"))
    await until("the note is synced", async () =>
      (await listOf(a)).some((item) => item["id"] === idOf(story, "note") && item["custody"] === "synced"),
    )
    equal(isKept("note"), true)
  })
  await check("existing ones follow when they are told to, one by one", async () => {
    await a.kf.ask(["synced", idOf(story, "deploy"), idOf(story, "build")])
    await a.kf.ask(["sync"])
    equal(isKept("deploy") && isKept("build") && !isKept("okx"), true)
  })
}

const BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"

const base32 = (text: string): Uint8Array => {
  let bits = ""
  for (const character of text.toUpperCase()) bits += BASE32.indexOf(character).toString(2).padStart(5, "0")
  return Uint8Array.from(bits.match(/[01]{8}/g) ?? [], (eight) => Number.parseInt(eight, 2))
}

/** Bytes of a printed id, as hex. */
export const hexOf = (id: string): string => Buffer.from(base32(id.slice(id.indexOf("_") + 1))).toString("hex")
