import { deepEqual, equal, ok } from "node:assert/strict"

import { LETTERS } from "./canaries.ts"
import { type Document, rowsAt, textAt } from "./profile.ts"
import { ended, fieldOf, idOf, itemOn, listOf, type Story } from "./story.ts"
import { type Machine, pause, until } from "./world.ts"

/**
 * An edit on B shows on A through the feed: captured traffic shows no request by A in between. Offline edits of different
 * fields both survive; of the same secret field one conflict, one winner everywhere, both values kept.
 */
export const stepFour = async (story: Story): Promise<void> => {
  const { a, b, c, check, secrets } = story
  const bybit = idOf(story, "bybit")
  const titleOn = async (machine: Machine): Promise<string> =>
    textAt(
      (await listOf(machine)).find((item) => item["id"] === bybit),
      "title",
    )

  const title = `Bybit desk ${secrets.word("new title of Bybit")}`
  let [fromMs, toMs] = [0, 0]
  await check("an edit on B shows on A", async () => {
    // What came to A before is confirmed by a request within half a minute: that must be over, or it may fall in between.
    await quiet(a, CONFIRMED_MS)
    fromMs = a.wire().nowMs()
    await b.kf.ask(["edit", bybit, "--title", title])
    await until("the new title is on A", async () => (await titleOn(a)) === title)
    toMs = a.wire().nowMs()
  })
  await check("in between A made no request; what came, came through its open stream", () => {
    deepEqual(a.wire().requests(fromMs, toMs), [])
    const came = a
      .wire()
      .chunks()
      .filter((chunk) => chunk.atMs >= fromMs && chunk.atMs <= toMs)
    ok(came.some(({ direction }) => direction === "down") && came.every(({ direction }) => direction === "down"))
  })

  await check("with both cables out, A and B edit different fields of one item, and keep the edits", async () => {
    for (const machine of [a, b]) machine.wire().unplug()
    equal((await a.kf.ask(["edit", bybit, "sub-account=from A"]))["custody"], "waiting")
    equal((await b.kf.ask(["edit", bybit, "permissions=read, trade"]))["custody"], "waiting")
    const offline = await a.kf.run(["sync", "--json"])
    ended(offline, 7)
    equal(offline.code, "network-unreachable")
  })
  await check("back online both survive, on every device", async () => {
    for (const machine of [a, b]) machine.wire().plug()
    for (const machine of [a, b, a, c]) ended(await machine.kf.run(["sync"]), 0)
    for (const machine of [a, b, c]) {
      const item = await itemOn(machine, bybit)
      deepEqual(
        [fieldOf(item, "sub-account"), fieldOf(item, "permissions"), item["conflicts"]],
        ["from A", "read, trade", 0],
      )
    }
  })

  const byA = secrets.shaped("secret of Bybit by A", LETTERS, 36)
  const byB = secrets.shaped("secret of Bybit by B", LETTERS, 36)
  await check("offline again, both change the same secret field", async () => {
    for (const machine of [a, b]) machine.wire().unplug()
    await a.kf.ask(["edit", bybit, "secret=-"], { secrets: { "field:secret": byA } })
    await b.kf.ask(["edit", bybit, "secret=-"], { secrets: { "field:secret": byB } })
    a.wire().plug()
    ended(await a.kf.run(["sync"]), 0)
    b.wire().plug()
    ended(await b.kf.run(["sync"]), 10, /kf conflicts/)
  })
  const shown: Document[] = []
  await check("there is one conflict, the same on every device", async () => {
    for (const machine of [a, b, c]) {
      await machine.kf.run(["sync"])
      deepEqual(
        rowsAt(await machine.kf.ask(["conflicts"])).map((item) => [item["id"], item["conflicts"]]),
        [[bybit, 1]],
      )
      const one = await machine.kf.ask(["conflicts", "show", bybit, "--reveal"])
      shown.push(...rowsAt(one, "fields"))
    }
    equal(shown.length, 3)
  })
  await check("one value won everywhere: the one that was in the chain first", async () => {
    for (const machine of [a, b, c]) equal(fieldOf(await itemOn(machine, bybit), "secret"), byA)
    deepEqual(
      shown.map((field) => [field["name"], field["current"]]),
      [
        ["secret", byA],
        ["secret", byA],
        ["secret", byA],
      ],
    )
  })
  await check("and the other is kept beside it, everywhere; B is named as where it is from", async () => {
    const deviceOfB = textAt(await b.kf.ask(["status"]), "account.deviceId")
    for (const field of shown)
      deepEqual(
        rowsAt(field, "others").map((other) => [other["value"], other["device"]]),
        [[byB, deviceOfB]],
      )
  })
  await check("a choice made on C ends the conflict on all three", async () => {
    await c.kf.ask(["conflicts", "pick", bybit, "secret", "--take", "1"])
    await c.kf.run(["sync"])
    for (const machine of [a, b, c]) {
      await machine.kf.run(["sync"])
      const item = await itemOn(machine, bybit)
      deepEqual([fieldOf(item, "secret"), item["conflicts"]], [byB, 0])
    }
    const history = rowsAt(await a.kf.ask(["history", bybit, "--reveal"]))
    ok(history.some((revision) => rowsAt(revision, "fields").some((field) => field["value"] === byA)))
  })
}

/** Longer than a device takes to confirm what came by its feed. */
const CONFIRMED_MS = 32_000

/** Until a machine has said nothing to the server for so long. */
const quiet = async (machine: Machine, ms: number): Promise<void> => {
  for (;;) {
    const before = machine.wire().requests().length
    await pause(ms)
    if (machine.wire().requests().length === before) return
  }
}
