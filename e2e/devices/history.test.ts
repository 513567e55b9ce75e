import { afterAll, beforeAll, describe, expect, test } from "vitest"

import type { Keyferry } from "@keyferry/sdk"

import { createWorld, enrolByKit, must, PASSWORD, signUpWithSync, until, type World } from "./world.ts"

let world: World
let a: Keyferry
let b: Keyferry
let id: string

beforeAll(async () => {
  world = await createWorld()
  a = await world.device("a")
  const { kit, code } = await signUpWithSync(world, a)
  id = must(await a.add({ kind: "note", title: "Log", fields: [{ name: "text", value: "1", secret: true }] })).id
  must(await a.syncNow())
  b = await world.device("b")
  await enrolByKit(world, b, { password: PASSWORD, kit, code: await code(), name: "B" })
  must(await b.syncOn({ items: "none", autoNew: true }))
})
afterAll(() => world.close())

const write = async (kf: Keyferry, value: string): Promise<void> => {
  must(await kf.edit(id, { fields: [{ name: "text", value, secret: true }] }))
}
const textOf = async (kf: Keyferry): Promise<string | undefined> => must(await kf.get(id)).fields[0]?.value
const texts = async (kf: Keyferry): Promise<readonly (string | undefined)[]> =>
  must(await kf.history(id)).map(({ fields }) => fields[0]?.value)

describe("the history of a synced item", () => {
  test("has every version that was replaced, on each device, newest first", async () => {
    for (const [kf, other, value] of [
      [b, a, "2"],
      [a, b, "3"],
      [a, b, "4"],
      [b, a, "5"],
      [a, b, "6"],
    ] as const) {
      await write(kf, value)
      must(await kf.syncNow())
      must(await other.syncNow())
    }
    for (const kf of [a, b]) expect(await texts(kf)).toEqual(["5", "4", "3", "2", "1"])
  })

  test("keeps what stood beside the version in use until a person chose, and putting one back brings no conflict back", async () => {
    await world.stop()
    await write(a, "7")
    await write(b, "8")
    await world.start()
    await until(async () => (await a.syncNow()).ok, "a has sent its own")
    await until(async () => (await b.syncNow()).ok && must(await b.get(id)).conflicts === 1, "b sees both")
    // Whichever was there first, also when b went ahead by itself, is the one in use.
    const used = await textOf(b)
    const beside = used === "7" ? "8" : "7"
    expect(["7", "8"]).toContain(used)
    must(await b.resolve(id, "text", "current"))
    must(await b.syncNow())
    const both = must(await b.history(id)).find(({ alternatives }) => alternatives !== undefined)
    expect(both?.alternatives).toEqual([{ field: "text", value: beside }])
    const put = must(await b.restore(id, both?.rev))
    expect([put.conflicts, await textOf(b)]).toEqual([0, used])
  })
})
