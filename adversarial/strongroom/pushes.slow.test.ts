import { bytesToHex } from "@keyferry/base"
import {
  accountPayload,
  ACCOUNT_HOLDER_ADD,
  countersignPayload,
  encodeLink,
  holderAddStruct,
  HOW_DEVICE,
  itemsPayload,
  itemsStruct,
  OP_DEL,
  OP_PUT,
  type Op,
  signPayload,
  VAULT_ITEMS,
  vaultPayload,
} from "@keyferry/chain"
import { encodeWrapEntry, wrapsHash } from "@keyferry/crypto"
import { nodePrimitives as p } from "@keyferry/crypto/node"
import { accountAppendReplyStruct, PUSH_ACCEPTED, PUSH_CONFLICT, PUSH_REFUSED } from "@keyferry/protocol"
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest"

import {
  addDevice,
  enrolDevice,
  type EnrolledDevice,
  holderOfDevice,
  json,
  makeActive,
  must,
  type Person,
  random,
  send,
  signUp,
  type TestDevice,
} from "../../apps/strongroom/src/fixture.ts"
import {
  blindWrap,
  doPush,
  doSync,
  genesisPush,
  itemId,
  itemsPush,
  joined,
  makeDelete,
  makePut,
  putPush,
  removal,
  rotationPush,
  sameVault,
  syncBody,
  vaultOf,
  type Writer,
  writerOf,
} from "../../apps/strongroom/src/vaults/fixture.ts"
import { blind, signUnlockOk } from "@keyferry/crypto"
import { bytesToBase64url, formatId, secret } from "@keyferry/base"
import { startStrongroomUnderAttack, type StrongroomUnderAttack } from "../world/strongroom-process.ts"

/*
 * A device of the account that is hostile itself: it has its keys and signs what no honest device would. The strongroom's own
 * verification has to refuse it, in a real process on a real database.
 */
let room: StrongroomUnderAttack
let ada: Person
let writer: Writer

beforeAll(async () => {
  room = await startStrongroomUnderAttack()
})
afterAll(() => room.close())
beforeEach(async () => {
  ada = await signUp(room.reach)
  await makeActive(room.reach, ada)
  writer = writerOf(ada)
  await doPush(room.reach, writer, await genesisPush(writer))
  await doPush(room.reach, writer, await putPush(writer, itemId()))
})

/** A second device of the account, in the chain and active. */
const secondDevice = async (): Promise<TestDevice> => {
  const enrolled: EnrolledDevice = await enrolDevice(room.reach, ada)
  await must(room.client().call("operatorConfirm", { code: enrolled.answer.code }))
  const added = await addDevice(writer.account, writer.device, enrolled, ada.accountSeed, room.reach.nowMs())
  const answer = await send(room.reach, writer.device, "account.append", {
    link: added.link,
    wraps: added.wraps,
    rotations: [],
  })
  if (answer.status !== 200) throw new Error(answer.code ?? "")
  writer.account = added.next
  const { leaseId } = enrolled.answer.lease
  const blinded = blind(random, secret<"LeaseInput">(random.bytes(32)))
  const { attempt } = await json(
    send(room.reach, enrolled.device, "lease.evaluate", {
      leaseId: formatId("lea", leaseId),
      blinded: bytesToBase64url(blinded.blinded),
    }),
  )
  const signature = bytesToBase64url(
    await signUnlockOk(p, enrolled.device.sigSeed, {
      deviceId: enrolled.device.deviceId,
      leaseId,
      attempt: Number(attempt),
    }),
  )
  await json(
    send(room.reach, enrolled.device, "lease.unlocked", { leaseId: formatId("lea", leaseId), attempt, signature }),
  )
  return enrolled.device
}
const headNow = async (): Promise<string> => {
  const { heads } = await doSync(room.reach, writer)
  return JSON.stringify(heads.map(([id, seq, hash]) => [bytesToHex(id), seq, bytesToHex(hash)]))
}

describe("links that no honest device signs", () => {
  test("X-65 hostile device: a wrong root, a wrong count, a revision skipped or repeated, an item twice, a delete of nothing, another epoch, a size that lies", async () => {
    const vault = vaultOf(writer)
    const target = itemId()
    await doPush(room.reach, writer, await putPush(writer, target))
    const before = await headNow()
    const put = await makePut({ ...writer, hashes: new Map(writer.hashes) }, itemId())
    const update = await makePut({ ...writer, hashes: new Map(writer.hashes) }, target)
    const now = vaultOf(writer)
    const lie = async (
      ops: readonly Op[],
      over: { root?: Uint8Array; count?: number } = {},
      records: readonly Uint8Array[] = [put.record],
    ): Promise<string> => {
      const body = { ops, root: over.root ?? now.root, count: over.count ?? now.count + 1 }
      const link = await signPayload(
        writer.device.signer,
        vaultPayload(now, writer.account, VAULT_ITEMS, itemsStruct, body, { byHolder: writer.device.deviceId, ts: 1 }),
      )
      const result = await doPush(room.reach, writer, {
        vaultId: now.id,
        links: [encodeLink(link)],
        records: [...records],
      })
      expect(result.outcome).toBe(PUSH_REFUSED)
      return result.code ?? ""
    }
    const [, id, , epoch, hash, size] = put.op
    expect(await lie([put.op])).toBe("chain-invalid")
    expect(await lie([[OP_PUT, id, 2, epoch, hash, size]])).toMatch(/revision-conflict|record-mismatch/)
    expect(await lie([[OP_PUT, id, 0, epoch, hash, size]])).toMatch(/chain-invalid|record-mismatch/)
    expect(await lie([put.op, put.op])).toMatch(/chain-invalid|record-mismatch/)
    expect(await lie([[OP_DEL, itemId(), 1, epoch, new Uint8Array(32), 0]], {}, [])).toBe("revision-conflict")
    expect(await lie([[OP_DEL, target, 2, epoch, new Uint8Array(32), 99]], {}, [])).toBe("chain-invalid")
    expect(await lie([[OP_PUT, id, 1, epoch + 1, hash, size]])).toMatch(/epoch-stale|record-mismatch/)
    expect(await lie([[OP_PUT, id, 1, epoch, hash, size + 1]])).toBe("record-mismatch")
    expect(await lie([], {}, [])).toMatch(/chain-invalid|malformed/)
    // A right link with a record more, a record less, another one's, or one whose header says another author.
    const good = await itemsPayload(now, writer.account, writer.tree, [put.op], {
      byHolder: writer.device.deviceId,
      ts: 1,
    })
    const link = encodeLink(await signPayload(writer.device.signer, good))
    const wrongAuthor = await makePut({ ...writer, hashes: new Map(writer.hashes) }, itemId(), {
      header: { by: random.bytes(16) },
    })
    for (const records of [
      [],
      [put.record, update.record],
      [update.record],
      [put.record, put.record],
      [wrongAuthor.record],
    ]) {
      const result = await doPush(room.reach, writer, { vaultId: now.id, links: [link], records })
      expect([result.outcome, result.code]).toEqual([PUSH_REFUSED, "record-mismatch"])
    }
    expect(await headNow()).toBe(before)
    expect(vault.id).toEqual(now.id)
    // And the same link with exactly its record is taken.
    expect((await doPush(room.reach, writer, { vaultId: now.id, links: [link], records: [put.record] })).outcome).toBe(
      PUSH_ACCEPTED,
    )
  })

  test("X-66 hostile device: links signed by another holder, by a slot, or of a vault that another account made", async () => {
    const second = await secondDevice()
    const asSecond = sameVault(writer, second)
    const push = await putPush(asSecond, itemId())
    // A valid link of the second device, pushed by the first: what others wrote arrives by repair only.
    expect(await doPush(room.reach, writer, push)).toMatchObject({ outcome: PUSH_REFUSED, code: "not-allowed" })
    expect((await doPush(room.reach, asSecond, push)).outcome).toBe(PUSH_ACCEPTED)
    const bySlot: Writer = {
      ...sameVault(asSecond, writer.device),
      device: { ...writer.device, signer: ada.slots.password.signer, deviceId: ada.slots.password.holder.id },
    }
    const payload = await itemsPayload(
      vaultOf(asSecond),
      writer.account,
      asSecond.tree,
      [(await makePut(bySlot, itemId())).op],
      { byHolder: ada.slots.password.holder.id, ts: 1 },
    )
    const link = encodeLink(await signPayload(ada.slots.password.signer, payload))
    expect(
      (await doPush(room.reach, { ...writer }, { vaultId: vaultOf(writer).id, links: [link], records: [] })).outcome,
    ).toBe(PUSH_REFUSED)
  })

  test("X-67 hostile device: pipelined links: the second without the first, the first replaced under the second, half stored and asked again", async () => {
    const w = { ...writer, hashes: new Map(writer.hashes) }
    const first = await putPush(w, itemId())
    const second = await putPush(w, itemId())
    expect((await doPush(room.reach, writer, second)).outcome).toBe(PUSH_CONFLICT)
    expect((await doPush(room.reach, writer, joined(first, second))).outcome).toBe(PUSH_ACCEPTED)
    // Asked again, whole or in part, it answers the same and stores nothing twice.
    const head = await headNow()
    expect((await doPush(room.reach, writer, joined(first, second))).outcome).toBe(PUSH_ACCEPTED)
    expect((await doPush(room.reach, writer, first)).outcome).toBe(PUSH_ACCEPTED)
    expect(await headNow()).toBe(head)
    // Another link in the place of the first one, with the same second: a conflict, whatever it says.
    const other = await putPush({ ...writer, hashes: new Map(writer.hashes) }, itemId())
    expect((await doPush(room.reach, writer, joined(other, second))).outcome).toBe(PUSH_CONFLICT)
    // A third that follows the second, after a repeated first: only what is new is written.
    const third = await putPush(w, itemId())
    expect((await doPush(room.reach, writer, joined(second, third))).outcome).toBe(PUSH_ACCEPTED)
    // All or nothing: a good link and a bad one after it leave nothing.
    const before = await headNow()
    const fourth = await putPush(w, itemId())
    const bad = { ...(await putPush(w, itemId())) }
    const result = await doPush(room.reach, writer, joined(fourth, { ...bad, records: [random.bytes(100)] }))
    expect(result.outcome).toBe(PUSH_REFUSED)
    expect(await headNow()).toBe(before)
  })

  test("X-68 hostile device: a device that adds itself again, an account link with wraps too many, too few or for others, a second one at the same place", async () => {
    const enrolled = await enrolDevice(room.reach, ada)
    await must(room.client().call("operatorConfirm", { code: enrolled.answer.code }))
    const added = await addDevice(writer.account, writer.device, enrolled, ada.accountSeed, room.reach.nowMs())
    const append = (over: object) =>
      send(room.reach, writer.device, "account.append", {
        link: added.link,
        wraps: added.wraps,
        rotations: [],
        ...over,
      })
    for (const wraps of [
      [],
      [...added.wraps, ...added.wraps],
      [encodeWrapEntry(blindWrap(random.bytes(16), random.bytes(1216)))],
      [encodeWrapEntry(blindWrap(enrolled.device.deviceId, random.bytes(1216)))],
    ])
      expect((await append({ wraps })).code).toBe("malformed")
    expect((await append({ registrationRecord: random.bytes(192) })).code).toBe("malformed")
    expect((await append({ prevSealed: random.bytes(100) })).code).toBe("chain-invalid")
    // Keys that the waiting device never had: its row decides.
    const holder = { ...holderOfDevice(enrolled.device, enrolled.answer.lease), authPk: random.bytes(32) }
    const wraps = [blindWrap(holder.id, holder.kemPk)]
    const payload = accountPayload(
      writer.account,
      ACCOUNT_HOLDER_ADD,
      holderAddStruct,
      { holder, how: HOW_DEVICE, transcript: random.bytes(32), wrapsHash: wrapsHash(p, wraps) },
      { byHolder: writer.device.deviceId, ts: 1 },
    )
    const link = encodeLink(
      await signPayload(writer.device.signer, payload, [await countersignPayload(enrolled.device.signer, payload)]),
    )
    expect((await append({ link, wraps: wraps.map(encodeWrapEntry) })).code).toBe("chain-invalid")
    // Without the new device's countersignature there is no link.
    const alone = encodeLink(await signPayload(writer.device.signer, payload))
    expect((await append({ link: alone, wraps: wraps.map(encodeWrapEntry) })).code).toBe("chain-invalid")
    expect((await append({})).status).toBe(200)
    // Sent again: the same answer. Another one for the same place: what won is told.
    expect((await append({})).status).toBe(200)
    const again = await enrolDevice(room.reach, ada)
    await must(room.client().call("operatorConfirm", { code: again.answer.code }))
    const late = await addDevice(writer.account, writer.device, again, ada.accountSeed, room.reach.nowMs())
    const conflict = await append({ link: late.link, wraps: late.wraps })
    const reply = accountAppendReplyStruct.decode(conflict.body, 1e7)
    expect(reply.ok && [reply.value.outcome, reply.value.accountLinks.length > 0]).toEqual([PUSH_CONFLICT, true])
  })
})

describe("an epoch change under way", () => {
  test("X-69 hostile or late device: items under the old epoch after a removal are refused until the vault's key follows; a rotation for the old account key is refused too", async () => {
    const second = await secondDevice()
    const asSecond = sameVault(writer, second)
    const gone = await removal(writer, [second.deviceId])
    const staleItems = await putPush({ ...writer, hashes: new Map(writer.hashes) }, itemId())
    const staleRotation = await rotationPush({ ...sameVault(asSecond, writer.device), account: writer.account })
    expect(
      (
        await send(room.reach, writer.device, "account.append", {
          link: gone.link,
          wraps: gone.wraps,
          prevSealed: gone.prevSealed,
          rotations: [],
        })
      ).status,
    ).toBe(200)
    // The removed device writes nothing any more, under whatever head it says it has seen.
    const byGone = await send(
      room.reach,
      second,
      "sync",
      syncBody(asSecond, { pushes: [await putPush(asSecond, itemId())] }),
    )
    expect([byGone.status, byGone.code]).toEqual([401, "device-removed"])
    // The other one must rotate first; its links under the old key, and a rotation to the old account key, are refused.
    expect(await doPush(room.reach, writer, staleItems)).toMatchObject({ outcome: PUSH_REFUSED, code: "epoch-stale" })
    expect(await doPush(room.reach, writer, staleRotation)).toMatchObject({
      outcome: PUSH_REFUSED,
      code: "epoch-stale",
    })
    writer.account = gone.next
    const fresh = writerOf(ada)
    expect(fresh.vault).toBeUndefined()
  })

  test("DV-06, RB-08 race: a write and the removal of its writer, released at the same instant, 200 rounds: never a write that the chain cannot account for", async () => {
    let accepted = 0
    for (let round = 0; round < 200; round++) {
      if (round % 50 === 0) {
        ada = await signUp(room.reach)
        await makeActive(room.reach, ada)
        writer = writerOf(ada)
        await doPush(room.reach, writer, await genesisPush(writer))
      }
      const victim = await secondDevice()
      const asVictim = sameVault(writer, victim)
      const push = await putPush(asVictim, itemId())
      const gone = await removal(writer, [victim.deviceId])
      const write = () => send(room.reach, victim, "sync", syncBody(asVictim, { pushes: [push] }))
      const remove = () =>
        send(room.reach, writer.device, "account.append", {
          link: gone.link,
          wraps: gone.wraps,
          prevSealed: gone.prevSealed,
          rotations: [],
        })
      // Each is first on its way in half of the rounds.
      const [one, other] = round % 2 === 0 ? [write(), remove()] : [remove(), write()]
      const [first, second] = await Promise.all([one, other])
      const [written, removed] = round % 2 === 0 ? [first, second] : [second, first]
      expect(removed.status).toBe(200)
      const { heads } = await doSync(room.reach, writer)
      const seq = heads[0]?.[1] ?? 0
      const isIn = seq === vaultOf(asVictim).head.seq
      if (isIn) {
        accepted++
        writer.vault = asVictim.vault
        writer.tree = asVictim.tree
        for (const [k, v] of asVictim.hashes) writer.hashes.set(k, v)
      } else expect(seq).toBe(vaultOf(writer).head.seq)
      // Whatever it was answered: after the removal it is out.
      expect(written.status === 200 || written.code === "device-removed").toBe(true)
      const late = await send(room.reach, victim, "sync", syncBody(asVictim))
      expect(late.code).toBe("device-removed")
      writer.account = gone.next
      expect((await doPush(room.reach, writer, await rotationPush(writer))).outcome).toBe(PUSH_ACCEPTED)
    }
    expect(accepted).toBeGreaterThanOrEqual(0)
  }, 400_000)

  test("RB-08 race: twenty links for one place, released at once: exactly one is taken, and everybody is told which", async () => {
    const pushes = await Promise.all(
      Array.from({ length: 20 }, () => putPush({ ...writer, hashes: new Map(writer.hashes) }, itemId())),
    )
    const results = await Promise.all(pushes.map((push) => doPush(room.reach, writer, push)))
    expect(results.filter((r) => r.outcome === PUSH_ACCEPTED)).toHaveLength(1)
    expect(results.filter((r) => r.outcome === PUSH_CONFLICT)).toHaveLength(19)
    expect(new Set(results.map((r) => bytesToHex(r.head[1]))).size).toBeLessThanOrEqual(2)
  })

  test("X-70 race: a delete and an edit of one item, and the same twenty times: the count and the root stay true", async () => {
    const target = itemId()
    await doPush(room.reach, writer, await putPush(writer, target))
    for (let round = 0; round < 20; round++) {
      const w1 = { ...writer, hashes: new Map(writer.hashes) }
      const w2 = { ...writer, hashes: new Map(writer.hashes) }
      const edit = await putPush(w1, target)
      const isLive = (await writer.tree.leavesOf([target]))[0]?.tombstone === false
      const del = isLive ? await itemsPush(w2, [], [await makeDelete(w2, target)]) : await putPush(w2, itemId())
      const [x, y] = await Promise.all([doPush(room.reach, writer, edit), doPush(room.reach, writer, del)])
      expect([x.outcome, y.outcome].toSorted((p, q) => p - q)).toEqual([PUSH_ACCEPTED, PUSH_CONFLICT])
      const winner = x.outcome === PUSH_ACCEPTED ? w1 : w2
      writer.vault = winner.vault
      writer.tree = winner.tree
      if (winner === w1) for (const [k, v] of w1.hashes) writer.hashes.set(k, v)
      else for (const [k, v] of w2.hashes) writer.hashes.set(k, v)
    }
    expect(vaultOf(writer).count).toBeGreaterThan(0)
  })
})
