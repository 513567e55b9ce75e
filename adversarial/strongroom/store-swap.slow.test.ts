import { copyFileSync, existsSync, renameSync, rmSync } from "node:fs"
import { join } from "node:path"

import { afterEach, beforeEach, describe, expect, test } from "vitest"

import { makeActive, type Person, send, signUp } from "../../apps/strongroom/src/fixture.ts"
import {
  decodeSync,
  doPush,
  genesisPush,
  itemId,
  putPush,
  syncBody,
  type Writer,
  writerOf,
} from "../../apps/strongroom/src/vaults/fixture.ts"
import { PUSH_ACCEPTED } from "../../packages/protocol/src/index.ts"
import { startStrongroomUnderAttack, type StrongroomUnderAttack } from "../world/strongroom-process.ts"

/*
 * Somebody with the disk puts an older copy of the main store in the place of the newest: before the process opens it,
 * while it opens it, and while it has it open. The lease store is not theirs.
 */
let room: StrongroomUnderAttack
let ada: Person
let writer: Writer
let main: string
/** The writer as it was when the copy was made. */
let older: Writer

beforeEach(async () => {
  room = await startStrongroomUnderAttack()
  main = join(room.folder, "strongroom.db")
  ada = await signUp(room.reach)
  await makeActive(room.reach, ada)
  writer = writerOf(ada)
  await doPush(room.reach, writer, await genesisPush(writer))
  await doPush(room.reach, writer, await putPush(writer, itemId()))
  older = { ...writer, hashes: new Map(writer.hashes) }
  await room.stop()
  copyFileSync(main, `${main}.old`)
  copyFileSync(leases(), `${leases()}.old`)
  await room.start()
  await doPush(room.reach, writer, await putPush(writer, itemId()))
})
afterEach(() => room.close())

const leases = (): string => join(room.folder, "leases.db")

/** One rename, as an attacker would: there is no moment without a file. */
const swap = (): void => {
  copyFileSync(`${main}.old`, `${main}.new`)
  renameSync(`${main}.new`, main)
}
/** Where the vault stands for its device, or what it is refused with. */
const look = async (): Promise<number | string> => {
  let answer = await send(room.reach, ada.device, "sync", syncBody(writer))
  // Of the second in which it started: signed once more, as a device does.
  for (let i = 0; answer.code === "clock-skew" && i < 20; i++) {
    await new Promise((resolve) => setTimeout(resolve, 100))
    answer = await send(room.reach, ada.device, "sync", syncBody(writer))
  }
  if (answer.status !== 200) return answer.code ?? String(answer.status)
  return decodeSync(answer).heads[0]?.[1] ?? 0
}
/** Starts it; the last words where it refuses to. */
const startAgain = async (starting = room.start()): Promise<string> => {
  try {
    await starting
    return "started"
  } catch (error) {
    return error instanceof Error ? error.message : "failed"
  }
}

describe("an older copy of the main store", () => {
  test("X-96 thief who writes: put there while it is stopped: nothing of it is served, at this start and the next", async () => {
    await room.stop()
    swap()
    for (let start = 0; start < 2; start++) {
      await room.start()
      expect(await look()).toBe("chain-rolled-back")
      await room.stop()
    }
    await room.start()
  })

  test("X-96 thief who writes: put there at twelve moments of its opening: served is the newest, or nothing", async () => {
    const seen = new Set<number | string>()
    for (let i = 0; i < 12; i++) {
      await room.stop()
      copyFileSync(main, `${main}.newest`)
      const starting = startAgain()
      await new Promise((resolve) => setTimeout(resolve, 60 * i))
      swap()
      const started = await starting
      if (started === "started") seen.add(await look())
      // Noticed before it was open: it serves nothing at all.
      else expect(started).toContain("store-moved")
      // And after its stop, which no longer reaches the file that it had open.
      await room.stop()
      await room.start()
      expect(await look(), `moment ${i}`).toBe("chain-rolled-back")
      await room.stop()
      renameSync(`${main}.newest`, main)
      await room.start()
      expect(await look(), `moment ${i}, put right`).toBe(3)
    }
    for (const one of seen) expect([3, "chain-rolled-back"]).toContain(one)
  }, 400_000)

  test("X-96 thief who writes: put there between opening and the first call: what is acknowledged after it is missed at the next start", async () => {
    await room.stop()
    await room.start()
    swap()
    expect(await look()).toBe(3)
    const { outcome } = await doPush(room.reach, writer, await putPush(writer, itemId()))
    expect(outcome).toBe(PUSH_ACCEPTED)
    await room.stop()
    await room.start()
    expect(await look()).toBe("chain-rolled-back")
  })

  test("X-96 thief who writes: put there under the log of a newer one, after a kill: it does not start, serves no less than was kept, or nothing", async () => {
    // What is in the log follows upon a state that the copy has never been in.
    await room.stop()
    await room.start()
    for (let i = 0; i < 5; i++) await doPush(room.reach, writer, await putPush(writer, itemId()))
    await room.kill()
    expect(existsSync(`${main}-wal`)).toBe(true)
    swap()
    const started = await startAgain()
    if (started !== "started") {
      expect(started).toContain("store-corrupt")
      rmSync(`${main}-wal`, { force: true })
      await room.start()
      expect(await look()).toBe("chain-rolled-back")
      return
    }
    // Whatever came of the two: not less than the lease store knows of, or a refusal.
    const found = await look()
    expect(typeof found === "string" || found >= 3, `${found}`).toBe(true)
  })

  test("X-99 fate: written to beside an older lease store, it has grown past the head it lost: with the newest lease store it is refused, at every start", async () => {
    await room.stop()
    copyFileSync(leases(), `${leases()}.newest`)
    swap()
    copyFileSync(`${leases()}.old`, leases())
    await room.start()
    expect(await look()).toBe(2)
    // Another device of the same vault goes on from there, further than the first one had come.
    const other = older
    for (let i = 0; i < 3; i++) await doPush(room.reach, other, await putPush(other, itemId()))
    expect(await look()).toBe(5)
    await room.stop()
    copyFileSync(`${leases()}.newest`, leases())
    for (let start = 0; start < 3; start++) {
      await room.start()
      expect(await look(), `start ${start}`).toBe("chain-rolled-back")
      await room.stop()
    }
    await room.start()
  })
})
