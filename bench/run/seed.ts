import { mkdirSync } from "node:fs"
import { join } from "node:path"

import { allHandlers } from "../../apps/strongroom/src/all-handlers.ts"
import {
  addDevice,
  createWorld,
  enrolDevice,
  makeActive,
  must,
  NO_LIMITS,
  type Person,
  type Reach,
  reachOf,
  send,
  setFactor,
  signUp,
  START_MS,
} from "../../apps/strongroom/src/fixture.ts"
import {
  genesisPush,
  itemId,
  itemsPush,
  makePut,
  syncBody,
  type Writer,
  writerOf,
} from "../../apps/strongroom/src/vaults/fixture.ts"
import { itemText } from "./items.ts"

/*
 * Accounts with a vault each, put into a strongroom's folder by the strongroom's own code before any process of the product
 * runs: what is measured afterwards is the product, not the making of accounts.
 */
export interface Seeded {
  readonly folder: string
  readonly writers: readonly Writer[]
  readonly people: readonly Person[]
}

const ITEMS_AT_ONCE = 500

/** `folder` becomes the server's data folder. Each vault gets `items` items of the fixed mix. */
export const seed = async (folder: string, accounts: number, items = 0): Promise<Seeded> => {
  const kept = join(folder, "strongroom")
  mkdirSync(kept, { recursive: true, mode: 0o700 })
  const world = await createWorld(allHandlers, { folder: kept })
  // A device that logged in long ago would have to log in again.
  world.clock.add(Date.now() - START_MS)
  const reach = reachOf(world)
  const people: Person[] = []
  const writers: Writer[] = []
  for (let i = 0; i < accounts; i++) {
    const person = await signUp(reach)
    await makeActive(reach, person)
    const writer = writerOf(person)
    await pushNow(reach, writer, [await genesisPush(writer)])
    await addItems(reach, writer, items)
    people.push(person)
    writers.push(writer)
  }
  await world.close()
  return { folder, writers, people }
}

const addItems = async (reach: Reach, writer: Writer, items: number): Promise<void> => {
  for (let at = 0; at < items; at += ITEMS_AT_ONCE) {
    const size = Math.min(ITEMS_AT_ONCE, items - at)
    const puts = []
    for (let i = 0; i < size; i++) puts.push(await makePut(writer, itemId(), { text: itemText(at + i) }))
    await pushNow(reach, writer, [await itemsPush(writer, puts)])
  }
}

const pushNow = async (
  reach: Reach,
  writer: Writer,
  pushes: Parameters<typeof syncBody>[1] extends infer B
    ? NonNullable<NonNullable<B>["pushes" & keyof NonNullable<B>]>
    : never,
): Promise<void> => {
  const answer = await send(reach, writer.device, "sync", syncBody(writer, { pushes }), { limits: NO_LIMITS })
  if (answer.status !== 200) throw new Error(`seeding: ${answer.status} ${answer.code ?? ""} ${answer.detail ?? ""}`)
}

export { addDevice, enrolDevice, must, setFactor }
