import { readdirSync } from "node:fs"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"

import { decodeRecord, readRecordHeader } from "@keyferry/crypto"
import { syncRequestStruct } from "@keyferry/protocol"
import { type Canary, createCanarySearch, makeCanary } from "@keyferry/testkit"
import { afterAll, beforeAll, describe, expect, test } from "vitest"

import { randomBytes } from "../world/raw-client.ts"
import {
  type AttackWorld,
  createAttackWorld,
  enrolByKit,
  exchangeKey,
  login,
  must,
  type Settled,
  settleAccount,
} from "../world/world.ts"

/*
 * What the server, its stores, its mails and the network learn. A hundred items of all kinds with planted values; afterwards
 * every byte that left a device and every file of both processes is searched for them, in every form.
 */
const random = { bytes: randomBytes }
let world: AttackWorld
let a: Settled
const canaries: Canary[] = []
const plant = (name: string): string => {
  const canary = makeCanary(name, random)
  canaries.push(canary)
  return canary.text
}
let beacon: { readonly port: number; readonly hits: () => number; readonly close: () => void }

beforeAll(async () => {
  const server = createServer((_, reply) => {
    hits++
    reply.end()
  })
  let hits = 0
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()))
  beacon = { port: (server.address() as AddressInfo).port, hits: () => hits, close: () => server.close() }

  world = await createAttackWorld()
  a = await settleAccount(world)
  const secret = (name: string, value: string) => ({ name, value, secret: true })
  const open = (name: string, value: string) => ({ name, value, secret: false })
  const url = (): string => `http://127.0.0.1:${beacon.port}/${plant("url")}`
  for (let i = 0; i < 20; i++) {
    must(
      await a.device.kf.add({
        kind: "login",
        title: plant("title"),
        tags: [plant("tag")],
        fields: [open("username", plant("user name")), secret("password", plant("password")), open("url", url())],
      }),
    )
    must(
      await a.device.kf.add({
        ...exchangeKey(plant("title of a key")),
        fields: [
          open("exchange", "bybit"),
          open(
            "key",
            plant("key")
              .replaceAll(/[^A-Za-z0-9]/g, "x")
              .slice(0, 24),
          ),
          secret("secret", `${plant("secret of a key")}0123456789ab`),
        ],
      }),
    )
    must(
      await a.device.kf.add({ kind: "note", title: plant("title of a note"), fields: [secret("text", plant("note"))] }),
    )
    must(
      await a.device.kf
        .add({
          kind: "api-token",
          title: plant("title of a token"),
          fields: [secret("token", plant("token")), open("service", plant("service"))],
        })
        .then((r) =>
          r.ok ? r : a.device.kf.add({ kind: "note", title: plant("title"), fields: [secret("text", plant("note"))] }),
        ),
    )
    must(
      await a.device.kf
        .add({ kind: "host", title: plant("title of a host"), fields: [open("address", `${plant("host")}.example`)] })
        .then((r) =>
          r.ok ? r : a.device.kf.add({ kind: "note", title: plant("title"), fields: [secret("text", plant("note"))] }),
        ),
    )
  }
  must(await a.device.kf.syncNow())
}, 400_000)
afterAll(async () => {
  beacon.close()
  await world.close()
})

describe("ML-01", () => {
  test("ML-01 database thief and network: no title, name, address, tag or value of 100 items stands anywhere, in any form", async () => {
    expect(must(await a.device.kf.list()).length).toBe(100)
    const search = createCanarySearch([
      ...canaries,
      { name: "password", text: "correct horse battery", bytes: new TextEncoder().encode("correct horse battery") },
      { name: "kit", text: a.kit.code, bytes: new TextEncoder().encode(a.kit.code) },
    ])
    expect(search.inBytes(a.device.server.sentBytes(), "what the device sent")).toEqual([])
    expect(search.inPath(world.serverFolder).findings).toEqual([])
    expect(search.inBytes(new TextEncoder().encode(world.logged()), "the log")).toEqual([])
    expect(search.inBytes(new TextEncoder().encode(JSON.stringify(await world.mails())), "the mails")).toEqual([])
    // On the device itself only the encrypted store holds them.
    expect(search.inPath(a.device.folder).findings).toEqual([])
  })

  test("ML-01 server: what a record does show is its place, not what it is: kind 1 for every item, whatever it holds", async () => {
    const kinds = new Set<number>()
    const fields = new Set<string>()
    for (const { request, route } of a.device.server.exchanges()) {
      if (route !== "sync") continue
      const body = syncRequestStruct.decode(request.body ?? new Uint8Array(), 1e8)
      if (!body.ok) continue
      for (const push of body.value.pushes)
        for (const bytes of push.records) {
          const record = decodeRecord(bytes)
          const header = record.ok ? readRecordHeader(record.value) : record
          if (!header.ok) throw new Error("a record without a header")
          kinds.add(header.value.kind)
          for (const name of Object.keys(header.value)) fields.add(name)
        }
    }
    // 1 item; 2 the vault's settings, 5 names of devices: their existence is public, their content is not.
    expect([...kinds].filter((k) => ![1, 2, 5].includes(k))).toEqual([])
    // The published list of what is visible.
    expect([...fields].toSorted()).toEqual([
      "by",
      "byUid",
      "epoch",
      "itemId",
      "kind",
      "prevCtHash",
      "rev",
      "suite",
      "v",
      "vid",
    ])
  })

  test("X-57 database thief: what the two stores hold in clear is what the published list says, column by column", () => {
    const columns = (path: string): readonly string[] => {
      const db = new DatabaseSync(path, { readOnly: true })
      const tables = db
        .prepare("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
        .all() as { name: string }[]
      const out = tables.flatMap(({ name }) =>
        (db.prepare(`PRAGMA table_info(${name})`).all() as { name: string }[]).map((c) => `${name}.${c.name}`),
      )
      db.close()
      return out
    }
    const strongroom = columns(join(world.serverFolder, "strongroom", "strongroom.db"))
    // Everything that was ever an item's, a factor's or a key's is in a column that says that it is sealed.
    const secretive = strongroom.filter(
      (c) =>
        /record\.|wrap\.|prev_sealed\.|factor\.|opaque|seed/.test(c) && /bytes|entry|seed|opaque_record|sealed/.test(c),
    )
    expect(secretive.length).toBeGreaterThan(4)
    for (const column of secretive) expect([column, /sealed|_ms$|opaque_rev/.test(column)]).toEqual([column, true])
    for (const column of [...strongroom, ...columns(join(world.serverFolder, "server.db"))])
      expect(column).not.toMatch(/[._](title|url|user_?name|favou?rite|tags?|plaintext|password)$/)
    expect(
      readdirSync(join(world.serverFolder, "strongroom"))
        .filter((f) => f.endsWith(".db"))
        .toSorted(),
    ).toEqual(["leases.db", "strongroom.db"])
  })
})

describe("ML-02", () => {
  test("ML-02 database thief: secrets of 8 to 200 characters, in items of one kind, have one stored size", async () => {
    const ids: string[] = []
    for (const length of [8, 16, 40, 64, 100, 150, 200])
      ids.push(must(await a.device.kf.add(login("size", "s".repeat(length)))).id)
    a.device.server.forget()
    must(await a.device.kf.syncNow())
    const sizes = new Set<number>()
    for (const { request, route } of a.device.server.exchanges()) {
      if (route !== "sync") continue
      const body = syncRequestStruct.decode(request.body ?? new Uint8Array(), 1e8)
      if (body.ok) for (const push of body.value.pushes) for (const record of push.records) sizes.add(record.length)
    }
    // The network's poke may have taken them before: then what is stored says it.
    const db = new DatabaseSync(join(world.serverFolder, "strongroom", "strongroom.db"), { readOnly: true })
    const stored = db.prepare("SELECT n, length(sealed_record) AS size FROM record ORDER BY n DESC LIMIT 7").all() as {
      size: number
    }[]
    db.close()
    expect(new Set(stored.map((r) => r.size)).size).toBe(1)
    expect(sizes.size).toBeLessThanOrEqual(1)
    expect(ids.length).toBe(7)
  })

  test("ML-02 server (codec): up to 64 KiB there are at most 113 sizes, and padding adds at most 6.2 % above the floor", async () => {
    const { pad } = await import("@keyferry/crypto")
    const sizes = new Set<number>()
    let worst = 0
    for (let length = 1; length <= 65_000; length += 37) {
      const size = pad(new Uint8Array(length)).length
      sizes.add(size)
      if (length > 600) worst = Math.max(worst, (size - length - 4) / length)
    }
    expect(sizes.size).toBeLessThanOrEqual(113)
    expect(worst).toBeLessThan(0.063)
  })
})

describe("ML-03, ML-05, ML-06", () => {
  test("ML-03 content: addresses inside items are never asked, by any command of a device, whatever it does with them", async () => {
    const b = await world.device("b")
    await enrolByKit(world, b, a)
    for (const { id } of must(await b.kf.list()).slice(0, 30)) {
      must(await b.kf.get(id))
      must(await b.kf.history(id))
    }
    must(await b.kf.exportArchive({ passphrase: "a passphrase of some length" }))
    expect(beacon.hits()).toBe(0)
    const hosts = new Set(
      [...a.device.server.exchanges(), ...b.server.exchanges()].map((e) => new URL(e.request.url).host),
    )
    expect([...hosts]).toEqual([new URL(world.origin()).host])
  })

  test("ML-05 network: listing, reading, searching, the bin and the rotation list ask nobody", async () => {
    await a.device.quiet()
    const before = a.device.server.exchanges().length
    for (const item of must(await a.device.kf.list())) must(await a.device.kf.get(item.id))
    must(await a.device.kf.bin())
    must(await a.device.kf.rotationList())
    must(await a.device.kf.leaving())
    expect(a.device.server.exchanges().length).toBe(before)
  })

  test("ML-06 mailbox: no mail names an item, a vault or a device's own name; devices are known by their platform", async () => {
    const names = ["Laptop", "Desk", ...canaries.map((c) => c.text)]
    for (const mail of await world.mails())
      for (const name of names) expect(`${mail.subject}\n${mail.body}`).not.toContain(name)
    expect((await world.mails()).length).toBeGreaterThan(0)
  })

  test("X-58 server: how many items a request carries is all that its size tells; an edit of one field is as large as one of all", async () => {
    const one = must(await a.device.kf.add(login("edited"))).id
    must(await a.device.kf.syncNow())
    const sizeOf = async (change: () => Promise<unknown>): Promise<number> => {
      await a.device.quiet()
      a.device.server.forget()
      await change()
      must(await a.device.kf.syncNow())
      await a.device.quiet()
      return Math.max(...a.device.server.requestsTo("sync").map((r) => r.body?.length ?? 0))
    }
    const small = await sizeOf(async () =>
      must(await a.device.kf.edit(one, { fields: [{ name: "username", value: "a" }] })),
    )
    const large = await sizeOf(async () =>
      must(
        await a.device.kf.edit(one, {
          title: "another title",
          fields: [
            { name: "username", value: "a much longer user name" },
            { name: "password", value: "x".repeat(60) },
          ],
        }),
      ),
    )
    // Numbers in a link may take another byte as they grow; contents do not.
    expect(Math.abs(large - small)).toBeLessThan(16)
  })
})
