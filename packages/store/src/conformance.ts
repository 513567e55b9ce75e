import assert from "node:assert/strict"
import { existsSync } from "node:fs"
import { setTimeout as sleep } from "node:timers/promises"

import { err, ok, type Result } from "@keyferry/base"

import {
  isUniqueViolation,
  type DialectName,
  type Migration,
  openStore,
  rollBack,
  sql,
  type Store,
  type Transaction,
} from "./index.ts"

/** An empty database that nothing else uses. */
export interface ConformancePlace {
  readonly url: string
  readonly dialect: DialectName
}

/** One behaviour that both dialects must show. Apps export their own list as `cases`. */
export interface ConformanceCase {
  readonly name: string
  /** Throws where the behaviour differs. */
  readonly run: (place: ConformancePlace) => Promise<void>
}

interface Tables {
  box: { id: Uint8Array; label: string; revision: number; content: Uint8Array | null; open: number }
  step: { n: number; box_id: Uint8Array; what: string }
}

const migrations: readonly Migration[] = [
  {
    version: 1,
    name: "boxes",
    up: async ({ createTable, types }) => {
      await createTable("box")
        .addColumn("id", types.blob, (c) => c.primaryKey())
        .addColumn("label", types.text, (c) => c.notNull().unique())
        .addColumn("revision", types.integer, (c) => c.notNull())
        .addColumn("content", types.blob)
        .addColumn("open", types.integer, (c) => c.notNull().defaultTo(0))
        .execute()
    },
  },
  {
    version: 2,
    name: "steps",
    up: async ({ createTable, types, db }) => {
      await createTable("step")
        .addColumn("n", types.integer, (c) => c.primaryKey())
        .addColumn("box_id", types.blob, (c) => c.notNull().references("box.id"))
        .addColumn("what", types.text, (c) => c.notNull())
        .execute()
      await db.schema.createIndex("step_box").on("step").columns(["box_id", "n"]).execute()
    },
  },
]

const clock = { nowMs: () => 1_700_000_000_000 }

export const openForConformance = async <DB>(
  place: ConformancePlace,
  steps: readonly Migration[],
  name = "conformance",
): Promise<Store<DB>> => {
  const opened = await openStore<DB>({ url: place.url, migrations: steps, name, clock })
  if (!opened.ok) assert.fail(`${opened.error.code}: ${opened.error.detail}`)
  return opened.value
}

const id = (n: number): Uint8Array => new Uint8Array(16).fill(n)

const addBox = (tx: Transaction<Tables>, n: number, label = `box ${n}`): Promise<unknown> =>
  tx
    .insertInto("box")
    .values({ id: id(n), label, revision: 1, content: null, open: 0 })
    .execute()

const labels = (store: Store<Tables>): Promise<readonly string[]> =>
  store.read(async (db) => (await db.selectFrom("box").select("label").orderBy("label").execute()).map((r) => r.label))

/** Advances a revision only from the one that was read; false where another was faster. */
const advance = async (tx: Transaction<Tables>, n: number, from: number): Promise<boolean> => {
  const { numUpdatedRows } = await tx
    .updateTable("box")
    .set({ revision: from + 1 })
    .where("id", "=", id(n))
    .where("revision", "=", from)
    .executeTakeFirst()
  return numUpdatedRows === 1n
}

const bytesOf = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => (i * 31 + (i >> 8)) & 255)

const behaviour = (
  name: string,
  run: (store: Store<Tables>, place: ConformancePlace) => Promise<void>,
): ConformanceCase => ({
  name,
  run: async (place) => {
    const store = await openForConformance<Tables>(place, migrations)
    try {
      await run(store, place)
    } finally {
      await store.close()
    }
  },
})

export const cases: readonly ConformanceCase[] = [
  behaviour("a compare-and-set counts exactly one row, then none", async (store) => {
    await store.transaction((tx) => addBox(tx, 1))
    assert.equal(await store.transaction((tx) => advance(tx, 1, 1)), true)
    assert.equal(await store.transaction((tx) => advance(tx, 1, 1)), false)
  }),

  behaviour("of many racing compare-and-sets one wins", async (store) => {
    await store.transaction((tx) => addBox(tx, 1))
    const wins = await Promise.all(Array.from({ length: 12 }, () => store.transaction((tx) => advance(tx, 1, 1))))
    assert.equal(wins.filter(Boolean).length, 1)
  }),

  behaviour("an exception rolls back and reaches the caller", async (store) => {
    await assert.rejects(
      store.transaction(async (tx) => {
        await addBox(tx, 1)
        throw new RangeError("stop")
      }),
      RangeError,
    )
    assert.deepEqual(await labels(store), [])
  }),

  behaviour("a failed result commits, unless it asks to be rolled back", async (store) => {
    type Answer = Result<number, "no">
    const kept: Answer = await store.transaction(async (tx): Promise<Answer> => {
      await addBox(tx, 1)
      return err("no")
    })
    const dropped = await store.transaction(async (tx) => {
      await addBox(tx, 2)
      const rows = await tx.selectFrom("box").select("id").execute()
      return rows.length === 2 ? rollBack(err("no" as const)) : ok(rows.length)
    })
    assert.deepEqual([kept, dropped], [err("no"), err("no")])
    assert.deepEqual(await labels(store), ["box 1"])
  }),

  behaviour("a savepoint rolls back alone, also inside another", async (store) => {
    await store.transaction(async (tx) => {
      await addBox(tx, 1)
      const answer = await store.savepoint(tx, async () => {
        await addBox(tx, 2)
        await store.savepoint(tx, () => addBox(tx, 3))
        await assert.rejects(
          store.savepoint(tx, async () => {
            await addBox(tx, 4)
            throw new RangeError("inner")
          }),
          RangeError,
        )
        await addBox(tx, 5)
        return "kept"
      })
      assert.equal(answer, "kept")
      assert.equal(await store.savepoint(tx, async () => (await addBox(tx, 6), rollBack("gone"))), "gone")
    })
    assert.deepEqual(await labels(store), ["box 1", "box 2", "box 3", "box 5"])
  }),

  behaviour("blobs come back as plain byte arrays of their own", async (store) => {
    const content = bytesOf(256)
    await store.transaction((tx) =>
      tx
        .insertInto("box")
        .values({ id: id(1), label: "a", revision: 1, content, open: 0 })
        .execute(),
    )
    await store.transaction((tx) =>
      tx
        .insertInto("box")
        .values({ id: id(2), label: "b", revision: 1, content: new Uint8Array(0), open: 0 })
        .execute(),
    )
    const rows = await store.read((db) => db.selectFrom("box").select(["id", "content"]).orderBy("label").execute())
    assert.equal(Object.getPrototypeOf(rows[0]?.content), Uint8Array.prototype)
    assert.equal(Object.getPrototypeOf(rows[0]), Object.prototype)
    assert.deepEqual(rows[0]?.content, content)
    assert.equal(rows[0]?.content?.buffer.byteLength, 256)
    assert.deepEqual(rows[0]?.id, id(1))
    assert.equal(rows[1]?.content?.length, 0)
    const found = await store.read((db) => db.selectFrom("box").select("label").where("id", "=", id(2)).execute())
    assert.deepEqual(
      found.map((r) => r.label),
      ["b"],
    )
  }),

  behaviour("an 8 MiB blob survives unchanged", async (store) => {
    const content = bytesOf(8 * 1024 * 1024)
    await store.transaction((tx) =>
      tx
        .insertInto("box")
        .values({ id: id(1), label: "big", revision: 1, content, open: 0 })
        .execute(),
    )
    const row = await store.read((db) => db.selectFrom("box").select("content").executeTakeFirstOrThrow())
    assert.equal(Buffer.compare(row.content ?? new Uint8Array(), content), 0)
  }),

  behaviour("blobs sort as unsigned bytes and text by code point", async (store) => {
    await store.transaction(async (tx) => {
      for (const [n, label] of [
        [200, "b"],
        [3, "B"],
        [127, "ä"],
        [128, "a"],
      ] as const)
        await addBox(tx, n, label)
    })
    const byId = await store.read((db) => db.selectFrom("box").select("id").orderBy("id").execute())
    assert.deepEqual(
      byId.map((r) => r.id[0]),
      [3, 127, 128, 200],
    )
    assert.deepEqual(await labels(store), ["B", "a", "b", "ä"])
  }),

  behaviour("integers are exact numbers up to 2^53 - 1, booleans 0 and 1", async (store) => {
    await store.transaction(async (tx) => {
      await addBox(tx, 1)
      await tx.updateTable("box").set({ revision: Number.MAX_SAFE_INTEGER, open: 1 }).execute()
    })
    const row = await store.read((db) => db.selectFrom("box").select(["revision", "open"]).executeTakeFirstOrThrow())
    assert.deepEqual([row.revision, row.open], [Number.MAX_SAFE_INTEGER, 1])
    const counted = await store.read((db) =>
      db
        .selectFrom("box")
        .select((e) => e.fn.countAll<number>().as("n"))
        .executeTakeFirstOrThrow(),
    )
    assert.equal(counted.n, 1)
  }),

  behaviour("text in an integer column is refused", async (store) => {
    await assert.rejects(
      store.transaction((tx) => sql`insert into box values (${id(1)}, 'a', 'many', null, 0)`.execute(tx)),
    )
  }),

  behaviour(
    "a violated unique key is named as such, and the transaction can go on behind its savepoint",
    async (store) => {
      await store.transaction((tx) => addBox(tx, 1, "same"))
      const seen: boolean[] = []
      await store.transaction(async (tx) => {
        for (const [n, label] of [
          [1, "other"],
          [2, "same"],
        ] as const)
          await store
            .savepoint(tx, () => addBox(tx, n, label))
            .catch((error: unknown) => seen.push(isUniqueViolation(error)))
        await addBox(tx, 3)
      })
      assert.deepEqual(seen, [true, true])
      assert.deepEqual(await labels(store), ["box 3", "same"])
      assert.equal(isUniqueViolation(new Error("x")), false)
    },
  ),

  behaviour("an insert that finds its key does nothing and counts no row", async (store) => {
    const insert = (tx: Transaction<Tables>) =>
      tx
        .insertInto("box")
        .values({ id: id(1), label: "a", revision: 1, content: null, open: 0 })
        .onConflict((c) => c.doNothing())
        .executeTakeFirst()
    assert.equal((await store.transaction(insert)).numInsertedOrUpdatedRows, 1n)
    assert.equal((await store.transaction(insert)).numInsertedOrUpdatedRows, 0n)
  }),

  behaviour("a foreign key is kept", async (store) => {
    await assert.rejects(
      store.transaction((tx) =>
        tx
          .insertInto("step")
          .values({ n: 1, box_id: id(9), what: "x" })
          .execute(),
      ),
    )
  }),

  behaviour("20 concurrent transactions lose no update", async (store) => {
    await store.transaction((tx) => addBox(tx, 1))
    await Promise.all(
      Array.from({ length: 20 }, () =>
        store.transaction(async (tx) => {
          const row = await tx
            .selectFrom("box")
            .select("revision")
            .where("id", "=", id(1))
            .$call(store.lockRow)
            .executeTakeFirstOrThrow()
          await tx
            .updateTable("box")
            .set({ revision: row.revision + 1 })
            .where("id", "=", id(1))
            .execute()
        }),
      ),
    )
    const row = await store.read((db) => db.selectFrom("box").select("revision").executeTakeFirstOrThrow())
    assert.equal(row.revision, 21)
  }),

  behaviour("count-then-insert under a row lock keeps its limit", async (store) => {
    await store.transaction((tx) => addBox(tx, 1))
    let counted = 0
    const added = await Promise.all(
      Array.from({ length: 12 }, (_, i) =>
        store.transaction(async (tx) => {
          await tx.selectFrom("box").select("id").where("id", "=", id(1)).$call(store.lockRow).executeTakeFirstOrThrow()
          const { n } = await tx
            .selectFrom("step")
            .select((e) => e.fn.countAll<number>().as("n"))
            .executeTakeFirstOrThrow()
          if (n >= 3) return false
          counted++
          // Whoever is not kept out counts too, on a busy machine a while later.
          for (let waitedMs = 0; counted <= 3 && waitedMs < 500; waitedMs += 25) await sleep(25)
          await tx
            .insertInto("step")
            .values({ n: i, box_id: id(1), what: "x" })
            .execute()
          return true
        }),
      ),
    )
    assert.equal(added.filter(Boolean).length, 3)
  }),

  behaviour("transactions that lock in opposite orders both finish", async (store) => {
    await store.transaction(async (tx) => void (await addBox(tx, 1), await addBox(tx, 2)))
    const both = (first: number, second: number) =>
      store.transaction(async (tx) => {
        for (const n of [first, second])
          await tx
            .updateTable("box")
            .set((e) => ({ revision: e("revision", "+", 1) }))
            .where("id", "=", id(n))
            .execute()
      })
    await Promise.all([both(1, 2), both(2, 1), both(1, 2), both(2, 1)])
    const rows = await store.read((db) => db.selectFrom("box").select("revision").execute())
    assert.deepEqual(
      rows.map((r) => r.revision),
      [5, 5],
    )
  }),

  behaviour("a group commit keeps each member apart", async (store) => {
    const outcomes = await Promise.allSettled([
      store.groupCommit(async (tx) => (await addBox(tx, 1), "one")),
      store.groupCommit(async (tx) => {
        await addBox(tx, 2)
        throw new RangeError("stop")
      }),
      store.groupCommit(async (tx) => (await addBox(tx, 3), rollBack("three"))),
      store.groupCommit(async (tx) => (await addBox(tx, 4, "box 1"), "never")),
      store.groupCommit(async (tx) => (await addBox(tx, 5), "five")),
    ])
    assert.deepEqual(
      outcomes.map((o) => (o.status === "fulfilled" ? o.value : o.reason instanceof RangeError ? "range" : "unique")),
      ["one", "range", "three", "unique", "five"],
    )
    assert.deepEqual(await labels(store), ["box 1", "box 5"])
  }),

  behaviour("members of a group see what the ones before them wrote", async (store) => {
    await store.transaction((tx) => addBox(tx, 1))
    const wins = await Promise.all([1, 1, 2, 3, 3].map((from) => store.groupCommit((tx) => advance(tx, 1, from))))
    assert.deepEqual(wins, [true, false, true, true, false])
  }),

  behaviour("no member of a group hears an answer before the commit", async (store) => {
    const visible = await Promise.all(
      Array.from({ length: 8 }, async (_, i) => {
        await store.groupCommit((tx) => addBox(tx, i + 1))
        return (await labels(store)).includes(`box ${i + 1}`)
      }),
    )
    assert.deepEqual(
      visible,
      Array.from({ length: 8 }, () => true),
    )
  }),

  behaviour("300 group commits in disorder all arrive once", async (store) => {
    await store.transaction((tx) => addBox(tx, 1))
    await Promise.all(
      Array.from({ length: 300 }, () =>
        store.groupCommit(async (tx) => {
          const n = await store.nextNumber(tx, "step")
          await tx
            .insertInto("step")
            .values({ n, box_id: id(1), what: "x" })
            .execute()
        }),
      ),
    )
    const rows = await store.read((db) => db.selectFrom("step").select("n").orderBy("n").execute())
    assert.deepEqual(
      rows.map((r) => r.n),
      Array.from({ length: 300 }, (_, i) => i + 1),
    )
  }),

  behaviour("a counter leaves no hole after a rollback", async (store) => {
    const numbers = [
      await store.transaction((tx) => store.nextNumber(tx, "c")),
      await store.transaction(async (tx) => rollBack(await store.nextNumber(tx, "c"))),
      await store.transaction((tx) => store.nextNumber(tx, "c")),
      await store.transaction((tx) => store.nextNumber(tx, "other")),
    ]
    assert.deepEqual(numbers, [1, 2, 2, 1])
  }),

  behaviour("a snapshot sees one moment", async (store) => {
    await store.transaction((tx) => addBox(tx, 1))
    let write: Promise<unknown> | undefined
    const counts = await store.snapshot(async (db) => {
      const before = (await db.selectFrom("box").select("id").execute()).length
      // Leaves this transaction's context on purpose: it is another caller.
      write = new Promise((resolve) => setImmediate(resolve)).then(() =>
        store.transaction((tx) => addBox(tx, 2)).catch(() => undefined),
      )
      for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve))
      return [before, (await db.selectFrom("box").select("id").execute()).length]
    })
    await write
    assert.deepEqual(counts, [1, 1])
  }),

  behaviour("a transaction inside another is a defect, not a standstill", async (store) => {
    await assert.rejects(
      store.transaction(() => store.transaction(async () => 1)),
      /inside a transaction/,
    )
    await assert.rejects(
      store.transaction(() => store.read(async () => 1)),
      /inside a transaction/,
    )
    await store.transaction((tx) => addBox(tx, 1))
  }),

  behaviour("migrations run once, and again when steps were added", async (store, place) => {
    assert.deepEqual(store.migrated, { from: 0, to: 2 })
    await store.transaction((tx) => addBox(tx, 1))
    const again = await openForConformance<Tables>(place, migrations)
    assert.deepEqual(again.migrated, { from: 2, to: 2 })
    await again.close()
    const third: Migration = {
      version: 3,
      name: "colour",
      up: async ({ db, types }) => {
        await db.schema.alterTable("box").addColumn("colour", types.text).execute()
      },
    }
    await store.close()
    const later = await openForConformance<Tables>(place, [...migrations, third])
    assert.deepEqual(later.migrated, { from: 2, to: 3 })
    assert.deepEqual(await labels(later), ["box 1"])
    await later.close()
    if (place.dialect === "sqlite") assert.equal(existsSync(`${place.url.slice(7)}.before-2.db`), true)
    const older = await openStore<Tables>({ url: place.url, migrations, name: "conformance", clock })
    assert.equal(older.ok ? "opened" : older.error.code, "schema-newer")
    const foreign = migrations.map((m) => ({ ...m, name: `${m.name}!` }))
    const other = await openStore<Tables>({
      url: place.url,
      migrations: [...foreign, third],
      name: "conformance",
      clock,
    })
    assert.equal(other.ok ? "opened" : other.error.code, "schema-foreign")
  }),

  behaviour("a migration that fails leaves nothing behind", async (store, place) => {
    await store.close()
    const broken: Migration = {
      version: 3,
      name: "broken",
      up: async ({ createTable, types }) => {
        await createTable("half").addColumn("a", types.text).execute()
        throw new RangeError("stop")
      },
    }
    const open = openStore<Tables>({ url: place.url, migrations: [...migrations, broken], name: "conformance", clock })
    await assert.rejects(open, RangeError)
    const again = await openForConformance<Tables>(place, migrations)
    await assert.rejects(again.read((db) => sql`select * from half`.execute(db)))
    await again.close()
  }),

  behaviour("two instances that start together migrate once", async (store, place) => {
    await store.close()
    const second = () => openForConformance<Tables>(place, migrations, "together")
    // SQLite waits for a lock without giving way, so within one process the two can only come one after the other.
    const a = place.dialect === "sqlite" ? await second() : undefined
    const [b, c] = await Promise.all([second(), ...(a === undefined ? [second()] : [])])
    for (const instance of [a, b, c]) assert.equal(instance?.migrated.to ?? 2, 2)
    await Promise.all([a?.close(), b?.close(), c?.close()])
  }),
]
