import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

import { bytesToHex } from "@keyferry/base"
import { CHAIN_ACCOUNT, CHAIN_VAULT } from "@keyferry/chain"
import { afterEach, beforeEach, describe, expect, test } from "vitest"

import { allHandlers } from "../all-handlers.ts"
import {
  createWorld,
  makeActive,
  must,
  type Person,
  random,
  type Reach,
  reachOf,
  signUp,
  type World,
} from "../fixture.ts"
import { doPush, genesisPush, itemId, putPush, vaultOf, type Writer, writerOf } from "../vaults/fixture.ts"
import { compareHeads } from "./heads.ts"
import { createNotedHeads } from "./noted-heads.ts"
import { PAGE_ROWS } from "./pairs.ts"
import { type ChainHead, deleteHeads } from "./rows.ts"

let folder: string
let world: World
let reach: Reach
let person: Person
let writer: Writer

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "kf-heads-"))
  world = await createWorld(allHandlers, { folder })
  reach = reachOf(world)
  person = await signUp(reach)
  await makeActive(reach, person)
  writer = writerOf(person)
  await doPush(reach, writer, await genesisPush(writer))
  await doPush(reach, writer, await putPush(writer, itemId()))
})
afterEach(async () => {
  await world.close()
  rmSync(folder, { recursive: true, force: true })
})

const head = (kind: number, id: Uint8Array, seq: number): ChainHead => ({
  kind,
  id,
  accountId: person.accountId,
  seq,
  hash: random.bytes(32),
})
const kept = async (): Promise<readonly string[]> => (await world.room().leases.chainHeads()).map(nameOf).toSorted()
const nameOf = ({ kind, id, seq }: ChainHead): string => `${kind} ${bytesToHex(id).slice(0, 8)} ${seq}`
const account = (seq: number): string => `${CHAIN_ACCOUNT} ${bytesToHex(person.accountId).slice(0, 8)} ${seq}`
const vault = (seq: number): string => `${CHAIN_VAULT} ${bytesToHex(vaultOf(writer).id).slice(0, 8)} ${seq}`
const behindAfterRestart = async (): Promise<readonly string[]> => {
  await world.restart()
  return world.room().leases.allBehind().map(nameOf).toSorted()
}

describe("[LS14] heads", () => {
  test("of the vaults that moved are written down with the next turn, and those alone", async () => {
    const { leases } = world.room()
    expect(await kept()).toEqual([])
    await leases.raiseNotedHeads()
    expect(await kept()).toEqual([vault(2)])
    await leases.store.transaction((tx) => deleteHeads(tx, person.accountId))
    await leases.raiseNotedHeads()
    expect(await kept()).toEqual([])
    await doPush(reach, writer, await putPush(writer, itemId()))
    await leases.raiseNotedHeads()
    expect(await kept()).toEqual([vault(3)])
  })

  test("that a process did not write down any more are written down at the next start", async () => {
    expect(await kept()).toEqual([])
    expect(await behindAfterRestart()).toEqual([])
    expect(await kept()).toEqual([account(1), vault(2)])
    const { ctx, leases } = world.room()
    const owners = (await leases.chainHeads()).map(({ accountId }) => bytesToHex(accountId))
    expect(owners).toEqual([bytesToHex(person.accountId), bytesToHex(person.accountId)])
    expect((await compareHeads(ctx, leases)).higher).toBe(0)
    await doPush(reach, writer, await putPush(writer, itemId()))
    await world.restart()
    expect(await kept()).toEqual([account(1), vault(3)])
  })

  test("that could not be written down stay noted, the highest of each chain", async () => {
    const written: (readonly ChainHead[])[] = []
    let isFull = true
    const noted = createNotedHeads(async (heads) => {
      if (isFull) throw new Error("full")
      written.push(heads)
    })
    const [low, high, other] = [2, 5, 1].map((seq, i) => ({
      ...head(CHAIN_VAULT, i === 2 ? random.bytes(32) : person.accountId, seq),
    })) as [ChainHead, ChainHead, ChainHead]
    noted.note(high)
    noted.note(low)
    await expect(noted.raise()).rejects.toThrow("full")
    noted.note(other)
    noted.note(low)
    isFull = false
    await noted.raise()
    await noted.raise()
    expect(written).toEqual([[high, other], []].map((heads) => expect.arrayContaining(heads) as ChainHead[]))
    expect(written.map((heads) => heads.length)).toEqual([2, 0])
  })

  test("are compared one by one, in stores of more than a page", async () => {
    const { ctx, leases } = world.room()
    const many = Array.from({ length: PAGE_ROWS + 5 }, (): ChainHead => {
      const id = random.bytes(32)
      return { kind: CHAIN_VAULT, id, accountId: id, seq: 1, hash: random.bytes(32) }
    })
    await leases.raiseHeads(many)
    const { behind, higher } = await compareHeads(ctx, leases)
    expect(behind.map(nameOf).toSorted()).toEqual(many.map(nameOf).toSorted())
    expect(higher).toBe(2)
  })
})

describe("[LS14] a chain is behind", () => {
  test("when it is shorter than the head kept for it, or another one of the same length", async () => {
    await world
      .room()
      .leases.raiseHeads([head(CHAIN_VAULT, vaultOf(writer).id, 9), head(CHAIN_ACCOUNT, person.accountId, 1)])
    expect(await behindAfterRestart()).toEqual([account(1), vault(9)].toSorted())
  })

  test("when it is longer and does not hold the head kept for it; and it stays so at every later start", async () => {
    await world.room().leases.raiseHeads([head(CHAIN_VAULT, vaultOf(writer).id, 1)])
    expect(await behindAfterRestart()).toEqual([vault(1)])
    const { leases } = world.room()
    // As a repair does that adds to the other chain.
    leases.noteHead(head(CHAIN_VAULT, vaultOf(writer).id, 3))
    await leases.raiseNotedHeads()
    expect(await kept()).toContain(vault(1))
    // The other chains of the account go on, one of the same kind and one of the same name among them.
    const others = [head(CHAIN_VAULT, random.bytes(32), 4), head(CHAIN_ACCOUNT, vaultOf(writer).id, 6)]
    await leases.raiseHeads(others)
    expect(await kept()).toEqual(expect.arrayContaining(others.map(nameOf)))
    await leases.store.transaction(async (tx) => {
      for (const { id, kind } of others)
        await tx.deleteFrom("chain_head").where("id", "=", id).where("kind", "=", kind).execute()
    })
    expect(await behindAfterRestart()).toEqual([vault(1)])
  })

  test("also of an account that was deleted and is back in a restored store, and of a vault under the id of a deleted account", async () => {
    const { leases } = world.room()
    const buried = [person.accountId, vaultOf(writer).id].map((id) => ({
      what: "account" as const,
      id,
      linkHash: new Uint8Array(32).fill(1),
    }))
    await leases.kill([], buried)
    await leases.confirm(buried)
    const heads = [head(CHAIN_ACCOUNT, person.accountId, 9), head(CHAIN_VAULT, vaultOf(writer).id, 9)]
    await leases.raiseHeads(heads)
    expect(await behindAfterRestart()).toEqual([account(9), vault(9)].toSorted())
  })

  test("not when its account was deleted on purpose", async () => {
    const other = await signUp(reach)
    await world.restart()
    expect(await kept()).toHaveLength(3)
    const logId = bytesToHex(world.room().ctx.logId)
    await must(reach.call("deleteAccount", { accountUuid: other.accountUuid }))
    expect(await behindAfterRestart()).toEqual([])
    expect(bytesToHex(world.room().ctx.logId)).toBe(logId)
  })
})
