import assert from "node:assert/strict"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

import { bytesToBase64url, bytesToHex, equalBytes, expectOk } from "@keyferry/base"
import { decodeOuter } from "@keyferry/crypto"
import { PUSH_ACCEPTED, PUSH_CONFLICT } from "@keyferry/protocol"
import { openStore, type Store } from "@keyferry/store"
import type { ConformanceCase, ConformancePlace } from "@keyferry/store/conformance"
import { createFakeAuthenticator } from "@keyferry/testkit"

import { allHandlers } from "../all-handlers.ts"
import { createChanges } from "../changes.ts"
import { createDataKeys } from "../data-keys.ts"
import {
  codeOf,
  createWorld,
  enrolDevice,
  json,
  makeActive,
  makeDevice,
  must,
  NO_LIMITS,
  ORIGIN,
  p as primitives,
  type Person,
  random,
  type Reach,
  reachOf,
  send,
  signUp,
  START_MS,
  tokenHashOf,
  totpCode,
  type World,
} from "../fixture.ts"
import { openLocalKms } from "../kms/local.ts"
import { recordPlace } from "../places.ts"
import {
  doPush,
  doSync,
  genesisPush,
  itemId,
  itemsPush,
  makeDelete,
  makePut,
  putPush,
  type Writer,
  writerOf,
} from "../vaults/fixture.ts"
import { vaultCases } from "../vaults/conformance.ts"
import { mainMigrations } from "./migrations.ts"
import type { MainTables } from "./tables.ts"

/** What the strongroom does with its store, the same on both dialects. `npm run conformance` runs these. */
interface Started {
  readonly world: World
  readonly reach: Reach
  readonly person: Person
  readonly otpauth: string
}

const withAccount = (name: string, run: (started: Started) => Promise<void>): ConformanceCase => ({
  name: `strongroom: ${name}`,
  run: async (place) => {
    const lease = place.dialect === "postgres" ? { leaseStoreUrl: place.url } : {}
    const world = await createWorld(allHandlers, { storeUrl: place.url, ...lease })
    try {
      const reach = reachOf(world)
      const person = await signUp(reach)
      const otpauth = await makeActive(reach, person)
      world.clock.add(60_000)
      await run({ world, reach, person, otpauth })
    } finally {
      await world.close()
    }
  },
})

const withTwoStores = (
  name: string,
  run: (a: Store<MainTables>, b: Store<MainTables>) => Promise<void>,
): ConformanceCase => ({
  name: `strongroom: ${name}`,
  run: async (place) => {
    const open = async (): Promise<Store<MainTables>> => expectOk(await openMain(place), "store")
    const a = await open()
    // SQLite belongs to one process; there the race is between two users of one connection.
    const b = place.dialect === "postgres" ? await open() : a
    try {
      await run(a, b)
    } finally {
      await a.close()
      if (b !== a) await b.close()
    }
  },
})

const clock = { nowMs: () => START_MS }
const openMain = (place: ConformancePlace) =>
  openStore<MainTables>({ url: place.url, migrations: mainMigrations, name: "strongroom", clock })

export const cases: readonly ConformanceCase[] = [
  ...vaultCases.map(([name, run]) => withAccount(name, run)),
  withAccount("an account signs up, turns its factor on and is active", async ({ reach, person }) => {
    const status = await json(send(reach, person.device, "account.status"))
    assert.deepEqual([status["state"], status["factors"]], ["active", ["totp"]])
    const { events } = await must(reach.call("events", { after: 0, max: 100 }))
    assert.deepEqual(
      events.map(({ n, kind }) => `${n} ${kind}`),
      ["1 account-created", "2 device-confirmed", "3 factor-added", "4 account-active", "5 device-active"],
    )
  }),
  withAccount("of requests with one code at once, one passes", async ({ reach, world, person, otpauth }) => {
    for (let round = 0; round < 20; round++) {
      world.clock.add(30_000)
      const code = await totpCode(otpauth, world.clock.nowMs())
      const ask = (): Promise<string> =>
        codeOf(reach.call("secondFactor", { accountUuid: person.accountUuid, kind: "totp", code }))
      const answers = await Promise.all([ask(), ask(), ask()])
      assert.equal(answers.filter((answer) => answer === "ok").length, 1)
    }
  }),
  withAccount("of confirmations and denials at once, one counts", async ({ reach, world, person }) => {
    for (let round = 0; round < 20; round++) {
      const { token, answer, device } = await enrolDevice(reach, person)
      const tokenHash = tokenHashOf(token)
      const confirm = (): Promise<string> => codeOf(reach.call("confirmCode", { tokenHash, code: answer.code }))
      const deny = (): Promise<string> => codeOf(reach.call("confirmDeny", { tokenHash }))
      const answers = await Promise.all([confirm(), deny(), confirm(), deny()])
      assert.equal(answers.filter((a) => a === "ok").length, 1)
      await world.room().ctx.store.transaction(async (tx) => {
        await tx.updateTable("account").set({ enrol_frozen_until_ms: 0 }).execute()
        await tx.updateTable("device").set({ state: "expired" }).where("id", "=", device.deviceId).execute()
      })
    }
  }),
  withAccount("wrong codes at once are all counted", async ({ reach, person, otpauth, world }) => {
    const right = await totpCode(otpauth, world.clock.nowMs())
    const code = right === "000000" ? "000001" : "000000"
    const answers = await Promise.all(
      Array.from({ length: 12 }, () =>
        codeOf(reach.call("secondFactor", { accountUuid: person.accountUuid, kind: "totp", code })),
      ),
    )
    assert.equal(answers.filter((answer) => answer === "second-factor-wrong").length, 4)
    assert.equal(answers.filter((answer) => answer === "too-many-attempts").length, 8)
  }),
  withAccount(
    "of answers of one passkey at once, one passes, and its counter only rises",
    async ({ reach, person, world }) => {
      const authenticator = createFakeAuthenticator({ origin: ORIGIN })
      const { device } = person
      const fresh = { last_factor_ms: world.clock.nowMs(), last_password_ms: world.clock.nowMs() }
      await world.room().ctx.store.transaction((tx) => tx.updateTable("device").set(fresh).execute())
      const asked = await json(send(reach, device, "passkeys.start"))
      const made = expectOk(
        await authenticator.create({
          rpId: String(asked["rpId"]),
          rpName: "",
          challenge: String(asked["challenge"]),
          user: { handle: String(asked["userHandle"]), name: "" },
          exclude: [],
          prfInput: new Uint8Array(32),
        }),
        "passkey",
      )
      await json(send(reach, device, "passkeys.finish", { label: "key", credential: made.credential }))
      const { accountUuid } = person
      for (let round = 0; round < 10; round++) {
        const request = await must(reach.call("passkeyRequest", { accountUuid, origins: [ORIGIN] }))
        const question = {
          rpId: request.rpId,
          challenge: bytesToBase64url(request.challenge),
          credentials: request.credentials.map((one) => ({ id: bytesToBase64url(one.id), transports: [] })),
        }
        const assertion = JSON.stringify(expectOk(await authenticator.get(question), "answer").assertion)
        const pass = (): Promise<string> =>
          codeOf(reach.call("secondFactorPasskey", { accountUuid, assertion, origins: [ORIGIN] }))
        const answers = await Promise.all([pass(), pass(), pass()])
        assert.equal(answers.filter((answer) => answer === "ok").length, 1)
        const row = await world
          .room()
          .ctx.store.read((db) => db.selectFrom("passkey").select("counter").executeTakeFirstOrThrow())
        assert.equal(row.counter, round + 2)
        // What two of three did wrong is no reason to lock the next round.
        await world.room().ctx.store.transaction((tx) => tx.deleteFrom("factor_tries").execute())
      }
    },
  ),
  withAccount("no more than three devices wait, whatever arrives at once", async ({ reach, person }) => {
    const devices = await Promise.all(Array.from({ length: 8 }, () => makeDevice()))
    const answers = await Promise.all(
      devices.map((device) =>
        codeOf(
          reach.call("enrol", {
            accountUuid: person.accountUuid,
            device: device.keys,
            tokenHash: random.bytes(32),
            limits: NO_LIMITS,
          }),
        ),
      ),
    )
    assert.deepEqual(answers.toSorted(), [
      ...Array.from({ length: 3 }, () => "ok"),
      ...Array.from({ length: 5 }, () => "rate-limited"),
    ])
  }),
  withAccount("an account is deleted whole", async ({ reach, world, person }) => {
    await enrolDevice(reach, person)
    await must(reach.call("deleteAccount", { accountUuid: person.accountUuid }))
    const left = await world
      .room()
      .ctx.store.read(async (db) => [
        await db.selectFrom("account").select("uuid").execute(),
        await db.selectFrom("device").select("id").execute(),
        await db.selectFrom("attempt").select("device_id").execute(),
        await db.selectFrom("factor").select("kind").execute(),
      ])
    assert.deepEqual(left, [[], [], [], []])
  }),
  withAccount("a vault takes items, gives them back, and forgets a deleted one", async ({ reach, person }) => {
    const writer = writerOf(person)
    await doPush(reach, writer, await genesisPush(writer))
    const items = Array.from({ length: 20 }, () => itemId())
    const puts = await Promise.all(items.map((item) => makePut(writer, item)))
    assert.equal((await doPush(reach, writer, await itemsPush(writer, puts))).outcome, PUSH_ACCEPTED)
    const gone = await makeDelete(writer, items[0] ?? itemId())
    assert.equal((await doPush(reach, writer, await itemsPush(writer, [], [gone]))).outcome, PUSH_ACCEPTED)
    const [vault] = (await doSync(reach, writer)).heads
    const id = vault?.[0] ?? new Uint8Array(32)
    const { vaults } = await doSync(reach, writer, { cursors: [[id, 0, new Uint8Array(32)]] })
    assert.equal(vaults[0]?.links.length, 3)
    assert.equal(vaults[0]?.records.length, 19)
  }),
  withAccount("of two writers at once, exactly one wins each time", async ({ reach, person }) => {
    const writer = writerOf(person)
    await doPush(reach, writer, await genesisPush(writer))
    for (let round = 0; round < 10; round++) {
      const rivals: readonly Writer[] = [
        { ...writer, hashes: new Map() },
        { ...writer, hashes: new Map() },
      ]
      const made = await Promise.all(rivals.map(async (rival) => ({ rival, push: await putPush(rival, itemId()) })))
      const results = await Promise.all(made.map(({ rival, push }) => doPush(reach, rival, push)))
      assert.deepEqual(new Set(results.map(({ outcome }) => outcome)), new Set([PUSH_ACCEPTED, PUSH_CONFLICT]))
      const winner = rivals[results.findIndex(({ outcome }) => outcome === PUSH_ACCEPTED)]
      if (winner !== undefined) Object.assign(writer, { vault: winner.vault, tree: winner.tree })
    }
  }),
  withTwoStores("two that make a tenant's first data key agree on one", async (a, b) => {
    const folder = mkdtempSync(join(tmpdir(), "kf-conformance-kek-"))
    try {
      const kms = expectOk(openLocalKms({ primitives, random, path: join(folder, "kek"), mayCreate: true }), "kms")
      const keys = (store: Store<MainTables>) =>
        createDataKeys({ store, kms, primitives, clock, random, deploymentId: "dep_test" })
      for (let n = 1; n <= 30; n++) {
        const place = recordPlace(new Uint8Array(32).fill(n), new Uint8Array(32), new Uint8Array(16), 1)
        const [x, y] = [keys(a), keys(b)]
        const sealed = await Promise.all([
          must(x.encrypt(place, random.bytes(10))),
          must(y.encrypt(place, random.bytes(10))),
        ])
        const ids = sealed.map((bytes) => bytesToHex(expectOk(decodeOuter(bytes), "outer").dekId))
        assert.equal(ids[0], ids[1])
        assert.ok((await y.decrypt(place, sealed[0])).ok && (await x.decrypt(place, sealed[1])).ok)
      }
      const { length } = await a.read((db) => db.selectFrom("data_key").select("id").execute())
      assert.equal(length, 30)
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  }),
  withTwoStores("commits of two strongrooms have numbers without holes, in commit order", async (a, b) => {
    const seen: number[] = []
    const changes = (store: Store<MainTables>) =>
      createChanges({
        store,
        clock,
        logId: new Uint8Array(16),
        publish: ({ commit }) => void seen.push(commit),
      })
    const [x, y] = [changes(a), changes(b)]
    const all = await Promise.all(
      Array.from({ length: 60 }, (_, i) =>
        (i % 2 === 0 ? x : y)(({ event }) => event({ accountUuid: `a${i}`, kind: "sync-resumed" })),
      ),
    )
    assert.deepEqual(
      all.map(({ commit }) => commit).toSorted((m, n) => m - n),
      Array.from({ length: 60 }, (_, i) => i + 1),
    )
    const events = await a.read((db) => db.selectFrom("event").select("n").orderBy("n").execute())
    assert.deepEqual(
      events.map(({ n }) => n),
      Array.from({ length: 60 }, (_, i) => i + 1),
    )
    // Each publishes its own, in order, and waits for nobody else's.
    assert.equal(new Set(seen).size, 60)
  }),
  withTwoStores("bytes, nulls and large numbers come back as they went in", async (a) => {
    const now = START_MS
    await a.transaction(async (tx) => {
      await tx
        .insertInto("event")
        .values({
          n: 1,
          log_id: random.bytes(16),
          at_ms: now,
          account_uuid: "a",
          kind: "k",
          device_id: null,
          account_id: null,
          detail: null,
        })
        .execute()
      await tx
        .insertInto("meta")
        .values({ name: "blob", value: Uint8Array.of(0, 255, 0) })
        .execute()
    })
    const event = await a.read((db) => db.selectFrom("event").select(["at_ms", "device_id"]).executeTakeFirstOrThrow())
    assert.deepEqual(event, { at_ms: now, device_id: null })
    const meta = await a.read((db) => db.selectFrom("meta").select("value").executeTakeFirstOrThrow())
    assert.ok(equalBytes(meta.value, Uint8Array.of(0, 255, 0)))
  }),
]
