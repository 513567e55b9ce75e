import { expectOk } from "@keyferry/base"
import { PUSH_REFUSED } from "@keyferry/protocol"
import { afterEach, beforeEach, describe, expect, test } from "vitest"

import { NO_LIMITS, p, type Person, type Reach, send, type World } from "../fixture.ts"
import { beginVault, createVaultWorld, itemId, putPush, signingOf, syncBody, vaultOf, type Writer } from "./fixture.ts"
import { createHotVaults } from "./hot-vaults.ts"
import { createVaultHandlers } from "./index.ts"
import { preparePush } from "./prepared.ts"
import { pull } from "./pull.ts"
import { commitPush, sealPush } from "./push.ts"
import { createRecordBlocks } from "./record-blocks.ts"
import { createVaultStates } from "./rows.ts"

let world: World
let reach: Reach
let person: Person
let writer: Writer

beforeEach(async () => {
  ;({ world, reach, person, writer } = await createVaultWorld())
})
afterEach(() => world.close())

describe("a push", () => {
  test.each([
    ["retired", "device-retired"],
    ["lease-locked", "lease-locked"],
    ["approved", "device-not-verified"],
  ])("[SY64] [SY73] a device that is %s by the time of the commit neither writes nor reads", async (state, code) => {
    await beginVault(reach, writer)
    const push = await putPush(writer, itemId())
    const { ctx, leases } = world.room()
    await ctx.store.transaction((tx) => tx.updateTable("device").set({ state }).execute())
    const signing = signingOf(person, person.device, "active")
    const parts = {
      hot: createHotVaults(p),
      states: createVaultStates(),
      blocks: createRecordBlocks(ctx.store),
      accounts: new Map(),
      leases,
    }
    const prepared = expectOk(preparePush(p, push), "push")
    const sealed = expectOk(await sealPush(ctx, parts, person.accountId, prepared), "sealed")
    const { result } = await commitPush(ctx, parts, sealed, { device: signing, limits: NO_LIMITS, why: "sync" })
    expect([result.outcome, result.code]).toEqual([PUSH_REFUSED, code])
    const read = await pull(ctx, parts.states, signing, { accountSeq: 0, cursors: [], maxBytes: 1 })
    expect(read).toEqual({ ok: false, error: { code: "not-allowed" } })
  })

  test.each([
    ["frozen", { frozen: 1 }, "account-frozen"],
    ["suspended", { sync_suspended: 1 }, "sync-suspended"],
  ])("[SY64] an account that is %s by the time of the commit refuses the push", async (_, change, code) => {
    await beginVault(reach, writer)
    const push = await putPush(writer, itemId())
    const { ctx, leases } = world.room()
    await ctx.store.transaction((tx) => tx.updateTable("account").set(change).execute())
    const signing = signingOf(person, person.device, "active")
    const parts = { ctx, handlers: createVaultHandlers(ctx, leases) }
    const answer = await parts.handlers.sync(
      ctx,
      { device: signing, query: "", createdS: 0, limits: NO_LIMITS, origins: [] },
      syncBody(writer, { pushes: [push] }),
    )
    expect(answer.ok ? answer.value.reply.results.map((r) => r.code) : [answer.error.code]).toEqual([code])
    expect(await ctx.store.read((db) => db.selectFrom("vault_link").select("seq").execute())).toHaveLength(1)
  })

  test("[SY64] [SY73] without a second factor nothing is taken and nothing is read", async () => {
    await beginVault(reach, writer)
    const { ctx } = world.room()
    await ctx.store.transaction((tx) => tx.deleteFrom("factor").execute())
    for (const [route, body] of [
      ["sync", syncBody(writer, { pushes: [await putPush(writer, itemId())] })],
      ["feed", { account: [1, new Uint8Array(32)], cursors: [] }],
      ["bootstrap", { vaultId: vaultOf(writer).id, maxBytes: 1 }],
      ["history", { vaultId: vaultOf(writer).id, itemId: itemId() }],
    ] as const)
      expect((await send(reach, writer.device, route, body)).code).toBe("two-factor-required")
    expect(await ctx.store.read((db) => db.selectFrom("vault_link").select("seq").execute())).toHaveLength(1)
  })

  test("[SY68] while the key service is away nothing is written, and it is said when to come again", async () => {
    await beginVault(reach, writer)
    const { ctx, leases } = world.room()
    const away = { ok: false, error: { code: "kms-unavailable", retryAfterS: 10 } } as const
    const broken = { ...ctx, atRest: { ...ctx.atRest, encryptAll: async () => away } }
    const signing = signingOf(person, person.device, "active")
    const handlers = createVaultHandlers(broken, leases)
    const push = await putPush(writer, itemId())
    expect(
      await handlers.sync(
        broken,
        { device: signing, query: "", createdS: 0, limits: NO_LIMITS, origins: [] },
        syncBody(writer, { pushes: [push] }),
      ),
    ).toEqual(away)
    expect(await ctx.store.read((db) => db.selectFrom("vault_link").select("seq").execute())).toHaveLength(1)
  })
})
