import { deepEqual, equal, match, notEqual, ok } from "node:assert/strict"
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"

import { canaryOf, copyDisk, createCanarySearch } from "@keyferry/testkit"

import { startLyingServer } from "./lying-server.ts"
import { openPage } from "./page.ts"
import { at, type Document, rowsAt, textAt } from "./profile.ts"
import { robDisk, titlesIn } from "./robber.ts"
import { bytesOf, leaseStore, mainStore, rowsIn } from "./stores.ts"
import { codeShown, confirmLinkOf, ended, idOf, isConfirmMail, listOf, type Story, titlesOf } from "./story.ts"
import { hexOf } from "./step-2.ts"
import { until } from "./world.ts"

const DAY_LATER = new URL("day-later.mjs", import.meta.url).href
const HARMS = ["withdraws", "trades", "signs-in", "reads", "other"]

/**
 * C is stopped and its disk copied. A removes C: keys rotate, the lease key is gone, A prints what C could read, sorted by harm.
 * A program that imports none of our code gets C's disk and the password: with a lease answer recorded before removal it opens
 * the strict items, without one it cannot; our client refuses after the grace; online, C verifies the removal and wipes; it
 * returns only by full enrolment.
 */
export const stepFive = async (story: Story): Promise<void> => {
  const { a, c, ada, check, secrets, world } = story
  const strongroom = join(world.server.folder, "strongroom")
  const password = { password: ada.password }
  const main = mainStore(world.server.folder)
  const deviceOfC = idOf(story, "device c")
  const leaseOfC = () =>
    rowsIn(
      leaseStore(world.server.folder),
      "SELECT state, sealed FROM lease WHERE lower(hex(device_id)) = ?",
      hexOf(deviceOfC),
    )[0]
  const vaultEpoch = (): number =>
    Number(rowsIn(main, "SELECT epoch FROM vault WHERE account_uuid = ?", story.accountUuid())[0]?.["epoch"])
  const disk = join(world.folder, "disk-of-c")
  const recorded = join(world.folder, "recorded.json")

  const kraken = `Kraken ${secrets.word("title of Kraken")}`
  await check("A adds a key that can withdraw; C has it and can show its secret", async () => {
    const secret = secrets.word("secret of Kraken")
    const words = [
      "add",
      "exchange-key",
      kraken,
      "exchange=other",
      "key=public",
      "permissions=trade, withdraw",
      "secret=-",
    ]
    const added = await a.kf.ask(words, { secrets: { "field:secret": secret } })
    story.items.set("kraken", textAt(added, "id"))
    await until("C has it", async () => (await listOf(c)).some((item) => item["id"] === added["id"]))
    equal((await c.kf.ask(["read", textAt(added, "id"), "secret"]))["value"], secret)
  })
  const all = await listOf(c)
  const titles = (itemClass: string): readonly string[] =>
    all
      .filter((item) => item["class"] === itemClass)
      .map((item) => textAt(item, "title"))
      .toSorted()
  await check("C is stopped, and its disk copied", async () => {
    await c.kf.stop()
    ok(copyDisk(c.kf.folder, disk).files >= 2)
    ok(titles("strict").length >= 2 && titles("standard").length >= 2)
  })
  await check(
    "before the removal, somebody with the disk and the password gets a lease answer, and records it",
    async () => {
      const report = await robDisk(disk, ada.password, "--ask", c.origin, "--record", recorded)
      deepEqual([report.asked, titlesIn(report, "strict")], [{ status: 200 }, titles("strict")])
    },
  )

  const [epochBefore, sealedBefore] = [vaultEpoch(), Buffer.from(bytesOf(leaseOfC()?.["sealed"]))]
  const chainBefore = rowsIn(
    main,
    "SELECT max(epoch) AS epoch FROM account_wrap WHERE account_uuid = ?",
    story.accountUuid(),
  )[0]
  let removed: Document = {}
  await check("A removes C, after password and second factor", async () => {
    ended(await a.kf.run(["device", "remove", deviceOfC, "--reason", "lost"]), 9)
    removed = await a.kf.ask(["device", "remove", deviceOfC, "--reason", "lost", "--yes"], {
      secrets: { ...password, code: await ada.code() },
    })
    equal(removed["id"], deviceOfC)
    const state = rowsAt(await a.kf.ask(["device", "ls"])).find((device) => device["id"] === deviceOfC)?.["state"]
    ok(state === undefined || state === "removed", `C is ${String(state)}`)
  })
  await check("keys rotate: the account's and the vault's are of a new epoch", () => {
    const chainAfter = rowsIn(
      main,
      "SELECT max(epoch) AS epoch FROM account_wrap WHERE account_uuid = ?",
      story.accountUuid(),
    )[0]
    equal(Number(chainAfter?.["epoch"]), Number(chainBefore?.["epoch"]) + 1)
    equal(vaultEpoch(), epochBefore + 1)
    equal(removed["rotatedVaults"], 1)
  })
  await check(
    "the lease key is gone: its row is dead and empty, and its bytes are in no file of the strongroom",
    () => {
      deepEqual([leaseOfC()?.["state"], leaseOfC()?.["sealed"]], ["dead", null])
      const search = createCanarySearch([canaryOf("sealed lease key", sealedBefore)])
      deepEqual(search.inPath(strongroom).findings, [])
      equal(search.inBytes(sealedBefore, "itself").length, 1)
    },
  )
  await check("A prints what C could read, worst first, and what to do", async () => {
    const printed = rowsAt(removed, "rotation")
    deepEqual(
      printed.map((row) => textAt(row, "title")).toSorted(),
      all
        .filter((item) => item["kind"] !== "host")
        .map((item) => textAt(item, "title"))
        .toSorted(),
    )
    const harms = printed.map((row) => HARMS.indexOf(textAt(row, "harm")))
    deepEqual(
      harms,
      harms.toSorted((x, y) => x - y),
    )
    deepEqual([printed[0]?.["title"], printed[0]?.["harm"], printed.at(-1)?.["harm"]], [kraken, "withdraws", "reads"])
    const list = await a.kf.run(["rotate"])
    ended(list, 0, /HARM/, /can move money out[^]*can trade[^]*signs in[^]*reads/)
    equal((await a.kf.ask(["rotate", "done", idOf(story, "kraken")]))["left"], printed.length - 1)
  })

  await check("the program imports none of our code", () => {
    for (const name of ["open-disk.mjs", "formats.mjs"]) {
      const text = readFileSync(join(import.meta.dirname, "..", "foreign", name), "utf8")
      const imports = [...text.matchAll(/from "([^"]+)"/g)].map((found) => found[1] ?? "")
      ok(imports.length > 1 && imports.every((from) => /^(node:|@noble\/curves\/|\.\/formats\.mjs$)/.test(from)))
    }
  })
  await check("with the answer recorded before the removal it opens C's strict items", async () => {
    const report = await robDisk(disk, ada.password, "--answer", recorded)
    deepEqual(titlesIn(report, "strict"), titles("strict"))
    equal(report.opened.find((row) => row.title === kraken)?.fields?.["secret"]?.length, 24)
  })
  await check(
    "without one it asks, is refused, and opens no strict item; standard ones stay readable, as is said",
    async () => {
      const report = await robDisk(disk, ada.password, "--ask", c.origin)
      deepEqual([report.asked?.status, report.asked?.code], [401, "device-removed"])
      deepEqual(titlesIn(report, "strict"), [])
      deepEqual(report.closed.filter(({ table }) => table === "strict").length, titles("strict").length)
      deepEqual(titlesIn(report, "item"), titles("standard"))
    },
  )
  await check("without the password it opens nothing at all", async () => {
    deepEqual((await robDisk(disk, `${ada.password}!`, "--answer", recorded)).opened, [])
  })
  await check(
    "what A writes from now on is under a key that the disk does not have, recorded answer or not",
    async () => {
      const { epochs } = await robDisk(disk, ada.password, "--answer", recorded)
      await a.kf.ask(["edit", idOf(story, "note"), "text=-"], {
        secrets: { "field:text": secrets.word("text of Note after the removal") },
      })
      await a.kf.run(["sync"])
      const leaf = rowsIn(main, "SELECT epoch FROM leaf WHERE lower(hex(item_id)) = ?", hexOf(idOf(story, "note")))[0]
      equal(leaf?.["epoch"], epochBefore + 1)
      ok(epochs.length > 0 && epochs.every((epoch) => epoch <= epochBefore))
    },
  )

  c.wire().unplug()
  await check(
    "our client on the copied disk, offline within the grace: standard items, and no strict one",
    async () => {
      const box = world.boxWith(disk, "within-grace")
      equal((await box.ask(["unlock"], { secrets: password }))["lock"], "standard-only")
      deepEqual(
        rowsAt(await box.ask(["ls"]))
          .map((item) => textAt(item, "title"))
          .toSorted(),
        titles("standard"),
      )
      const strict = await box.run(["get", idOf(story, "kraken"), "--json"])
      ended(strict, 7)
      equal(strict.code, "lease-needs-server")
    },
  )
  await check("after the grace it opens nothing and says so, and setting the clock back does not help", async () => {
    const box = world.boxWith(disk, "after-grace")
    const late = await box.run(["unlock", "--json"], { secrets: password, preload: DAY_LATER })
    ended(late, 4)
    equal(late.code, "lease-expired")
    await box.stop()
    const back = await box.run(["unlock", "--json"], { secrets: password })
    ended(back, 4)
    equal(back.code, "lease-expired")
    ended(await box.run(["ls"]), 4)
  })
  await check("a server's word alone locks it and wipes nothing", async () => {
    const lying = await startLyingServer()
    await world.rewire("c", lying.port)
    const box = world.boxWith(disk, "lied-to")
    const told = await box.run(["unlock", "--json"], { secrets: password })
    ended(told, 5)
    equal(told.code, "device-removed")
    ok(
      lying.asked().some((path) => path.includes("/account/chain")),
      `it asked for ${lying.asked().join()}`,
    )
    await box.stop()
    lying.stop()
    await world.rewire("c", undefined)
    ok(tablesOf(box.folder).includes("page-strict") && existsSync(join(box.folder, "device.secret")))
  })

  const rowsOfC = rowsIn(
    join(disk, "device.db"),
    "SELECT tbl, value FROM rows WHERE tbl IN ('page', 'page-strict', 'bundle')",
  )
  await check("online, C asks for the signed link that names it, verifies it, and wipes itself", async () => {
    const sinceMs = c.wire().nowMs()
    const told = await c.kf.run(["unlock", "--json"], { secrets: password })
    ended(told, 5)
    equal(told.code, "device-removed")
    ok(
      c
        .wire()
        .requests(sinceMs)
        .some(({ path }) => path === "/api/v1/account/chain"),
    )
    deepEqual(tablesOf(c.kf.folder), ["clear"])
    equal(existsSync(join(c.kf.folder, "device.secret")), false)
  })
  await check("no file of C holds any of the sealed rows that it had", () => {
    const search = createCanarySearch(
      rowsOfC.map(({ tbl, value }, n) => canaryOf(`${String(tbl)} ${n}`, Buffer.from(bytesOf(value)).subarray(-48))),
    )
    ok(rowsOfC.length > 4 && search.inPath(disk).findings.length >= rowsOfC.length)
    deepEqual(search.inPath(c.kf.folder).findings, [])
  })
  await check("it does not come back by itself, nor by its old disk", async () => {
    ended(await c.kf.run(["sync", "on"], { secrets: password }), 5)
    const old = world.boxWith(disk, "old-disk")
    const told = await old.run(["unlock", "--json"], { secrets: password })
    ended(told, 5)
    equal(told.code, "device-removed")
    deepEqual(tablesOf(old.folder), ["clear"])
  })
  await check("it returns by full enrolment: password, TOTP, mail and code, kit, and as another device", async () => {
    const seen = story.mailsSeen()
    const login = [
      "login",
      c.origin,
      "--address",
      ada.address,
      "--device-name",
      `Travel ${secrets.word("new name of C")}`,
      "--by",
      "kit",
      "--json",
    ]
    const early = await c.kf.run(login, { secrets: { ...password, kit: ada.kit } })
    ended(early, 4)
    equal(early.code, "second-factor-needed")
    const waiting = await c.kf.run(["login", "--by", "kit", "--json"], { secrets: { code: await ada.code() } })
    ended(waiting, 8)
    const page = await openPage(confirmLinkOf(await story.mailSince(seen, isConfirmMail)))
    page.type("code", codeShown(waiting))
    await page.click("confirm")
    match(page.text("status"), /^Confirmed/)
    equal((await c.kf.ask(["login", "--by", "kit"], { secrets: { kit: ada.kit } }))["step"], "done")
    await until("C is active", async () => textAt(await c.kf.ask(["status"]), "account.deviceState") === "active")
    const now = at(await c.kf.ask(["status"]), "account.deviceId")
    notEqual(now, deviceOfC)
    await c.kf.ask(["sync", "on", "--items", "none", "--auto-new"], { secrets: password })
    deepEqual(
      await titlesOf(c),
      (await listOf(a))
        .filter((item) => item["policy"] === "synced")
        .map((item) => textAt(item, "title"))
        .toSorted(),
    )
  })
}

/** Tables that a device's store has rows in. */
const tablesOf = (folder: string): readonly string[] =>
  rowsIn(join(folder, "device.db"), "SELECT DISTINCT tbl FROM rows ORDER BY tbl").map(({ tbl }) => String(tbl))
