import { afterAll, beforeAll, describe, expect, test } from "vitest"

import type { Http, Keyferry } from "@keyferry/sdk"
import { createNodeHttp } from "@keyferry/sdk/node"

import { createWorld, enrolByKit, login, must, PASSWORD, signUpWithSync, until, type World } from "./world.ts"

/*
 * A network that takes a request to the server and loses the answer, or loses the request. The device cannot tell one from the other.
 */
type Loss = "none" | "answers" | "requests" | "held"
let release: () => void = () => undefined
let loss: Loss = "none"
let delivered = 0
/** Feeds that are open: they end with the network, so that no news come by themselves. */
const feeds = new Set<() => void>()

const lossy = (): Http => {
  const real = createNodeHttp()
  return {
    stream: async (request, onChunk) => {
      if (loss !== "none") return { ok: false, error: undefined }
      const opened = await real.stream(request, onChunk)
      if (opened.ok) feeds.add(opened.value.close)
      return opened
    },
    send: async (request) => {
      const isSync = request.url.endsWith("/sync")
      if (!isSync || loss === "none") return real.send(request)
      if (loss === "requests") return undefined
      const reply = await real.send(request)
      delivered += reply?.status === 200 ? 1 : 0
      // A connection that is open and says nothing.
      if (loss === "held") await new Promise<void>((resolve) => (release = resolve))
      return undefined
    },
  }
}

let world: World
let a: Keyferry
let b: Keyferry

const fields = async (kf: Keyferry, id: string): Promise<Record<string, string>> =>
  Object.fromEntries(must(await kf.get(id)).fields.map((f) => [f.name, f.value]))
const change = async (kf: Keyferry, id: string, name: string, value: string): Promise<void> =>
  void must(await kf.edit(id, { fields: [{ name, value }] }))
const breakNetwork = (how: Loss): void => {
  loss = how
  for (const close of feeds) close()
  feeds.clear()
}
/** Until the server has taken up something whose answer got lost. */
const lose = async (work: () => Promise<void>): Promise<void> => {
  breakNetwork("answers")
  delivered = 0
  await work()
  expect(await a.syncNow()).toMatchObject({ ok: false, error: { code: "network-unreachable" } })
  expect(delivered).toBeGreaterThan(0)
}
const settle = async (): Promise<void> => {
  loss = "none"
  for (const kf of [a, b, a]) must(await kf.syncNow())
  expect((await a.status()).sync.waiting).toBe(0)
}
const agree = async (id: string): Promise<Record<string, string>> => {
  const [va, vb] = [must(await a.get(id)), must(await b.get(id))]
  expect(va.fields).toEqual(vb.fields)
  expect([va.alternatives, vb.alternatives]).toEqual([[], []])
  return fields(a, id)
}

beforeAll(async () => {
  world = await createWorld()
  a = await world.device("a", { http: lossy() })
  const { kit, code } = await signUpWithSync(world, a)
  b = await world.device("b")
  await enrolByKit(world, b, { password: PASSWORD, kit, code: await code(), name: "b" })
  must(await b.syncOn({ items: "none", autoNew: true }))
})
afterAll(() => world.close())

describe("an answer that never came", () => {
  test("[SY11] then another edit of the same field: no false conflict, and the newer value stands", async () => {
    const { id } = must(await a.add(login("edited twice")))
    must(await a.syncNow())
    await lose(() => change(a, id, "password", "first"))
    await change(a, id, "password", "second")
    await settle()
    expect((await agree(id))["password"]).toBe("second")
  })

  test("[SY11] of a new item, which is then edited: one item, no conflict", async () => {
    let id = ""
    await lose(async () => {
      id = must(await a.add(login("new and edited"))).id
    })
    await change(a, id, "password", "second")
    await settle()
    expect((await agree(id))["password"]).toBe("second")
    expect(must(await b.list()).filter((i) => i.title === "new and edited").length).toBe(1)
  })

  test("[SY11] and somebody went on from what had arrived: every value is there, and nothing is a conflict", async () => {
    const { id } = must(await a.add(login("three hands")))
    must(await a.syncNow())
    await lose(() => change(a, id, "username", "from-a"))
    must(await b.syncNow())
    await change(b, id, "url", "https://b.example")
    must(await b.syncNow())
    await change(a, id, "password", "later-a")
    await settle()
    expect(await agree(id)).toMatchObject({ username: "from-a", url: "https://b.example", password: "later-a" })
  })

  test("[SY99] nobody waits for it: what is edited meanwhile is written at once, and everything arrives in the end", async () => {
    const { id } = must(await a.add(login("edited while it hangs")))
    must(await a.syncNow())
    breakNetwork("held")
    delivered = 0
    await change(a, id, "username", "before")
    await until(async () => delivered > 0, "the server has it")
    const startedMs = performance.now()
    await change(a, id, "password", "meanwhile")
    expect(must(await a.list()).map((i) => i.id)).toContain(id)
    // The half second of the first wait and what a loaded machine adds, far from the half minute of a request.
    expect(performance.now() - startedMs).toBeLessThan(10_000)
    loss = "none"
    release()
    await settle()
    expect(await agree(id)).toMatchObject({ username: "before", password: "meanwhile" })
  })

  test("[SY24] survives the death of the process in between", async () => {
    const { id } = must(await a.add(login("restarted")))
    must(await a.syncNow())
    await lose(() => change(a, id, "password", "first"))
    await a.close()
    a = await world.device("a", { http: lossy() })
    must(await a.unlock(PASSWORD))
    await change(a, id, "password", "second")
    await settle()
    expect((await agree(id))["password"]).toBe("second")
  })

  test("[SY11] of a new item that is then deleted: it does not come back, restart or not", async () => {
    for (const isRestarted of [false, true]) {
      const title = `taken back ${isRestarted}`
      let id = ""
      await lose(async () => {
        id = must(await a.add(login(title))).id
      })
      must(await a.remove(id))
      if (isRestarted) {
        await a.close()
        a = await world.device("a", { http: lossy() })
        must(await a.unlock(PASSWORD))
      }
      await settle()
      for (const kf of [a, b]) expect(must(await kf.list()).map((i) => i.title)).not.toContain(title)
    }
  })

  test("[SY11] where the request was lost as well, a deleted new item is nothing to send", async () => {
    breakNetwork("requests")
    const { id } = must(await a.add(login("never there")))
    expect(await a.syncNow()).toMatchObject({ ok: false, error: { code: "network-unreachable" } })
    must(await a.remove(id))
    await settle()
    expect(must(await b.list()).map((i) => i.title)).not.toContain("never there")
    expect(must(await b.bin()).map((i) => i.title)).not.toContain("never there")
  })
})

describe("what syncs", () => {
  const custody = async (kf: Keyferry, title: string) => must(await kf.list()).find((i) => i.title === title)?.custody

  test("[SY26] [SY29] [SY32] the switch off takes credentials from the server on all devices; on again, each sends what it kept back", async () => {
    must(await a.add(login("switched")))
    const chosen = must(await a.add({ ...login("mine alone"), policy: "local-only" }))
    await settle()
    must(await a.setCredentialSync(false, "keep"))
    await settle()
    expect([await custody(a, "switched"), await custody(b, "switched")]).toEqual(["local", "local"])
    expect((await b.status()).sync.credentials).toBe(false)
    must(await b.add(login("made meanwhile")))
    expect(await b.add({ ...login("by name"), policy: "synced" })).toMatchObject({
      ok: false,
      error: { code: "credential-sync-disabled" },
    })
    must(await b.syncNow())
    expect(await custody(b, "made meanwhile")).toBe("local")
    must(await a.setCredentialSync(true))
    await settle()
    must(await b.syncNow())
    must(await a.syncNow())
    for (const title of ["switched", "made meanwhile"])
      expect([title, await custody(a, title), await custody(b, title)]).toEqual([title, "synced", "synced"])
    expect(must(await a.get(chosen.id)).custody).toBe("local")
    expect(await custody(b, "mine alone")).toBeUndefined()
  })

  test("[SY31] an edit that waits when its item leaves the server stays as a copy, even where copies were to be erased", async () => {
    const kept = must(await a.add(login("edited elsewhere")))
    const erased = must(await a.add(login("not edited")))
    await settle()
    breakNetwork("requests")
    await change(a, kept.id, "password", "unsent")
    must(await b.setPolicy([kept.id, erased.id], "local-only", "delete"))
    must(await b.syncNow())
    await settle()
    expect(must(await a.get(kept.id))).toMatchObject({ custody: "local" })
    expect((await fields(a, kept.id))["password"]).toBe("unsent")
    expect(await a.get(erased.id)).toMatchObject({ ok: false, error: { code: "not-found" } })
  })

  test("a withdrawal that is edited before it was sent still leaves the server", async () => {
    const { id } = must(await a.add(login("withdrawn")))
    await settle()
    breakNetwork("requests")
    must(await a.setPolicy([id], "local-only", "keep"))
    await change(a, id, "password", "only here")
    await settle()
    expect([await custody(a, "withdrawn"), await custody(b, "withdrawn")]).toEqual(["local", "local"])
    expect((await fields(b, id))["password"]).toBe("p-withdrawn")
  })
})
