import fc from "fast-check"
import { describe, expect, test } from "vitest"

import { withFrozenInput } from "./frozen.ts"
import * as engine from "./policy.ts"
import type { Left, PolicyItem, SyncSettings, VaultProfile } from "./policy.ts"

const on: SyncSettings = { syncOn: true, autoNew: true, credentials: true, neverSync: [] }
const profile: VaultProfile = { credentials: true, left: new Map() }
const item = (itemId: string, over: Partial<PolicyItem> = {}): PolicyItem => ({
  itemId,
  credential: true,
  kind: "login",
  choice: "synced",
  rev: 3,
  onServer: true,
  edited: false,
  ...over,
})
const local = (itemId: string, localBecause: "choice" | "switch", over: Partial<PolicyItem> = {}): PolicyItem =>
  item(itemId, { choice: "local-only", localBecause, rev: 0, onServer: false, ...over })

const choiceForNew = withFrozenInput(engine.choiceForNew)
const chooseExisting = withFrozenInput(engine.chooseExisting)
const switchOff = withFrozenInput(engine.switchCredentialsOff)
const switchOn = withFrozenInput(engine.switchCredentialsOn)
const makeLocalOnly = withFrozenInput(engine.makeLocalOnly)
const makeSynced = withFrozenInput(engine.makeSynced)
const afterDeletion = withFrozenInput(engine.afterDeletion)
const mergeProfiles = withFrozenInput(engine.mergeProfiles)

describe("new items", () => {
  const login = { credential: true, kind: "login" }
  const host = { credential: false, kind: "host" }

  test("[SY25] sync by themselves only where sync and the automatic choice are on", () => {
    expect(choiceForNew(login, on)).toEqual({ choice: "synced" })
    expect(choiceForNew(login, { ...on, autoNew: false })).toEqual({ choice: "local-only" })
    expect(choiceForNew(login, { ...on, syncOn: false })).toEqual({ choice: "local-only" })
    expect(choiceForNew(login, on, "local-only")).toEqual({ choice: "local-only", localBecause: "choice" })
    expect(choiceForNew(login, { ...on, autoNew: false }, "synced")).toEqual({ choice: "synced" })
  })

  test("[SY26] the switch and a policy keep credentials here, and say so when somebody asked otherwise", () => {
    const off = { ...on, credentials: false }
    const policy = { ...on, neverSync: ["login"] }
    expect(choiceForNew(login, off)).toEqual({ choice: "local-only", localBecause: "switch" })
    expect(choiceForNew(login, { ...off, autoNew: false })).toEqual({ choice: "local-only" })
    expect(choiceForNew(login, off, "synced")).toEqual({ choice: "local-only", refusal: "credential-sync-disabled" })
    expect(choiceForNew(login, policy, "synced")).toEqual({ choice: "local-only", refusal: "policy-never-sync" })
    expect(choiceForNew(host, off)).toEqual({ choice: "synced" })
    expect(choiceForNew(host, off, "synced")).toEqual({ choice: "synced" })
    expect(choiceForNew({ ...host, kind: "login" }, policy)).toEqual({ choice: "synced" })
  })
})

describe("existing items", () => {
  const items = [
    local("new", "switch"),
    local("mine", "choice"),
    item("there"),
    local("host", "switch", { credential: false, kind: "host" }),
  ]

  test("[SY27] all means what nobody decided; a name means that item; none means none", () => {
    expect(chooseExisting(items, "all", on)).toEqual({ upload: ["new", "host"], refused: [] })
    expect(chooseExisting(items, ["mine", "there"], on)).toEqual({ upload: ["mine"], refused: [] })
    expect(chooseExisting(items, "none", on)).toEqual({ upload: [], refused: [] })
  })

  test("[SY26] what may not go up is named only where it was asked for by name", () => {
    const off = { ...on, credentials: false }
    expect(chooseExisting(items, "all", off)).toEqual({ upload: ["host"], refused: [] })
    expect(chooseExisting(items, ["new"], off)).toEqual({ upload: [], refused: [["new", "credential-sync-disabled"]] })
    expect(chooseExisting(items, ["new"], { ...on, neverSync: ["login"] }).refused).toEqual([
      ["new", "policy-never-sync"],
    ])
  })

  test("[SY28] one item to synced leaves the list of what left", () => {
    const before: VaultProfile = {
      credentials: true,
      left: new Map<string, Left>([
        ["mine", [4, "keep"]],
        ["x", [2, "keep"]],
      ]),
    }
    const result = makeSynced([local("mine", "choice"), item("there")], before, on)
    expect(result.upload).toEqual(["mine"])
    expect([...result.profile.left.keys()]).toEqual(["x"])
    expect(makeSynced([local("mine", "choice")], before, { ...on, credentials: false }).refused.length).toBe(1)
    // Chosen back before its deletion was sent: it stays where it is.
    expect(makeSynced([local("mine", "choice", { rev: 4, onServer: true })], before, on).upload).toEqual(["mine"])
  })
})

describe("the credential switch", () => {
  const items = [
    item("login", { rev: 7 }),
    item("waiting", { rev: 0, onServer: false, edited: true }),
    item("host", { credential: false, kind: "host" }),
    local("mine", "choice"),
  ]

  test("[SY29] off takes every credential from the server and leaves hosts, groups and snippets alone", () => {
    const result = switchOff(items, profile, "keep")
    expect(result.withdraw).toEqual(["login"])
    expect(result.keepHere).toEqual(["login", "waiting"])
    expect(result.profile).toEqual({ credentials: false, left: new Map([["login", [8, "keep"]]]) })
  })

  test("[SY30] what left is named with the deletion's revision and what becomes of copies elsewhere", () => {
    expect(switchOff(items, profile, "delete").profile.left.get("login")).toEqual([8, "delete"])
    const one = makeLocalOnly([item("a", { rev: 2 }), item("host", { credential: false, rev: 5 })], profile, "keep")
    expect(one.profile).toEqual({
      credentials: true,
      left: new Map([
        ["a", [3, "keep"]],
        ["host", [6, "keep"]],
      ]),
    })
    expect(makeLocalOnly([local("mine", "choice")], profile, "keep")).toEqual({ profile, withdraw: [], keepHere: [] })
  })

  test("[SY31] another device keeps a copy, erases it, or bins it, and never erases an unsent edit", () => {
    const left = {
      left: new Map<string, Left>([
        ["k", [3, "keep"]],
        ["d", [3, "delete"]],
      ]),
    }
    expect(afterDeletion(left, item("k"), 3)).toBe("local-only-copy")
    expect(afterDeletion(left, item("d"), 3)).toBe("erase")
    expect(afterDeletion(left, item("d"), 4)).toBe("erase")
    expect(afterDeletion(left, item("d", { edited: true }), 3)).toBe("local-only-copy")
    expect(afterDeletion(left, item("other"), 3)).toBe("bin")
    expect(afterDeletion(left, item("k"), 2)).toBe("bin")
  })

  test("[SY32] on brings back what the switch had kept here, and nothing that a person keeps", () => {
    const before: VaultProfile = {
      credentials: false,
      left: new Map<string, Left>([
        ["a", [8, "keep"]],
        ["mine", [2, "keep"]],
      ]),
    }
    const kept = [
      local("a", "switch"),
      local("mine", "choice"),
      local("ssh", "switch", { kind: "ssh-key" }),
      item("host", { credential: false }),
    ]
    const result = switchOn(kept, before, ["ssh-key"])
    expect(result.upload).toEqual(["a"])
    expect(result.profile).toEqual({ credentials: true, left: new Map([["mine", [2, "keep"]]]) })
  })

  test("[SY32] off and on again leaves everything as it was", () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(
          fc.record({
            id: fc.integer({ min: 0, max: 255 }).map(String),
            credential: fc.boolean(),
            onServer: fc.boolean(),
          }),
          {
            selector: (x) => x.id,
          },
        ),
        fc.constantFrom("keep" as const, "delete" as const),
        (raw, elsewhere) => {
          const before = raw.map((x) => item(x.id, x))
          const off = switchOff(before, profile, elsewhere)
          const here = before.map((i) =>
            off.keepHere.includes(i.itemId) ? local(i.itemId, "switch", { credential: i.credential }) : i,
          )
          const again = switchOn(here, off.profile)
          expect(again.upload).toEqual(before.filter((i) => i.credential).map((i) => i.itemId))
          expect(again.profile).toEqual(profile)
        },
      ),
    )
  })
})

describe("two devices change the profile at once", () => {
  const with_ = (credentials: boolean, left: Record<string, Left> = {}): VaultProfile => ({
    credentials,
    left: new Map(Object.entries(left)),
  })

  test("[SY33] the switch is that of the side that moved it; without a base, off wins", () => {
    expect(mergeProfiles(with_(true), with_(true), with_(false)).credentials).toBe(false)
    expect(mergeProfiles(with_(true), with_(false), with_(true)).credentials).toBe(false)
    expect(mergeProfiles(with_(false), with_(false), with_(true)).credentials).toBe(true)
    expect(mergeProfiles(with_(false), with_(true), with_(false)).credentials).toBe(true)
    expect(mergeProfiles(undefined, with_(true), with_(false)).credentials).toBe(false)
    expect(mergeProfiles(undefined, with_(false), with_(true)).credentials).toBe(false)
  })

  test("[SY34] what left adds up, the later departure counts, keep before delete, and what is back is back", () => {
    const left = (base: Left | undefined, committed: Left | undefined, mine: Left | undefined): Left | undefined => {
      const one = (l: Left | undefined): VaultProfile => with_(true, l === undefined ? {} : { a: l })
      return mergeProfiles(one(base), one(committed), one(mine)).left.get("a")
    }
    expect(left(undefined, [3, "keep"], undefined)).toEqual([3, "keep"])
    expect(left(undefined, undefined, [3, "keep"])).toEqual([3, "keep"])
    expect(left(undefined, [3, "delete"], [3, "keep"])).toEqual([3, "keep"])
    expect(left(undefined, [3, "keep"], [3, "delete"])).toEqual([3, "keep"])
    expect(left(undefined, [5, "delete"], [3, "keep"])).toEqual([5, "delete"])
    expect(left(undefined, [3, "keep"], [5, "delete"])).toEqual([5, "delete"])
    expect(left([3, "keep"], undefined, [3, "keep"])).toBeUndefined()
    expect(left([3, "keep"], [3, "keep"], undefined)).toBeUndefined()
    expect(left([3, "keep"], [7, "keep"], undefined)).toEqual([7, "keep"])
    expect(left([3, "keep"], undefined, [7, "keep"])).toEqual([7, "keep"])
  })
})
