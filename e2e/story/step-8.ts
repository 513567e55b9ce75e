import { deepEqual, equal, match, notEqual, ok } from "node:assert/strict"
import { mkdirSync, readFileSync, renameSync } from "node:fs"
import { join } from "node:path"

import { bytesOfKit, codeOfKit } from "./kit-text.ts"
import { openPage } from "./page.ts"
import { at, type KfRun, rowsAt, textAt } from "./profile.ts"
import { codeShown, confirmLinkOf, ended, idOf, isConfirmMail, itemOn, fieldOf, listOf, type Story } from "./story.ts"
import { type Machine, until } from "./world.ts"

/**
 * All devices lost: password + kit; then kit alone with second factor and mail; the old kit is dead. The server lost:
 * `kf rescue` opens a device's store with the kit.
 */
export const stepEight = async (story: Story): Promise<void> => {
  const { a, b, c, d, e, ada, check, secrets, world } = story
  const { server } = world
  const synced = (await listOf(a))
    .filter((item) => item["policy"] === "synced")
    .map((item) => textAt(item, "id"))
    .toSorted()
  const strict = await itemOn(a, idOf(story, "kraken"))
  const oldKit = ada.kit
  const oldPassword = ada.password
  const idsOn = async (machine: Machine): Promise<readonly string[]> =>
    (await listOf(machine)).map((item) => textAt(item, "id")).toSorted()
  const confirm = async (seen: number, waiting: KfRun): Promise<void> => {
    ended(waiting, 8)
    const page = await openPage(confirmLinkOf(await story.mailSince(seen, isConfirmMail)))
    page.type("code", codeShown(waiting))
    await page.click("confirm")
    match(page.text("status"), /^Confirmed/)
  }

  await check("all three devices are lost", async () => {
    for (const machine of [a, b, c]) await lose(story, machine)
    for (const machine of [a, b, c]) equal((await machine.kf.ask(["status"]))["mode"], "none")
  })
  await check("password, second factor and mail let a new device in; without the kit it has no keys", async () => {
    const seen = story.mailsSeen()
    const login = [
      "login",
      d.origin,
      "--address",
      ada.address,
      "--device-name",
      `Fourth ${secrets.word("name of D")}`,
      "--by",
      "kit",
      "--json",
    ]
    await confirm(seen, await d.kf.run(login, { secrets: { password: ada.password, code: await ada.code() } }))
    ended(await d.kf.run(["login", "--by", "kit"]), 9)
    notEqual((await d.kf.ask(["status"]))["mode"], "account")
  })
  await check(
    "with the kit it has the keys, and sync brings back everything that was synced, and no more",
    async () => {
      equal((await d.kf.ask(["login", "--by", "kit"], { secrets: { kit: ada.kit } }))["step"], "done")
      await until("D is active", async () => textAt(await d.kf.ask(["status"]), "account.deviceState") === "active")
      const on = await d.kf.run(["sync", "on", "--items", "none", "--auto-new", "--json"], {
        secrets: { password: ada.password },
      })
      ended(on, 0)
      const last = on.events.findLast((event) => event["event"] === "progress" && event["step"] === "retrieving")
      ok(Number(at(last, "done")) >= synced.length, on.stderr)
      deepEqual(await idsOn(d), synced)
      equal(fieldOf(await itemOn(d, idOf(story, "kraken")), "secret"), fieldOf(strict, "secret"))
    },
  )

  await check(
    "D is lost too, and the password forgotten: the kit alone reaches the second factor and no further",
    async () => {
      await lose(story, d)
      const started = await e.kf.run(
        ["recover", e.origin, "--device-name", `Fifth ${secrets.word("name of E")}`, "--json"],
        { secrets: { kit: ada.kit } },
      )
      ended(started, 4)
      equal(started.code, "second-factor-needed")
    },
  )
  const newPassword = secrets.word("password after the recovery")
  const kitFile = join(e.kf.home.path, "kit.txt")
  await check("second factor and mail later, a new password and a new kit are made", async () => {
    const seen = story.mailsSeen()
    await confirm(seen, await e.kf.run(["recover", "--json"], { secrets: { code: await ada.code() } }))
    await e.kf.ask(["recover", "--kit-file", kitFile], { secrets: { "new-password": newPassword } })
    ada.kit = codeOfKit(readFileSync(kitFile, "utf8"))
    ada.password = newPassword
    secrets.keep("second kit code", ada.kit)
    secrets.keep("second kit", bytesOfKit(ada.kit))
    notEqual(ada.kit, oldKit)
    await until("E is active", async () => textAt(await e.kf.ask(["status"]), "account.deviceState") === "active")
  })
  await check("everything is back, opened with nothing but what the kit led to", async () => {
    await e.kf.ask(["sync", "on", "--items", "none", "--auto-new"], { secrets: { password: newPassword } })
    deepEqual(await idsOn(e), synced)
    equal(fieldOf(await itemOn(e, idOf(story, "kraken")), "secret"), fieldOf(strict, "secret"))
  })
  await check("the old kit is dead: it starts no recovery, opens no account, and does not check", async () => {
    const recovery = await d.kf.run(["recover", d.origin, "--json"], { secrets: { kit: oldKit } })
    ended(recovery, 4)
    equal(recovery.code, "wrong-credentials")
    const checked = await e.kf.run(["kit", "--check", "--json"], { secrets: { kit: oldKit } })
    ended(checked, 4)
    equal((await e.kf.ask(["kit", "--check"], { secrets: { kit: ada.kit } }))["right"], true)
  })
  await check("so are the old password and every lost device", async () => {
    const login = await d.kf.run(["login", d.origin, "--address", ada.address, "--json"], {
      secrets: { password: oldPassword },
    })
    ended(login, 4)
    equal(login.code, "wrong-credentials")
    deepEqual(
      rowsAt(await e.kf.ask(["device", "ls"]))
        .filter((device) => device["state"] === "active")
        .map((device) => device["isThis"]),
      [true],
    )
    const found = world.boxWith(join(lostFolder(story), "a"), "found-again")
    const told = await found.run(["unlock", "--json"], { secrets: { password: oldPassword } })
    ended(told, 5)
  })

  await check("the server is lost: no process, no folder", async () => {
    await e.kf.stop()
    await server.killHard()
    await until("its strongroom is gone", async () => !(await isHeld(server.folder)))
    renameSync(server.folder, `${server.folder}-lost`)
  })
  await check("kf rescue does not open E's store with the old kit", async () => {
    const secretsOf = { kit: oldKit, "new-password": secrets.word("password of a rescue that failed") }
    const refused = await e.kf.run(["rescue", "--yes", "--json"], { secrets: secretsOf })
    ended(refused, 4)
    equal(refused.code, "kit-code-wrong")
  })
  await check("with the kit it opens, with every item, and asks nobody", async () => {
    const sinceMs = e.wire().nowMs()
    const rescued = await e.kf.ask(["rescue", "--yes"], {
      secrets: { kit: ada.kit, "new-password": secrets.word("password after the rescue") },
    })
    equal(rescued["items"], synced.length)
    deepEqual(e.wire().requests(sinceMs), [])
    deepEqual(await idsOn(e), synced)
  })
  await check("a strict key is readable without any server, and the vault is E's alone", async () => {
    equal(fieldOf(await itemOn(e, idOf(story, "kraken")), "secret"), fieldOf(strict, "secret"))
    equal((await e.kf.ask(["status"]))["mode"], "local")
  })
}

export const lostFolder = (story: Story): string => join(story.world.folder, "lost")

/** The machine is gone with everything on it; a new one with the same wire has an empty home. */
const lose = async (story: Story, machine: Machine): Promise<void> => {
  await machine.kf.stop()
  mkdirSync(lostFolder(story), { recursive: true })
  renameSync(machine.kf.folder, join(lostFolder(story), machine.name))
}

/** Whether a process still has the lock of the strongroom's folder. */
const isHeld = async (folder: string): Promise<boolean> => {
  const { DatabaseSync } = await import("node:sqlite")
  try {
    const db = new DatabaseSync(join(folder, "strongroom", "lock"))
    db.exec("BEGIN EXCLUSIVE")
    db.exec("ROLLBACK")
    db.close()
    return false
  } catch {
    return true
  }
}
