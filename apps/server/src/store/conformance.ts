import assert from "node:assert/strict"

import { type ConformanceCase, type ConformancePlace, openForConformance } from "@keyferry/store/conformance"

import { type AccountRow, changeAddress, confirmAddress, findAccountByAddress, insertAccount } from "./accounts.ts"
import { appendAudit, listAudit } from "./audit.ts"
import { claimInvitation, insertInvitation, releaseInvitation, useInvitation } from "./invitations.ts"
import { addPoints, listWindows, saveWindows } from "./limiter.ts"
import { claimMail, insertMail, listDueMail } from "./mail-queue.ts"
import { migrations } from "./migrations.ts"
import { advanceProgress, readProgress, startProgress } from "./progress.ts"
import { appendRelay, MAX_RELAY_MESSAGES } from "./relay.ts"
import { readOrMakeSecret } from "./secrets.ts"
import { insertSession, replaceSession, type SessionRow } from "./sessions.ts"
import type { ServerStore, Tables } from "./tables.ts"

const behaviour = (name: string, run: (store: ServerStore) => Promise<void>): ConformanceCase => ({
  name: `server: ${name}`,
  run: async (place: ConformancePlace) => {
    const store = await openForConformance<Tables>(place, migrations, "server")
    try {
      await run(store)
    } finally {
      await store.close()
    }
  },
})

const bytes = (n: number, length = 32): Uint8Array => new Uint8Array(length).fill(n)

const account = (uuid: string, address: string): AccountRow => ({
  uuid,
  account_id: null,
  address,
  address_key: address,
  confirmed: 0,
  operator: 0,
  first_device: bytes(1, 16),
  invitation: null,
  created_ms: 1,
  seen_ms: 1,
})

const session = (n: number, level: number): SessionRow => ({
  token_hash: bytes(n),
  account_uuid: "u",
  account_id: bytes(9),
  level,
  auth_pk: null,
  device_id: null,
  idle_ms: 10,
  created_ms: 1,
  used_ms: 1,
  ends_ms: 100,
})

export const cases: readonly ConformanceCase[] = [
  behaviour("an address belongs to the first who confirms it", async (store) => {
    await store.transaction(async (tx) => {
      await insertAccount(tx, account("a", "x@example.org"))
      await insertAccount(tx, account("b", "x@example.org"))
    })
    const won = await Promise.allSettled(["a", "b"].map((uuid) => store.transaction((tx) => confirmAddress(tx, uuid))))
    const confirmed = won.filter((w) => w.status === "fulfilled" && w.value)
    assert.equal(confirmed.length, 1)
    const owner = await store.read((db) => findAccountByAddress(db, "x@example.org"))
    assert.ok(owner !== undefined && owner.confirmed === 1)
    const other = owner.uuid === "a" ? "b" : "a"
    assert.equal(await store.transaction((tx) => changeAddress(tx, other, "x@example.org", "x@example.org")), false)
  }),

  behaviour("a session is raised once", async (store) => {
    const old = session(1, 1)
    await store.transaction((tx) => insertSession(tx, old))
    const raised = await Promise.all(
      [2, 3, 4].map((n) => store.transaction((tx) => replaceSession(tx, old, session(n, 2)))),
    )
    assert.equal(raised.filter(Boolean).length, 1)
    const rows = await store.read((db) => db.selectFrom("session").select("level").execute())
    assert.deepEqual(
      rows.map((r) => r.level),
      [2],
    )
  }),

  behaviour("an invitation is held by one sign-up, given back or used up", async (store) => {
    const tokenHash = bytes(1)
    await store.transaction((tx) =>
      insertInvitation(tx, {
        token_hash: tokenHash,
        first: 0,
        created_ms: 1,
        expires_ms: 1_000,
        claimed_by: null,
        claimed_until_ms: 0,
        used_ms: null,
      }),
    )
    const claim = (accountUuid: string, nowMs: number) =>
      store.transaction((tx) => claimInvitation(tx, { tokenHash, accountUuid, nowMs, untilMs: nowMs + 100 }))
    const both = await Promise.all([claim("a", 10), claim("b", 10)])
    assert.equal(both.filter(Boolean).length, 1)
    const holder = both[0] ? "a" : "b"
    const other = holder === "a" ? "b" : "a"
    assert.equal(await claim(holder, 20), true)
    assert.equal(await claim(other, 121), true)
    await store.transaction((tx) => releaseInvitation(tx, tokenHash, other))
    assert.equal(await claim(holder, 122), true)
    await store.transaction((tx) => useInvitation(tx, tokenHash, 130))
    assert.equal(await claim(holder, 131), false)
  }),

  behaviour("a window counts to its end and then anew", async (store) => {
    const add = (nowMs: number, points = 1) =>
      store.transaction((tx) => addPoints(tx, { bucket: "b", points, nowMs, windowMs: 100 }))
    await Promise.all(Array.from({ length: 10 }, () => add(1)))
    assert.deepEqual(await add(100), { bucket: "b", points: 11, endsMs: 101 })
    assert.deepEqual(await add(101, 2), { bucket: "b", points: 2, endsMs: 201 })
    await store.transaction((tx) => saveWindows(tx, [{ bucket: "fast:x", points: 7, endsMs: 300 }]))
    assert.deepEqual(await store.read((db) => listWindows(db, "fast:", 299)), [
      { bucket: "fast:x", points: 7, endsMs: 300 },
    ])
    assert.deepEqual(await store.read((db) => listWindows(db, "fast:", 300)), [])
  }),

  behaviour("a mail is taken by one instance", async (store) => {
    const row = {
      id: "m",
      account_uuid: null,
      template: "t",
      recipient: "r",
      fields: "{}",
      state: "waiting",
      tries: 0,
      next_ms: 5,
      created_ms: 1,
      done_ms: null,
    }
    await store.transaction((tx) => insertMail(tx, row))
    assert.equal((await store.read((db) => listDueMail(db, 4, 10))).length, 0)
    assert.deepEqual(await store.read((db) => listDueMail(db, 5, 10)), [row])
    const taken = await Promise.all([1, 2, 3].map(() => store.transaction((tx) => claimMail(tx, row, 50))))
    assert.equal(taken.filter(Boolean).length, 1)
  }),

  behaviour("an event is applied by one instance", async (store) => {
    await store.transaction((tx) => startProgress(tx, bytes(1, 16)))
    const moved = await Promise.all(
      [1, 1, 1].map((n) => store.transaction((tx) => advanceProgress(tx, bytes(1, 16), n))),
    )
    assert.equal(moved.filter(Boolean).length, 1)
    assert.equal(await store.transaction((tx) => advanceProgress(tx, bytes(2, 16), 5)), false)
    await store.transaction((tx) => startProgress(tx, bytes(2, 16)))
    assert.deepEqual(await store.read(readProgress), { logId: bytes(2, 16), n: 0 })
  }),

  behaviour("lines of the log are numbered without holes", async (store) => {
    await Promise.all(
      Array.from({ length: 12 }, (_, i) =>
        store.transaction((tx) => appendAudit(store, tx, { atMs: i, accountUuid: "u", kind: `k${i}` })),
      ),
    )
    const rows = await store.read((db) => listAudit(db, "u", 100))
    assert.deepEqual(
      rows.map((r) => r.n),
      Array.from({ length: 12 }, (_, i) => 12 - i),
    )
  }),

  behaviour("a pairing has a bounded number of messages", async (store) => {
    const message = { account_uuid: "u", device_id: bytes(1, 16), sender: "new", body: bytes(3), created_ms: 1 }
    const numbers = []
    for (let i = 0; i <= MAX_RELAY_MESSAGES; i++)
      numbers.push(await store.transaction((tx) => appendRelay(tx, message)))
    assert.deepEqual(numbers.slice(-2), [MAX_RELAY_MESSAGES, undefined])
  }),

  behaviour("a secret is made once", async (store) => {
    let n = 0
    const random = { bytes: (length: number) => bytes(++n, length) }
    const made = await Promise.all([1, 2, 3].map(() => readOrMakeSecret(store, "s", random)))
    assert.deepEqual(made[1], made[0])
    assert.deepEqual(made[2], made[0])
  }),
]
