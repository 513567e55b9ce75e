import fc from "fast-check"
import { describe, expect, test } from "vitest"

import { withFrozenInput } from "./frozen.ts"
import * as engine from "./merge.ts"
import type { MergeField, MergeFields } from "./merge.ts"

const mergeFields = withFrozenInput(engine.mergeFields<MergeField>)
const mergeItem = withFrozenInput(engine.mergeItem<MergeField>)

/** { a: "1", b: "!2" }: an exclamation mark stands for a secret. */
const fields = (plain: Record<string, string>): MergeFields =>
  new Map(
    Object.entries(plain).map(([name, text]) => [name, { value: text.replace("!", ""), secret: text.startsWith("!") }]),
  )
const text = (map: MergeFields): string => [...map].map(([n, f]) => `${n}=${f.secret ? "!" : ""}${f.value}`).join(" ")
const merge = (
  base: Record<string, string> | undefined,
  committed: Record<string, string>,
  mine: Record<string, string>,
): string => {
  const result = mergeFields({
    base: base === undefined ? undefined : fields(base),
    committed: fields(committed),
    mine: fields(mine),
  })
  const lost = result.conflicts.map((c) => `${c.name}:${c.mine.value}`).join()
  return lost === "" ? text(result.fields) : `${text(result.fields)} | ${lost}`
}

const anyFields: fc.Arbitrary<MergeFields> = fc
  .uniqueArray(fc.tuple(fc.constantFrom("a", "b", "c", "d"), fc.constantFrom("1", "2", "3"), fc.boolean()), {
    selector: ([name]) => name,
  })
  .map((list) => new Map(list.map(([name, value, secret]) => [name, { value, secret }])))

describe("fields", () => {
  test("[SY1] a field that one side changed, added or took out is taken from that side", () => {
    expect(merge({ a: "1", b: "1" }, { a: "2", b: "1" }, { a: "1", b: "2" })).toBe("a=2 b=2")
    expect(merge({ a: "1" }, { a: "1", b: "2" }, { a: "1", c: "3" })).toBe("a=1 c=3 b=2")
    expect(merge({ a: "1", b: "1" }, { a: "1" }, { a: "1", b: "1" })).toBe("a=1")
    expect(merge({ a: "1", b: "1" }, { a: "1", b: "1" }, { b: "1" })).toBe("b=1")
    expect(merge({ a: "1" }, { a: "2" }, { a: "2" })).toBe("a=2")
  })

  test("[SY2] where both changed a field the committed value stays and mine is kept beside it", () => {
    expect(merge({ a: "1" }, { a: "2" }, { a: "3" })).toBe("a=2 | a:3")
    expect(merge({}, { a: "2" }, { a: "3" })).toBe("a=2 | a:3")
    expect(merge(undefined, { a: "2", b: "1" }, { a: "3", b: "1", c: "5" })).toBe("a=2 b=1 c=5 | a:3")
  })

  test("[SY3] a change wins over taking the field out", () => {
    expect(merge({ a: "1" }, {}, { a: "2" })).toBe("a=2")
    expect(merge({ a: "1" }, { a: "2" }, {})).toBe("a=2")
    expect(merge({ a: "1" }, {}, { a: "!1" })).toBe("a=!1")
  })

  test("[SY4] a mark as secret merges by itself, and a conflict never shows what one side hid", () => {
    expect(merge({ a: "1" }, { a: "2" }, { a: "!1" })).toBe("a=!2")
    expect(merge({ a: "1" }, { a: "!1" }, { a: "2" })).toBe("a=!2")
    expect(merge({ a: "!1" }, { a: "1" }, { a: "!2" })).toBe("a=2")
    expect(merge({ a: "1" }, { a: "2" }, { a: "!3" })).toBe("a=!2 | a:3")
    expect(merge(undefined, { a: "1" }, { a: "!1" })).toBe("a=!1")
    expect(merge(undefined, { a: "!1" }, { a: "1" })).toBe("a=!1")
    expect(merge({ a: "!1" }, { a: "2" }, { a: "!3" })).toBe("a=!2 | a:3")
  })

  test("[SY1] the order is that of the side that moved fields; new ones stand where they were put", () => {
    const base = { a: "1", b: "1", c: "1" }
    expect(merge(base, base, { c: "1", a: "1", b: "1" })).toBe("c=1 a=1 b=1")
    expect(merge(base, { c: "1", a: "1", b: "1" }, base)).toBe("c=1 a=1 b=1")
    expect(merge(base, { a: "1", x: "9", b: "1", c: "1" }, { a: "1", b: "1", y: "8", c: "1" })).toBe(
      "a=1 x=9 b=1 y=8 c=1",
    )
    expect(merge(base, { b: "1", a: "1", c: "1" }, { z: "7", ...base })).toBe("z=7 b=1 a=1 c=1")
  })

  test("[SY2] nothing that a side wrote is lost", () => {
    fc.assert(
      fc.property(fc.option(anyFields, { nil: undefined }), anyFields, anyFields, (base, committed, mine) => {
        const result = mergeFields({ base, committed, mine })
        for (const [name, field] of committed)
          if (field.value !== base?.get(name)?.value) expect(result.fields.get(name)?.value).toBe(field.value)
        for (const [name, field] of mine) {
          if (field.value === base?.get(name)?.value) continue
          const kept = [
            result.fields.get(name)?.value,
            ...result.conflicts.filter((c) => c.name === name).map((c) => c.mine.value),
          ]
          expect(kept).toContain(field.value)
        }
        for (const [name, field] of result.fields) {
          const values = [committed.get(name)?.value, mine.get(name)?.value]
          expect(values).toContain(field.value)
        }
      }),
    )
  })

  test("[SY1] merging with an unchanged side gives the other, and merging again changes nothing", () => {
    fc.assert(
      fc.property(anyFields, anyFields, anyFields, (base, committed, mine) => {
        expect(text(mergeFields({ base, committed, mine: base }).fields)).toBe(text(committed))
        expect(text(mergeFields({ base, committed: base, mine }).fields)).toBe(text(mine))
        const once = mergeFields({ base, committed, mine }).fields
        const again = mergeFields({ base: committed, committed, mine: once })
        expect(text(again.fields)).toBe(text(once))
        expect(again.conflicts).toEqual([])
      }),
    )
  })
})

describe("items", () => {
  const base = fields({ a: "1" })
  const edited = fields({ a: "2" })

  test("[SY5] an edit wins over a deletion, a deletion over no edit", () => {
    expect(mergeItem({ base, committed: "deleted", mine: edited })).toEqual({
      outcome: "merged",
      fields: edited,
      conflicts: [],
    })
    expect(mergeItem({ base, committed: edited, mine: "deleted" })).toEqual({ outcome: "committed" })
    expect(mergeItem({ base, committed: base, mine: "deleted" })).toEqual({ outcome: "deleted" })
    expect(mergeItem({ base, committed: "deleted", mine: base })).toEqual({ outcome: "committed" })
    expect(mergeItem({ base, committed: "deleted", mine: "deleted" })).toEqual({ outcome: "committed" })
    expect(mergeItem({ committed: edited, mine: "deleted" })).toEqual({ outcome: "committed" })
    expect(mergeItem({ committed: "deleted", mine: edited })).toMatchObject({ outcome: "merged" })
  })

  test("[SY5] what adds nothing is not sent", () => {
    expect(mergeItem({ base, committed: edited, mine: base })).toEqual({ outcome: "committed" })
    expect(mergeItem({ base, committed: edited, mine: edited })).toEqual({ outcome: "committed" })
    expect(mergeItem({ base, committed: edited, mine: fields({ a: "3" }) })).toMatchObject({
      outcome: "merged",
      conflicts: [{ name: "a" }],
    })
  })

  test("[SY6] devices that push in any order end with one item, and every value is in it or beside it", () => {
    // Each device edits its own copy; a round pushes one of them onto the chain, which all others then merge with.
    const anyEdit = fc.record({
      device: fc.nat(2),
      name: fc.constantFrom("a", "b", "c"),
      value: fc.integer({ min: 1, max: 999 }),
    })
    fc.assert(
      fc.property(fc.array(fc.oneof(anyEdit, fc.nat(2)), { maxLength: 20 }), (steps) => {
        let chain: { fields: MergeFields; beside: string[] } = {
          fields: fields({ a: "0", b: "0", c: "0" }),
          beside: [],
        }
        const devices = [0, 1, 2].map(() => ({ base: chain, mine: chain.fields }))
        const written: string[] = []
        const overwritten = new Set<string>()
        const push = (n: number): void => {
          const device = devices[n] ?? expect.unreachable()
          const merged = mergeItem({ base: device.base.fields, committed: chain.fields, mine: device.mine })
          if (merged.outcome === "merged") {
            // A value that this device saw before it wrote another is gone on purpose.
            for (const [name, field] of chain.fields)
              if (merged.fields.get(name)?.value !== field.value) overwritten.add(field.value)
            chain = { fields: merged.fields, beside: [...chain.beside, ...merged.conflicts.map((c) => c.mine.value)] }
          }
          devices[n] = { base: chain, mine: chain.fields }
        }
        for (const step of [...steps, 0, 1, 2, 0, 1, 2]) {
          if (typeof step === "number") {
            push(step)
            continue
          }
          const device = devices[step.device] ?? expect.unreachable()
          const value = `${step.device}.${step.value}.${written.length}`
          const old = device.mine.get(step.name)?.value ?? ""
          overwritten.add(old)
          written.push(value)
          devices[step.device] = { ...device, mine: new Map([...device.mine, [step.name, { value, secret: true }]]) }
        }
        for (const device of devices) expect(text(device.mine)).toBe(text(chain.fields))
        const kept = new Set([...[...chain.fields.values()].map((f) => f.value), ...chain.beside])
        for (const value of written) expect(kept.has(value) || overwritten.has(value)).toBe(true)
      }),
    )
  })
})

describe("the freezer", () => {
  test("[SY6] catches a function that changes what it was given", () => {
    const changesMap = withFrozenInput((m: Map<string, number>) => m.set("a", 1))
    expect(() => changesMap(new Map())).toThrow("an input was changed")
    expect(() => withFrozenInput((s: Set<number>) => s.add(1))(new Set())).toThrow("an input was changed")
    expect(() => withFrozenInput((l: number[]) => l.push(1))([])).toThrow()
    expect(() => withFrozenInput((o: { a: number }) => (o.a = 2))({ a: 1 })).toThrow()
    expect(() => withFrozenInput((o: { a: Uint8Array }) => o.a.fill(2))({ a: Uint8Array.of(1) })).toThrow(
      "an input was changed",
    )
  })
})
