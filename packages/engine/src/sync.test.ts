import fc from "fast-check"
import { describe, expect, test } from "vitest"

import { withFrozenInput } from "./frozen.ts"
import type { MergeFields } from "./merge.ts"
import type { Outbox, OutboxEntry, Side } from "./outbox.ts"
import { type Body, createModel, mergeBodies, type Model } from "./sync-model.ts"
import * as engine from "./sync.ts"
import type { SyncCommand, SyncInput, SyncState } from "./sync.ts"

const machine = engine.createVaultSync<Body>({ merge: mergeBodies, limits: { maxOps: 3, maxBytes: 100 } })
const step = withFrozenInput(machine.step)

const body = (plain: Record<string, string>): MergeFields =>
  new Map(Object.entries(plain).map(([name, value]) => [name, { value, secret: false }]))
const text = (side: Side<Body> | undefined): string =>
  side === undefined ? "none" : side === "deleted" ? "deleted" : [...side].map(([n, f]) => `${n}=${f.value}`).join(" ")

/** Runs inputs one after the other; gives the last state and all commands. */
const run = (
  inputs: readonly SyncInput<Body>[],
  from: SyncState<Body> = step(engine.startVaultSync<Body>(new Map()), { type: "start" }).state,
): { state: SyncState<Body>; commands: SyncCommand<Body>[] } => {
  let state = from
  const commands: SyncCommand<Body>[] = []
  for (const input of inputs) {
    const next = step(state, input)
    state = next.state
    commands.push(...next.commands)
  }
  return { state, commands }
}
const edit = (
  itemId: string,
  mine: Side<Body>,
  base?: { rev: number; body: Side<Body> },
  sizeBytes = 1,
): SyncInput<Body> => ({
  type: "edits",
  edits: [{ itemId, mine, sizeBytes, ...(base === undefined ? {} : { base }) }],
})
const pushes = (commands: readonly SyncCommand<Body>[]): string[] =>
  commands.flatMap((c) =>
    c.type === "push" ? [c.ops.map((op) => `${op.itemId}@${op.rev} ${text(op.body)}`).join("; ")] : [],
  )
const kinds = (commands: readonly SyncCommand<Body>[]): string => commands.map((c) => c.type).join(" ")
const news = (
  list: Record<string, { rev: number; body: Side<Body>; ownRev?: number }>,
): ReadonlyMap<string, { rev: number; body: Side<Body>; ownRev?: number }> => new Map(Object.entries(list))
const conflict = (pushId: number, list: Parameters<typeof news>[0], random = 0.5): SyncInput<Body> => ({
  type: "conflict",
  pushId,
  news: news(list),
  inStep: true,
  random,
})

const A1 = body({ a: "1" })
const A2 = body({ a: "2" })
const A3 = body({ a: "3" })

describe("the outbox", () => {
  test("[SY7] an edit is durable before it is sent, and before it counts as saved", () => {
    const { commands } = run([edit("x", A1)])
    expect(kinds(commands)).toBe("persist push")
    const persist = commands[0]
    expect(persist?.type === "persist" && persist.put.map((e) => e.itemId)).toEqual(["x"])
  })

  test("[SY8] edits of one item become one, with the base and the place of the first", () => {
    const base = { rev: 4, body: A1 }
    const { state, commands } = run([
      edit("busy", A1),
      edit("x", A2, base),
      edit("y", A1),
      edit("x", A3, { rev: 9, body: A2 }),
    ])
    const entry = state.outbox.get("x")
    expect(entry).toMatchObject({ base, order: 2, edits: 2 })
    expect(pushes(run([{ type: "accepted", pushId: 1 }], state).commands)).toEqual(["x@5 a=3; y@1 a=1"])
    expect(pushes(commands)).toEqual(["busy@1 a=1"])
  })

  test("[SY8] what was made and deleted before anybody knew is not spoken of", () => {
    const made = run([edit("busy", A1), edit("x", A1), edit("x", "deleted")])
    expect(made.state.outbox.has("x")).toBe(false)
    expect(made.commands.at(-1)).toEqual({ type: "persist", put: [], drop: ["x"] })
    expect(run([edit("x", "deleted")]).commands).toEqual([])
    expect(run([edit("x", "deleted", { rev: 2, body: "deleted" })]).commands).toEqual([])
  })

  test("[SY9] a link takes what waits, oldest first, up to the limits", () => {
    const many = ["a", "b", "c", "d", "e"].map((id) => edit(id, A1))
    const { state } = run([edit("0", A1), ...many])
    expect(pushes(run([{ type: "accepted", pushId: 1 }], state).commands)).toEqual(["a@1 a=1; b@1 a=1; c@1 a=1"])
    const large = run([edit("0", A1), edit("a", A1, undefined, 60), edit("b", A1, undefined, 60)]).state
    expect(pushes(run([{ type: "accepted", pushId: 1 }], large).commands)).toEqual(["a@1 a=1"])
    const huge = run([edit("0", A1), edit("a", A1, undefined, 500), edit("b", A1)]).state
    expect(pushes(run([{ type: "accepted", pushId: 1 }], huge).commands)).toEqual(["a@1 a=1"])
    expect(engine.PUSH_LIMITS).toEqual({ maxOps: 1000, maxBytes: 4 * 1024 * 1024 })
    const fits = run([edit("0", A1), edit("a", A1, undefined, 60), edit("b", A1, undefined, 40)]).state
    expect(pushes(run([{ type: "accepted", pushId: 1 }], fits).commands)).toEqual(["a@1 a=1; b@1 a=1"])
    const shuffled = new Map([...run([...many].slice(0, 3)).state.outbox].reverse())
    expect(pushes(run([{ type: "start" }], engine.startVaultSync(shuffled)).commands)).toEqual([
      "a@1 a=1; b@1 a=1; c@1 a=1",
    ])
  })

  test("[SY10] accepted edits are done; what was edited meanwhile waits on them", () => {
    const { state, commands } = run([edit("x", A1), edit("x", A2), { type: "accepted", pushId: 1 }])
    expect(pushes(commands)).toEqual(["x@1 a=1", "x@2 a=2"])
    expect(state.outbox.get("x")?.base).toEqual({ rev: 1, body: A1 })
    const done = run([{ type: "accepted", pushId: 2 }], state)
    expect(done.state.outbox.size).toBe(0)
    expect(engine.syncStatus(done.state)).toBe("up-to-date")
    const deleted = run([edit("x", A1), edit("x", "deleted"), { type: "accepted", pushId: 1 }])
    expect(pushes(deleted.commands)).toEqual(["x@1 a=1", "x@2 deleted"])
  })

  test("[SY11] an answer that was lost does not make a device conflict with itself", () => {
    const lost = run([edit("x", A1), { type: "failed", pushId: 1, random: 0 }, edit("x", A2), { type: "timer" }])
    expect(pushes(lost.commands)).toEqual(["x@1 a=1", "x@1 a=2"])
    const own = run([conflict(2, { x: { rev: 1, body: A1, ownRev: 1 } }), { type: "timer" }], lost.state)
    expect(pushes(own.commands)).toEqual(["x@2 a=2"])
    // Somebody else already went on from what had arrived: mine is compared with what I had sent.
    const further = run(
      [conflict(2, { x: { rev: 2, body: body({ a: "1", b: "9" }), ownRev: 1 } }), { type: "timer" }],
      lost.state,
    )
    expect(pushes(further.commands)).toEqual(["x@3 a=2 b=9"])
    const same = run([
      edit("x", A1),
      { type: "failed", pushId: 1, random: 0 },
      { type: "timer" },
      conflict(2, { x: { rev: 1, body: A1, ownRev: 1 } }),
    ])
    expect(same.state.outbox.size).toBe(0)
  })

  test("[SY11] a deletion of what may have arrived waits for news", () => {
    const hanging = run([
      edit("x", A1),
      { type: "failed", pushId: 1, random: 0 },
      edit("x", "deleted"),
      { type: "timer" },
    ])
    expect(pushes(hanging.commands)).toEqual(["x@1 a=1"])
    expect(hanging.state.outbox.has("x")).toBe(true)
    const arrived: SyncInput<Body> = {
      type: "pulled",
      news: news({ x: { rev: 1, body: A1, ownRev: 1 } }),
      inStep: true,
    }
    expect(pushes(run([arrived], hanging.state).commands)).toEqual(["x@2 deleted"])
    const never = run([{ type: "pulled", news: new Map(), inStep: true }], hanging.state)
    expect(never.state.outbox.size).toBe(0)
    const notYet = run([{ type: "pulled", news: new Map(), inStep: false }], hanging.state)
    expect(notYet.state.outbox.size).toBe(1)
  })

  test("[SY12] an edit of an item that left the server is not sent", () => {
    const base = { rev: 1, body: A1 }
    const left: SyncInput<Body> = {
      type: "pulled",
      news: new Map([["x", { rev: 2, body: "deleted" as const, isDeparture: true }]]),
      inStep: true,
    }
    const { state, commands } = run([edit("busy", A1), edit("x", A2, base), left])
    expect(state.outbox.has("x")).toBe(false)
    expect(commands.at(-1)).toEqual({ type: "persist", put: [], drop: ["x"] })
  })
})

describe("the machine", () => {
  test("[SY14] one link is under way at a time; what waits meanwhile goes in one link after it", () => {
    const { commands, state } = run([edit("x", A1), edit("y", A1), edit("z", A1)])
    expect(pushes(commands)).toEqual(["x@1 a=1"])
    expect(pushes(run([{ type: "accepted", pushId: 1 }], state).commands)).toEqual(["y@1 a=1; z@1 a=1"])
    expect(engine.syncStatus(state)).toBe("working")
    expect(run([{ type: "start" }, { type: "timer" }], state).commands).toEqual([])
    expect(run([{ type: "start" }], run([{ type: "rotation-due" }]).state).commands).toEqual([])
  })

  test("[SY15] a lost race merges with what won, waits, and sends anew", () => {
    const base = { rev: 1, body: body({ a: "1", b: "1" }) }
    const raced = run([
      edit("x", body({ a: "1", b: "2" }), base),
      conflict(1, { x: { rev: 2, body: body({ a: "2", b: "1" }) }, other: { rev: 7, body: A1 } }),
    ])
    expect([...raced.state.outbox.values()].map((e) => `${e.itemId}@${e.base?.rev} ${text(e.mine)}`)).toEqual([
      "x@2 a=2 b=2",
    ])
    expect(kinds(raced.commands.slice(-2))).toBe("persist wait")
    expect(pushes(run([{ type: "timer" }], raced.state).commands)).toEqual(["x@3 a=2 b=2"])
  })

  test("[SY15] both values of a conflict survive, and what the winner already says is not sent again", () => {
    const base = { rev: 1, body: A1 }
    const both = run([edit("x", A2, base), conflict(1, { x: { rev: 2, body: A3 } })])
    expect(text(both.state.outbox.get("x")?.mine)).toBe("a=3 ~2=2")
    const same = run([edit("x", A2, base), conflict(1, { x: { rev: 2, body: A2 } })])
    expect(same.state.outbox.size).toBe(0)
    const editWins = run([edit("x", "deleted", base), conflict(1, { x: { rev: 2, body: A3 } })])
    expect(editWins.state.outbox.size).toBe(0)
    const mineWins = run([edit("x", A2, base), conflict(1, { x: { rev: 2, body: "deleted" } }), { type: "timer" }])
    expect(pushes(mineWins.commands).at(-1)).toBe("x@3 a=2")
    const deletes = run([edit("x", "deleted", base), conflict(1, { y: { rev: 1, body: A1 } }), { type: "timer" }])
    expect(pushes(deletes.commands).at(-1)).toBe("x@2 deleted")
  })

  test("[SY16] news from the feed merge the same way, and older ones change nothing", () => {
    const base = { rev: 3, body: A1 }
    const waiting = run([edit("busy", A1), edit("x", body({ a: "1", b: "2" }), base)]).state
    const old = run([{ type: "pulled", news: news({ x: { rev: 3, body: A1 } }), inStep: true }], waiting)
    expect(old.commands).toEqual([])
    const fresh = run([{ type: "pulled", news: news({ x: { rev: 4, body: A2 } }), inStep: true }], waiting)
    expect(text(fresh.state.outbox.get("x")?.mine)).toBe("a=2 b=2")
    const echo = run([
      edit("x", A1),
      { type: "pulled", news: news({ x: { rev: 1, body: A1, ownRev: 1 } }), inStep: true },
      { type: "accepted", pushId: 1 },
    ])
    expect(echo.state.outbox.size).toBe(0)
    expect(pushes(echo.commands)).toEqual(["x@1 a=1"])
  })

  test("[SY17] waits grow, are capped, and spread over the upper half", () => {
    const waitsOf = (
      input: (pushId: number, random: number) => SyncInput<Body>,
      times: number,
      random: number,
      from = run([edit("x", A1)]).state,
    ): number[] => {
      let state = from
      const waits: number[] = []
      for (let i = 0; i < times; i++) {
        const next = run([input(state.pushId, random), { type: "timer" }], state)
        state = next.state
        for (const c of next.commands) if (c.type === "wait") waits.push(c.ms)
      }
      return waits
    }
    const race = (pushId: number, random: number): SyncInput<Body> => conflict(pushId, {}, random)
    const silence = (pushId: number, random: number): SyncInput<Body> => ({ type: "failed", pushId, random })
    expect(waitsOf(race, 4, 0)).toEqual([25, 35, 43, 50])
    expect(engine.waitAfterRace(100_000, 0.999_999)).toBe(10_000)
    const failedRotation = (): SyncInput<Body> => ({ type: "rotation-failed", random: 0 })
    expect(waitsOf(failedRotation, 4, 0, run([{ type: "rotation-due" }]).state)).toEqual([25, 50, 100, 200])
    expect(waitsOf(silence, 3, 0.5)).toEqual([750, 1500, 3000])
    expect(waitsOf(silence, 30, 0).at(-1)).toBe(150_000)
    expect([0, 1, 2].map((tries) => engine.waitAfterSilence(tries, 0.5))).toEqual([750, 1500, 3000])
  })

  test("[SY18] after five lost races the status says busy and the attempts go on; success ends it", () => {
    let { state } = run([edit("x", A1)])
    for (let i = 1; i <= 5; i++) {
      expect(engine.syncStatus(state)).not.toBe("busy")
      state = run([conflict(state.pushId, {})], state).state
      if (i < 5) state = run([{ type: "timer" }], state).state
    }
    expect(engine.syncStatus(state)).toBe("busy")
    const again = run([{ type: "timer" }], state)
    expect(pushes(again.commands).length).toBe(1)
    expect(engine.syncStatus(run([{ type: "accepted", pushId: again.state.pushId }], again.state).state)).toBe(
      "up-to-date",
    )
    let silent = run([edit("x", A1)]).state
    for (let i = 0; i < 6; i++)
      silent = run([{ type: "failed", pushId: silent.pushId, random: 0 }, { type: "timer" }], silent).state
    expect(engine.syncStatus(silent)).toBe("working")
  })

  test("[SY19] a stale epoch rotates first, then sends the same edits again", () => {
    const stale = run([edit("x", A1), { type: "epoch-stale", pushId: 1 }])
    expect(kinds(stale.commands).endsWith("persist rotate")).toBe(true)
    expect(stale.state.phase).toBe("rotating")
    expect(pushes(run([{ type: "rotated" }], stale.state).commands)).toEqual(["x@1 a=1"])
    const failed = run([{ type: "rotation-failed", random: 0 }], stale.state)
    expect(kinds(run([{ type: "timer" }], failed.state).commands)).toBe("rotate")
    const due = run([edit("x", A1), { type: "rotation-due" }, edit("y", A1), { type: "accepted", pushId: 1 }])
    expect(kinds(due.commands).endsWith("persist rotate")).toBe(true)
    expect(kinds(run([{ type: "rotation-due" }]).commands)).toBe("rotate")
    expect(pushes(run([edit("z", A1)], stale.state).commands)).toEqual([])
  })

  test("[SY20] what is refused for good keeps waiting, says why, and is tried again when something changed", () => {
    const refused = run([edit("x", A1), { type: "refused", pushId: 1, code: "item-limit" }])
    expect(refused.state).toMatchObject({ phase: "refused", code: "item-limit" })
    expect(engine.syncStatus(refused.state)).toBe("refused")
    expect(refused.state.outbox.size).toBe(1)
    expect(run([{ type: "timer" }], refused.state).commands).toEqual([])
    expect(pushes(run([{ type: "start" }], refused.state).commands)).toEqual(["x@1 a=1"])
    const again = run([edit("y", A1)], refused.state)
    expect(pushes(again.commands)).toEqual(["x@1 a=1; y@1 a=1"])
    expect(again.state.code).toBeUndefined()
  })

  test("[SY21] a frozen vault sends nothing and takes no news; edits go on waiting", () => {
    const frozen = run([edit("x", A1), { type: "froze", code: "chain-forked" }])
    expect(frozen.state).toMatchObject({ phase: "frozen", code: "chain-forked" })
    const still = run(
      [
        edit("y", A1),
        { type: "start" },
        { type: "timer" },
        { type: "accepted", pushId: 1 },
        { type: "pulled", news: news({ x: { rev: 9, body: A3 } }), inStep: true },
        { type: "rotation-due" },
      ],
      frozen.state,
    )
    expect(kinds(still.commands)).toBe("persist")
    expect(still.state.outbox.size).toBe(2)
    expect(engine.syncStatus(frozen.state)).toBe("frozen")
  })

  test("[SY22] answers to requests that nobody waits for change nothing", () => {
    const { state } = run([edit("x", A1), { type: "failed", pushId: 1, random: 0 }])
    const late: SyncInput<Body>[] = [
      { type: "accepted", pushId: 1 },
      { type: "refused", pushId: 1, code: "x" },
      { type: "epoch-stale", pushId: 1 },
      { type: "failed", pushId: 1, random: 0 },
      conflict(1, { x: { rev: 1, body: A3 } }),
      { type: "rotated" },
      { type: "rotation-failed", random: 0 },
    ]
    for (const input of late)
      expect(run([input], state)).toEqual({
        state: { ...state, tries: input.type === "rotated" ? 0 : 1 },
        commands: [],
      })
    const second = run([{ type: "timer" }], state).state
    expect(run([{ type: "accepted", pushId: 1 }], second).state.outbox.size).toBe(1)
  })

  test("[SY22] after a restart what was under way waits again, and nothing is sent before the start", () => {
    const { state } = run([edit("x", A1)])
    const restarted = engine.startVaultSync(state.outbox)
    expect(kinds(run([{ type: "pulled", news: new Map(), inStep: true }], restarted).commands)).toBe("")
    expect(pushes(run([{ type: "start" }], restarted).commands)).toEqual(["x@1 a=1"])
  })

  test("[SY23] the status is one word", () => {
    const { state } = run([edit("x", A1), { type: "failed", pushId: 1, random: 0 }])
    expect(engine.syncStatus(state)).toBe("waiting")
    expect(engine.syncStatus(engine.startVaultSync<Body>(new Map()))).toBe("up-to-date")
    expect(engine.syncStatus({ ...engine.startVaultSync<Body>(new Map()), rotationDue: true })).toBe("waiting")
    const rotating = run([{ type: "rotation-due" }]).state
    expect(engine.syncStatus(rotating)).toBe("working")
  })
})

describe("many devices, a network that loses answers, processes that die", () => {
  type Action =
    | { do: "edit"; device: number; item: string; field: string }
    | { do: "delete"; device: number; item: string }
    | { do: "deliver"; device: number; answered: boolean }
    | { do: "pull" | "timer" | "crash"; device: number }

  const device = fc.nat(2)
  const itemId = fc.constantFrom("p", "q")
  const anyAction: fc.Arbitrary<Action> = fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record({
        do: fc.constant("edit" as const),
        device,
        item: itemId,
        field: fc.constantFrom("a", "b"),
      }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("delete" as const), device, item: itemId }) },
    { weight: 5, arbitrary: fc.record({ do: fc.constant("deliver" as const), device, answered: fc.boolean() }) },
    {
      weight: 4,
      arbitrary: fc.record({ do: fc.constantFrom("pull" as const, "timer" as const, "crash" as const), device }),
    },
  )

  /** Plays the actions; gives the model and every value that was written and not replaced by somebody who saw it. */
  const play = (actions: readonly Action[]): { model: Model; owed: Map<string, string> } => {
    const model = createModel(3)
    const owed = new Map<string, string>()
    for (const [i, action] of actions.entries()) {
      if (action.do === "edit") {
        const value = `${action.device}.${i}`
        model.edit(action.device, action.item, (now) => {
          owed.delete(now?.get(action.field)?.value ?? "")
          owed.set(value, action.item)
          return new Map([...(now ?? []), [action.field, { value, secret: false }]])
        })
      } else if (action.do === "delete") {
        for (const field of model.visible(action.device, action.item)?.values() ?? []) owed.delete(field.value)
        model.edit(action.device, action.item, () => "deleted")
      } else if (action.do === "deliver") model.deliver(action.device, action.answered)
      else if (action.do === "crash") model.crash(action.device)
      else if (action.do === "pull") model.pull(action.device)
      else model.send(action.device, { type: "timer" })
    }
    return { model, owed }
  }

  test("[SY24] all end with the same items, and nothing that was saved is lost", () => {
    fc.assert(
      fc.property(fc.array(anyAction, { maxLength: 60, size: "max" }), (actions) => {
        const { model, owed } = play(actions)
        model.drain()
        for (const item of ["p", "q"]) {
          const seen = [0, 1, 2].map((n) => text(model.visible(n, item)))
          expect(new Set(seen).size).toBe(1)
        }
        for (const [value, item] of owed) {
          const kept = [...(model.visible(0, item)?.values() ?? [])].map((f) => f.value)
          expect(kept).toContain(value)
        }
      }),
      { numRuns: 3000 },
    )
  })

  test("[SY24] one device alone never conflicts with itself, whatever is lost on the way", () => {
    fc.assert(
      fc.property(fc.array(anyAction, { maxLength: 60, size: "max" }), (actions) => {
        const { model } = play(actions.map((action) => ({ ...action, device: 0 })))
        model.drain()
        const names = ["p", "q"].flatMap((item) => [...(model.visible(0, item)?.keys() ?? [])])
        expect(names.filter((name) => name.startsWith("~"))).toEqual([])
      }),
      { numRuns: 1000 },
    )
  })
})

test("[SY10] an entry survives the store as plain values", () => {
  const { state } = run([edit("x", A1, { rev: 2, body: A2 })])
  const entry: OutboxEntry<Body> | undefined = state.outbox.get("x")
  const copy: Outbox<Body> = new Map([["x", structuredClone(entry) as OutboxEntry<Body>]])
  const done = run([{ type: "start" }, { type: "accepted", pushId: 1 }], engine.startVaultSync(copy))
  expect(done.state.outbox.size).toBe(0)
})
