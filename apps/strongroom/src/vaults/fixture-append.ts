import { Defect, expectOk } from "@keyferry/base"
import type { AccountState } from "@keyferry/chain"
import { accountAppendReplyStruct, PUSH_ACCEPTED } from "@keyferry/protocol"
import type { Executed } from "@keyferry/strongroom-api"

import { addDevice, enrolDevice, type EnrolledDevice, send, type TestDevice, type World } from "../fixture.ts"
import type { VaultWorld } from "./fixture.ts"

/* What the tests of account links share. Development only. */

export const decodeReply = (answer: Executed) => {
  if (answer.status !== 200) throw new Defect(`${answer.status} ${answer.code ?? ""} ${answer.detail ?? ""}`)
  return expectOk(accountAppendReplyStruct.decode(answer.body, 1 << 24), "append reply")
}

/** Of a request that brings neither wraps nor rotations. */
export const empty = { wraps: [], rotations: [] }

/** A second device, approved by the first and active; the writer knows of it. */
export const secondDevice = async ({
  world,
  reach,
  person,
  writer,
}: VaultWorld): Promise<{
  readonly enrolled: EnrolledDevice
  readonly device: TestDevice
  readonly chain: AccountState
}> => {
  const enrolled = await enrolDevice(reach, person)
  const added = await addDevice(writer.account, person.device, enrolled, person.accountSeed, world.clock.nowMs())
  const reply = decodeReply(
    await send(reach, person.device, "account.append", { ...empty, link: added.link, wraps: added.wraps }),
  )
  if (reply.outcome !== PUSH_ACCEPTED) throw new Defect(`the second device was not taken: ${reply.outcome}`)
  writer.account = added.next
  await world
    .room()
    .ctx.store.transaction((tx) =>
      tx.updateTable("device").set({ state: "active" }).where("state", "=", "approved").execute(),
    )
  return { enrolled, device: enrolled.device, chain: added.next }
}

export const stateOf = async (world: World, device: TestDevice): Promise<string | undefined> =>
  (
    await world
      .room()
      .ctx.store.read((db) =>
        db.selectFrom("device").select("state").where("id", "=", device.deviceId).executeTakeFirst(),
      )
  )?.state
