import { deepEqual, equal, match, notEqual } from "node:assert/strict"
import { generateKeyPairSync } from "node:crypto"
import { readFileSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"

import { createCanarySearch } from "@keyferry/testkit"

import { LETTERS, LOWER_HEX, UPPER_HEX } from "./canaries.ts"
import { rowsAt, textAt } from "./profile.ts"
import { bytesOfKit, codeOfKit } from "./kit-text.ts"
import { vaultRowsOf } from "./stores.ts"
import { ended, listOf, type Story, titlesOf } from "./story.ts"

/**
 * Ada adds two exchange keys and an SSH key on device A with no account. She signs up and saves the kit; stores, logs and mail
 * hold no vault, record or item.
 */
export const stepOne = async (story: Story): Promise<void> => {
  const { a, ada, check, items, secrets, world } = story
  const { server } = world
  const titles = ["Bybit", "Deploy", "OKX"].map((name) => `${name} ${secrets.word(`title of ${name}`)}`)
  const [bybit = "", deploy = "", okx = ""] = titles
  const password = { password: ada.password }

  await check("with no account, the first exchange key makes a vault on A, under a password", async () => {
    const secret = secrets.shaped("secret of Bybit", LETTERS, 36)
    const key = secrets.shaped("key of Bybit", LETTERS, 18)
    const words = [
      "add",
      "exchange-key",
      bybit,
      "exchange=bybit",
      `key=${key}`,
      "permissions=read, trade, withdraw",
      "secret=-",
    ]
    const added = await a.kf.ask(words, { secrets: { ...password, "field:secret": secret } })
    items.set("bybit", textAt(added, "id"))
    equal(added["custody"], "local")
  })
  await check("the second one joins it, its fields those of its exchange", async () => {
    const given = {
      "field:secret": secrets.shaped("secret of OKX", UPPER_HEX, 32),
      "field:passphrase": secrets.word("passphrase of OKX"),
    }
    const key = secrets.shaped("key of OKX", LOWER_HEX, 8, 4, 4, 4, 12)
    const words = [
      "add",
      "exchange-key",
      okx,
      "exchange=okx",
      `key=${key}`,
      "permissions=read",
      "secret=-",
      "passphrase=-",
    ]
    const added = await a.kf.ask(words, { secrets: given })
    items.set("okx", textAt(added, "id"))
    equal(added["kind"], "exchange-key")
  })
  await check("and an SSH key from its file", async () => {
    const file = join(a.kf.home.path, "id_ed25519")
    const { privateKey } = generateKeyPairSync("ed25519")
    writeFileSync(file, privateKey.export({ format: "pem", type: "pkcs8" }), { mode: 0o600 })
    secrets.keep("seed of the SSH key", Buffer.from(String(privateKey.export({ format: "jwk" }).d), "base64url"))
    const added = await a.kf.ask(["add", "ssh-key", deploy, `private-key=@${file}`])
    items.set("deploy", textAt(added, "id"))
  })
  await check("all three are there, each on this device only, and A has spoken to no server", async () => {
    deepEqual(await titlesOf(a), titles.toSorted())
    deepEqual(
      (await listOf(a)).map((item) => item["policy"]),
      ["local-only", "local-only", "local-only"],
    )
    equal((await a.kf.ask(["status"]))["mode"], "local")
    deepEqual(a.wire().requests(), [])
  })

  // Somebody runs the server. The link of the first account would confirm a device by itself; Ada comes by an invitation.
  const operator = world.machine("operator")
  await check("the operator takes the first account's link and invites Ada", async () => {
    const link = `${operator.origin}/setup${/#t=[\w-]{43}/.exec(server.printed())?.[0] ?? ""}`
    const words = [
      "signup",
      link,
      "--address",
      "operator@example.org",
      "--kit-file",
      join(operator.kf.home.path, "kit.txt"),
    ]
    await operator.kf.ask(words, { secrets: { password: secrets.word("password of the operator") } })
    match(await server.operate(["invite"]), /#t=[\w-]{43}/)
  })
  const kitFile = join(a.kf.home.path, "kit.txt")
  await check("Ada signs up on A with her invitation, and her password opens vault and account", async () => {
    const token = /#t=[\w-]{43}/.exec(await server.operate(["invite"]))?.[0] ?? ""
    const link = `${a.origin}/setup${token}`
    const laptop = `Laptop ${secrets.word("name of A")}`
    const words = ["signup", link, "--address", ada.address, "--device-name", laptop, "--kit-file", kitFile]
    const wrong = await a.kf.run([...words, "--json"], { secrets: { password: `${ada.password}!` } })
    ended(wrong, 4)
    equal(wrong.code, "wrong-password")
    const signedUp = await a.kf.ask(words, { secrets: password })
    equal(signedUp["address"], ada.address)
    equal(signedUp["code"], undefined)
  })
  await check("the kit is saved in a file that only she can read, and checks as hers", async () => {
    ada.kit = codeOfKit(readFileSync(kitFile, "utf8"))
    secrets.keep("kit code", ada.kit)
    secrets.keep("kit", bytesOfKit(ada.kit))
    equal(statSync(kitFile).mode & 0o777, 0o600)
    equal((await a.kf.ask(["kit", "--check"], { secrets: { kit: ada.kit } }))["right"], true)
    ended(
      await a.kf.run(["kit", "--check"], { secrets: { kit: ada.kit.replace(/.$/, (c) => (c === "0" ? "1" : "0")) } }),
      4,
    )
  })
  await check(
    "the account exists, with A as a device that is not confirmed, and A still has its three items",
    async () => {
      equal(textAt(await a.kf.ask(["status"]), "account.deviceState"), "pending-first")
      notEqual(story.accountUuid(), "")
      deepEqual(await titlesOf(a), titles.toSorted())
    },
  )
  await check("the strongroom's store has no vault, no link of one, no leaf, no record", () => {
    const rows = vaultRowsOf(server.folder, story.accountUuid())
    deepEqual(
      Object.entries(rows).filter(([, count]) => count !== 0),
      [],
    )
  })
  await check(
    "the same search finds Ada's address in the server's store, and no title, field, password or kit anywhere",
    async () => {
      const hunted = createCanarySearch([
        ...secrets.all(),
        { name: "address", text: ada.address, bytes: Buffer.from(ada.address) },
      ])
      const places = [
        ...hunted.inPath(server.folder).findings,
        ...hunted.inPath(server.logFile).findings,
        ...world.smtp.mails().flatMap((mail) => hunted.inBytes(mail.raw, `mail “${mail.subject}”`)),
        ...world.captures().flatMap(({ name, wire }) => hunted.inBytes(wire.bytes("up"), `traffic of ${name}`)),
      ]
      deepEqual(
        places.filter(({ canary }) => canary !== "address"),
        [],
      )
      equal(
        places.some(({ canary, place }) => canary === "address" && place.includes("server.db")),
        true,
      )
      equal(rowsAt(await a.kf.ask(["ls", "--synced"])).length, 0)
    },
  )
}
