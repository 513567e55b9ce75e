import { deepEqual, equal, match, notEqual, ok } from "node:assert/strict"

import { openPage, scanLink } from "./page.ts"
import { at, type KfRun, rowsAt, textAt, wordsAt } from "./profile.ts"
import { mainStore, rowsIn } from "./stores.ts"
import {
  codeShown,
  confirmLinkOf,
  ended,
  idOf,
  isConfirmMail,
  listOf,
  mistyped,
  type Story,
  titlesOf,
} from "./story.ts"
import { hexOf } from "./step-2.ts"
import { until } from "./world.ts"

/**
 * Device B: password, TOTP; the mailed link met by a scanner (GET, HEAD, empty POST, script, every form) changes nothing;
 * confirmed by the typed code; keys by kit. Device C: approval by words typed on A, no mail. Both retrieve with progress;
 * neither gets the local-only item.
 */
export const stepThree = async (story: Story): Promise<void> => {
  const { a, b, c, ada, check, world } = story
  const { server } = world
  const password = { password: ada.password }
  const login = (origin: string, name: string): readonly string[] => [
    "login",
    origin,
    "--address",
    ada.address,
    "--device-name",
    `${name} ${story.secrets.word(`name of ${name}`)}`,
  ]
  const attempts = () =>
    rowsIn(
      mainStore(server.folder),
      "SELECT lower(hex(device_id)) AS device, state, tries FROM attempt ORDER BY made_ms",
    )
  const stateOf = (deviceId: unknown): unknown =>
    rowsIn(mainStore(server.folder), "SELECT state FROM device WHERE lower(hex(id)) = ?", String(deviceId))[0]?.[
      "state"
    ]

  await check("B is stopped by a wrong password, and by a wrong code of the second factor", async () => {
    const desk = [...login(b.origin, "Desk"), "--json"]
    const wrong = await b.kf.run(desk, { secrets: { password: `${ada.password}!`, code: "000000" } })
    ended(wrong, 4)
    equal(wrong.code, "wrong-credentials")
    const right = await b.kf.run(desk, { secrets: { ...password, code: "000000" } })
    ended(right, 4)
    equal(right.code, "second-factor-wrong")
  })
  const seen = story.mailsSeen()
  let waiting: KfRun | undefined
  await check("with password and TOTP it waits, shows its code, and a mail is on its way", async () => {
    waiting = await b.kf.run(["login", "--json"], { secrets: { code: await ada.code() } })
    ended(waiting, 8)
    equal(waiting.code, "device-not-verified")
    match(codeShown(waiting), /^\d{6}$/)
  })
  const mail = await story.mailSince(seen, isConfirmMail)
  const link = confirmLinkOf(mail)
  const attempt = attempts().at(-1)
  const device = attempt?.["device"]
  await check("the kit alone does not let it go on, and run again it asks for no second mail", async () => {
    const early = await b.kf.run(["login", "--by", "kit", "--json"], { secrets: { kit: ada.kit } })
    ended(early, 8)
    equal(codeShown(early), codeShown(waiting ?? early))
    deepEqual([stateOf(device), attempts().at(-1)], ["pending", attempt])
    equal(world.smtp.mails().slice(seen).filter(isConfirmMail).length, 1)
  })
  await check("a scanner follows the link: GET, HEAD, empty POST, script, every form, with nothing typed", async () => {
    const asked = await scanLink(link)
    for (const what of ["GET", "HEAD", "empty POST", "script"])
      ok(
        asked.some((one) => one.what === what),
        `it did not try ${what}`,
      )
    const posts = asked.filter(({ what }) => /POST/.test(what) && !what.includes("describe token"))
    ok(posts.length >= 5 && posts.every(({ status }) => status >= 400), JSON.stringify(posts))
  })
  await check("which changed nothing: the device waits as before, and no try is used up", () => {
    deepEqual([stateOf(device), attempts().at(-1)], ["pending", attempt])
    deepEqual([attempt?.["state"], attempt?.["tries"]], ["open", 0])
  })
  const code = codeShown(waiting ?? (await b.kf.run(["login", "--json"])))
  await check("a wrong code typed on the page is refused without a reason; the waiting device tells it", async () => {
    const page = await openPage(link)
    page.type("code", code === "111111" ? "222222" : "111111")
    await page.click("confirm")
    match(page.text("status"), /cannot be used/)
    deepEqual([stateOf(device), attempts().at(-1)?.["tries"]], ["pending", 1])
    equal((await b.kf.run(["login", "--json"])).code, "verify-code-wrong")
  })
  await check("the code that B shows confirms it, once", async () => {
    const page = await openPage(link)
    page.type("code", code)
    await page.click("confirm")
    match(page.text("status"), /^Confirmed/)
    equal(stateOf(device), "confirmed")
    const again = await openPage(link)
    match(again.text("status"), /cannot be used/)
  })
  await check("keys come by kit: a wrong one is refused, hers is taken", async () => {
    const wrong = await b.kf.run(["login", "--by", "kit", "--json"], { secrets: { kit: `KF1${"-0000".repeat(9)}` } })
    ended(wrong, 4)
    equal(wrong.code, "kit-code-wrong")
    equal((await b.kf.ask(["login", "--by", "kit"], { secrets: { kit: ada.kit } }))["step"], "done")
    await until("B is active", async () => textAt(await b.kf.ask(["status"]), "account.deviceState") === "active")
  })

  const mailsBefore = story.mailsSeen()
  /** C has put its commitment into the relay: whoever answers before, answers an older one. */
  const asksForWords = async (): Promise<void> => {
    const sinceMs = c.wire().nowMs()
    const isAsking = (): boolean =>
      c
        .wire()
        .requests(sinceMs)
        .some(({ method, path }) => method === "GET" && path.startsWith("/api/v1/enrol/relay"))
    await until("C asks for an approver", isAsking)
  }
  await check("C with password and TOTP asks A; A answers, and C shows three words", async () => {
    const words = c.kf.run([...login(c.origin, "Travel"), "--by", "words", "--json"], {
      secrets: { ...password, code: await ada.code() },
    })
    let pending = ""
    await until("A sees C", async () => {
      const waits = rowsAt(await a.kf.ask(["device", "ls"])).find((one) => one["state"] === "pending")
      pending = textAt(waits, "id")
      return pending !== ""
    })
    story.items.set("device c", pending)
    await asksForWords()
    const answered = await a.kf.run(["device", "approve", pending, "--json"], { secrets: password })
    ended(answered, 9)
    const shown = await words
    story.items.set("words", wordsAt(shown.document, "words"))
    match(idOf(story, "words"), /^[a-z]+ [a-z]+ [a-z]+$/)
  })
  await check("one mistyped word ends it; started again, words that fit are answered with two", async () => {
    const pending = idOf(story, "device c")
    const typed = idOf(story, "words")
    const wrong = await a.kf.run(["device", "approve", pending, "--json"], {
      secrets: { ...password, words: mistyped(typed) },
    })
    ended(wrong, 11)
    equal(wrong.code, "approval-mismatch")
    equal(stateOf(hexOf(pending)), "pending")
    const asks = asksForWords()
    const again = c.kf.run(["login", "--by", "words", "--json"])
    await asks
    const answered = await a.kf.run(["device", "approve", pending, "--json"], { secrets: password })
    ended(answered, 9)
    story.items.set("words", wordsAt((await again).document, "words"))
    notEqual(idOf(story, "words"), typed)
  })
  await check("the two reply words typed on C give it the keys, and A sees it through", async () => {
    const approving = a.kf.start(["device", "approve", idOf(story, "device c"), "--json"], {
      secrets: { ...password, words: idOf(story, "words") },
    })
    const [, reply = ""] = await approving.waitForLine(/"reply":(\[[^\]]+\])/, 30_000)
    const two = (JSON.parse(reply) as string[]).join(" ")
    equal((await c.kf.ask(["login", "--by", "words"], { secrets: { reply: two } }))["step"], "done")
    await approving.expectExit(0)
    await until("C is active", async () => textAt(await c.kf.ask(["status"]), "account.deviceState") === "active")
  })
  await check("no mail with a link was sent for C, only the notice that it came", async () => {
    await story.mailSince(mailsBefore, (one) => one.to.includes(ada.address) && /device approved/.test(one.subject))
    deepEqual(world.smtp.mails().slice(mailsBefore).filter(isConfirmMail), [])
  })

  const expected = (await listOf(a)).filter((item) => item["policy"] === "synced").map((item) => textAt(item, "title"))
  for (const [machine, name] of [
    [b, "B"],
    [c, "C"],
  ] as const) {
    await check(`${name} retrieves what is synced, and counts it while it comes`, async () => {
      const on = await machine.kf.run(["sync", "on", "--items", "none", "--auto-new", "--json"], { secrets: password })
      ended(on, 0)
      const progress = on.events.filter((event) => event["event"] === "progress" && event["step"] === "retrieving")
      equal(at(progress.at(-1), "done"), at(progress.at(-1), "total"))
      ok(Number(at(progress.at(-1), "done")) >= expected.length, on.stderr)
      deepEqual(await titlesOf(machine), expected.toSorted())
    })
  }
  await check("neither has the local-only item; A has it still", async () => {
    for (const machine of [b, c]) ended(await machine.kf.run(["get", idOf(story, "okx")]), 3)
    equal((await a.kf.ask(["get", idOf(story, "okx")]))["policy"], "local-only")
  })
}
