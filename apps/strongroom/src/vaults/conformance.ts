import assert from "node:assert/strict"

import { bytesToHex, expectOk } from "@keyferry/base"
import {
  accountAppendReplyStruct,
  bootstrapReplyStruct,
  historyReplyStruct,
  PUSH_ACCEPTED,
  PUSH_REFUSED,
  type PushResult,
} from "@keyferry/protocol"

import { addDevice, enrolDevice, must, type Person, type Reach, send, type World } from "../fixture.ts"
import { compareHeads } from "../lease/heads.ts"
import { reconcile } from "../lease/reconcile.ts"
import { rotateLeaseKek } from "../lease/rotation.ts"
import {
  doPush,
  doSync,
  genesisPush,
  itemId,
  itemsPush,
  makeDelete,
  putPush,
  removal,
  rotationPush,
  vaultOf,
  writerOf,
} from "./fixture.ts"
import { HISTORY_MS, purgeHistory } from "./history.ts"

/*
 * What vaults and leases do with their stores, the same on both dialects; part of the cases of store/conformance.ts.
 */
interface Started {
  readonly world: World
  readonly reach: Reach
  readonly person: Person
}
export type VaultCase = readonly [name: string, run: (started: Started) => Promise<void>]

export const vaultCases: readonly VaultCase[] = [
  [
    "a vault is read from nothing, page by page, with its history",
    async ({ world, reach, person }) => {
      const writer = writerOf(person)
      await doPush(reach, writer, await genesisPush(writer))
      const [kept, gone] = [itemId(), itemId()]
      const pushes = [await putPush(writer, kept), await putPush(writer, gone), await putPush(writer, kept)]
      for (const push of pushes) assert.equal((await doPush(reach, writer, push)).outcome, PUSH_ACCEPTED)
      await doPush(reach, writer, await itemsPush(writer, [], [await makeDelete(writer, gone)]))
      const { id: vaultId } = vaultOf(writer)
      const read = await send(reach, writer.device, "bootstrap", { vaultId, maxBytes: 1 })
      const page = expectOk(bootstrapReplyStruct.decode(read.body, 1 << 20), "bootstrap")
      assert.deepEqual([page.leaves.length, page.records.length, page.next], [2, 1, undefined])
      const old = async (): Promise<readonly string[]> => {
        const answer = await send(reach, writer.device, "history", { vaultId, itemId: kept })
        return expectOk(historyReplyStruct.decode(answer.body, 1 << 20), "history").records.map(bytesToHex)
      }
      assert.deepEqual(await old(), pushes[0]?.records.map(bytesToHex))
      const { ctx } = world.room()
      assert.equal(await purgeHistory({ ...ctx, clock: { nowMs: () => ctx.clock.nowMs() + HISTORY_MS } }), 2)
      assert.deepEqual(await old(), [])
    },
  ],
  [
    "a removal ends a device's lease, its vaults' keys and its requests",
    async ({ world, reach, person }) => {
      const writer = writerOf(person)
      await doPush(reach, writer, await genesisPush(writer))
      const enrolled = await enrolDevice(reach, person)
      const added = await addDevice(writer.account, person.device, enrolled, person.accountSeed, 1)
      const append = async (body: object) => {
        const answer = await send(reach, person.device, "account.append", { rotations: [], ...body })
        assert.equal(answer.status, 200, answer.code ?? "refused")
        return expectOk(accountAppendReplyStruct.decode(answer.body, 1 << 20), "append")
      }
      assert.equal((await append({ link: added.link, wraps: added.wraps })).outcome, PUSH_ACCEPTED)
      writer.account = added.next
      const out = await removal(writer, [enrolled.device.deviceId])
      await append({ link: out.link, wraps: out.wraps, prevSealed: out.prevSealed })
      writer.account = out.next
      assert.equal((await world.room().leases.read(enrolled.device.deviceId))?.sealed, null)
      const stale = await putPush({ ...writer, hashes: new Map() }, itemId())
      assert.deepEqual(outcomeOf(await doPush(reach, writer, stale)), [PUSH_REFUSED, "epoch-stale"])
      assert.deepEqual(outcomeOf(await doPush(reach, writer, await rotationPush(writer))), [PUSH_ACCEPTED, undefined])
      const item = await putPush(writer, itemId())
      assert.deepEqual(outcomeOf(await doPush(reach, writer, item)), [PUSH_ACCEPTED, undefined])
      assert.equal((await doSync(reach, writer)).heads[0]?.[1], 3)
      const { ctx, leases } = world.room()
      assert.deepEqual((await reconcile(ctx, leases, await compareHeads(ctx, leases))).behind, [])
      assert.equal(await must(rotateLeaseKek(leases)), 1)
    },
  ],
  [
    "of evaluations and a removal at once, no evaluation answers after the removal",
    async ({ world, person }) => {
      const { leases } = world.room()
      const { deviceId } = person.device
      const leaseId = (await leases.read(deviceId))?.lease_id ?? new Uint8Array()
      let answered = 0
      const evaluate = async (): Promise<void> => {
        const begun = await leases.beginEvaluation(deviceId, leaseId)
        if (begun.ok && (await leases.settle(deviceId, leaseId, 1)).ok) answered++
      }
      const running = Array.from({ length: 8 }, evaluate)
      const killed = leases.kill([deviceId], [])
      await Promise.all([...running, killed, ...Array.from({ length: 8 }, evaluate)])
      const row = await leases.read(deviceId)
      // Every answer has its serial, and none was given once the row was dead.
      assert.deepEqual([row?.state, row?.sealed, row?.serial], ["dead", null, answered])
      await evaluate()
      assert.equal((await leases.read(deviceId))?.serial, row?.serial)
    },
  ],
  [
    "evaluations at once are each counted, and the eleventh is refused",
    async ({ world, person }) => {
      const { leases } = world.room()
      const { deviceId } = person.device
      const leaseId = (await leases.read(deviceId))?.lease_id ?? new Uint8Array()
      const begun = await Promise.all(Array.from({ length: 14 }, () => leases.beginEvaluation(deviceId, leaseId)))
      const numbers = begun.flatMap((one) => (one.ok ? [one.value.attempt] : [])).toSorted((a, b) => a - b)
      assert.deepEqual(numbers, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
      assert.equal((await leases.read(deviceId))?.attempts, 10)
    },
  ],
]

const outcomeOf = (result: PushResult): readonly unknown[] => [result.outcome, result.code]
