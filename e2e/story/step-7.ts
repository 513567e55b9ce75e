import { deepEqual, equal, ok } from "node:assert/strict"
import { readFileSync } from "node:fs"

import { textAt } from "./profile.ts"
import { bytesOf, mainStore, rowsIn } from "./stores.ts"
import { ended, listOf, type Story } from "./story.ts"
import { hexOf } from "./step-2.ts"
import { type Machine, pause, until } from "./world.ts"

const ROUNDS = 20
const ADDS = 4
const LATEST_MS = 450

/**
 * 20 rounds of `kill -9` at random instants, of server and strongroom separately, during pushes: every id acknowledged to a
 * device is there, none twice.
 */
export const stepSeven = async (story: Story): Promise<void> => {
  const { a, b, c, check, world } = story
  const { server } = world
  const random = story.random.fork("kills")
  /** Every title that `kf add` answered for, and the device that it answered on. */
  const added = new Map<string, string>()
  /** Ids that a device was told to be at the server. */
  const acknowledged = new Map<string, string>()
  let unsentAtKill = 0
  const kills = { server: 0, strongroom: 0 }

  const push = async (machine: Machine, round: string): Promise<void> => {
    for (let n = 0; n < ADDS; n++) {
      const title = `${machine.name} ${round}.${n}`
      const done = await machine.kf.ask(["add", "note", title, "text=-"], {
        secrets: { "field:text": `text of ${title}` },
      })
      added.set(textAt(done, "id"), title)
    }
  }
  /** What A and B believe at this moment; both are cut off, so they answer from what they were told before. */
  const takeAcknowledged = async (): Promise<number> => {
    let waiting = 0
    for (const machine of [a, b])
      for (const item of await listOf(machine)) {
        if (item["custody"] === "synced") acknowledged.set(textAt(item, "id"), textAt(item, "title"))
        if (item["custody"] === "waiting") waiting++
      }
    return waiting
  }
  const duringPushes = async (round: string, kill: () => unknown): Promise<void> => {
    const pushes = Promise.all([push(a, round), push(b, round)])
    await pause(random.integer(LATEST_MS))
    await kill()
    await pushes
  }

  await check(
    `${ROUNDS} rounds: while A and B push, the strongroom is killed, and the server starts it again by itself`,
    async () => {
      for (let round = 1; round <= ROUNDS; round++) {
        const before = server.strongroomPid()
        await duringPushes(`strongroom ${round}`, () => {
          server.killStrongroom()
          kills.strongroom++
        })
        await takeAcknowledged()
        await until(
          "another strongroom answers",
          async () =>
            server.strongroomPid() !== undefined && server.strongroomPid() !== before && (await isReady(server.port)),
        )
      }
      equal(kills.strongroom, ROUNDS)
    },
  )
  await check(`${ROUNDS} rounds: the server is killed, and started again on the same folder`, async () => {
    for (let round = 1; round <= ROUNDS; round++) {
      await duringPushes(`server ${round}`, async () => {
        await server.killHard()
        kills.server++
      })
      if ((await takeAcknowledged()) > 0) unsentAtKill++
      await server.start()
      // Some rounds begin with everything sent, some with a queue.
      if (round % 2 === 0) for (const machine of [a, b]) ended(await machine.kf.run(["sync"]), 0)
    }
    equal(kills.server, ROUNDS)
  })
  await check("pushes were under way: some edits were sent before a kill, some only after", () => {
    ok(unsentAtKill > 0, "nothing ever waited when the server was killed")
    ok(acknowledged.size > ADDS * 2, `only ${acknowledged.size} were acknowledged before the end`)
  })
  await check("A and B send what waited; nothing is refused, nothing is in conflict", async () => {
    for (const machine of [a, b, a, c]) ended(await machine.kf.run(["sync"]), 0)
    for (const machine of [a, b]) equal((await machine.kf.ask(["sync"]))["waiting"], 0)
  })
  const ofRounds = async (machine: Machine): Promise<readonly (readonly [string, string])[]> =>
    (await listOf(machine))
      .map((item) => [textAt(item, "id"), textAt(item, "title")] as const)
      .filter(([id]) => added.has(id) || acknowledged.has(id))
  await check("every id acknowledged to a device is there, on A, on B and on C that took no part", async () => {
    for (const machine of [a, b, c]) {
      const there = new Map(await ofRounds(machine))
      deepEqual(
        [...acknowledged].filter(([id, title]) => there.get(id) !== title && !isLocalOnly(story, id)),
        [],
      )
    }
  })
  await check("everything that kf add answered for is there too, under its id, none twice", async () => {
    equal(added.size, ROUNDS * ADDS * 2 * 2)
    for (const machine of [a, b, c]) {
      const all = await listOf(machine)
      const titles = all.map((item) => textAt(item, "title"))
      equal(new Set(titles).size, titles.length)
      const there = new Map(all.map((item) => [textAt(item, "id"), textAt(item, "title")]))
      deepEqual(
        [...added].filter(([id, title]) => there.get(id) !== title),
        [],
      )
    }
  })
  await check("the strongroom keeps one newest record of each, and its contents are what was typed", async () => {
    const newest = rowsIn(
      mainStore(server.folder),
      "SELECT lower(hex(item_id)) AS id, count(1) AS n FROM record WHERE superseded_ms IS NULL GROUP BY item_id",
    )
    const counts = new Map(newest.map(({ id, n }) => [String(id), Number(n)]))
    deepEqual(
      [...added.keys()].filter((id) => counts.get(hexOf(id)) !== 1),
      [],
    )
    const [id, title] = random.pick([...added])
    equal((await c.kf.ask(["read", id, "text"]))["value"], `text of ${title}`)
  })
  await check("the vault's chain has no gap and no place that is taken twice", () => {
    const links = rowsIn(
      mainStore(server.folder),
      "SELECT seq, hash FROM vault_link WHERE vault_id = (SELECT id FROM vault WHERE account_uuid = ?) ORDER BY seq",
      story.accountUuid(),
    )
    deepEqual(
      links.map(({ seq }) => seq),
      links.map((_, n) => n + 1),
    )
    equal(new Set(links.map(({ hash }) => Buffer.from(bytesOf(hash)).toString("hex"))).size, links.length)
  })
  await check("server and strongroom logged no defect through all of it", () => {
    const lines = readFileSync(server.logFile, "utf8")
      .split("\n")
      .filter((line) => line.includes('"what":"defect"') || /"level":(?:50|60)/.test(line))
    deepEqual(
      lines.filter((line) => !line.includes("the strongroom ended; starting it again")),
      [],
    )
  })
}

const isLocalOnly = (story: Story, id: string): boolean => id === story.items.get("okx")

const isReady = async (port: number): Promise<boolean> => {
  const reply = await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => undefined)
  return reply?.ok === true
}
