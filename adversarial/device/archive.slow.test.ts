import { createHash } from "node:crypto"

import { formatId } from "@keyferry/base"
import { afterAll, beforeAll, describe, expect, test } from "vitest"

import { openAge, sealAge } from "../../packages/importers/src/age-file.ts"
import { readTar, type TarFile, writeTar } from "../../packages/importers/src/tar.ts"
import { profileItemId } from "../../packages/sdk/src/vault.ts"
import { nodePrimitives as p } from "@keyferry/crypto/node"
import { syncReplyStruct } from "@keyferry/protocol"
import {
  type AttackWorld,
  codeOf,
  createAttackWorld,
  login,
  must,
  type Settled,
  settleAccount,
  titlesOf,
} from "../world/world.ts"

/*
 * An archive that somebody else wrote: anybody who knows a passphrase or a recipient can. It is imported on purpose, so it may
 * add items; it may not replace, hide or break what is there, leave its place, or eat the machine.
 */
const PASSPHRASE = "a passphrase of some length"
const BY_PASSPHRASE = { passphrase: PASSPHRASE, scrypt: p.scrypt }
let world: AttackWorld
let a: Settled
let vaultId: Uint8Array
let deviceId: string

beforeAll(async () => {
  world = await createAttackWorld()
  a = await settleAccount(world)
  must(await a.device.kf.add(login("one")))
  must(await a.device.kf.syncNow())
  const reply = syncReplyStruct.decode(a.device.server.lastReply("sync").body, 1e8)
  vaultId = reply.ok ? (reply.value.heads[0]?.[0] ?? new Uint8Array(32)) : new Uint8Array(32)
  deviceId = (await a.device.kf.status()).account?.deviceId ?? ""
})
afterAll(() => world.close())

/** The product's own archive, with its lines changed and its sums made right again. */
let genuine: readonly (readonly [string, string])[] | undefined
const genuineFiles = async (): Promise<readonly (readonly [string, string])[]> => {
  const sealed = must(await a.device.kf.exportArchive({ passphrase: PASSPHRASE }))
  const opened = await openAge(sealed, BY_PASSPHRASE)
  const tar = opened.ok ? readTar(opened.value) : opened
  if (!tar.ok) throw new Error("not an archive")
  return tar.value.map((f) => [f.name, new TextDecoder().decode(f.bytes)] as const)
}
const forged = async (change: (files: Map<string, string>) => void): Promise<Uint8Array> => {
  genuine ??= await genuineFiles()
  const files = new Map(genuine)
  change(files)
  files.delete("SHA256SUMS")
  const sums = [...files]
    .map(([name, text]) => `${createHash("sha256").update(text).digest("hex")}  ${name}`)
    .join("\n")
  files.set("SHA256SUMS", `${sums}\n`)
  const bytes = writeTar(
    [...files].map(([name, text]) => ({ name, bytes: new TextEncoder().encode(text) })),
    0,
  )
  const again = await sealAge(bytes, BY_PASSPHRASE, 10)
  if (!again.ok) throw new Error("not sealed")
  return again.value
}
type Row = Record<string, unknown>
const withItem =
  (change: (row: Row) => Row) =>
  (files: Map<string, string>): void => {
    const [first = "{}"] = (files.get("items.ndjson") ?? "").split("\n")
    files.set("items.ndjson", `${JSON.stringify(change(JSON.parse(first) as Row))}\n`)
  }
const load = (bytes: Uint8Array, mode: "skip" | "keep-both" = "keep-both") =>
  a.device.kf.importArchive(bytes, { passphrase: PASSPHRASE }, mode)

describe("ids", () => {
  test("X-78 hostile archive: an item under the id of the vault's settings or of a device's name becomes an item of its own; sync goes on", async () => {
    const profile = formatId("itm", profileItemId({ ports: { primitives: p } } as never, vaultId))
    const label = deviceId.replace(/^dev_/, "itm_")
    for (const id of [profile, label]) {
      const done = must(
        await load(await forged(withItem((row) => ({ ...row, id, title: `stolen id ${id.slice(-4)}` })))),
      )
      expect(done.added).toBe(1)
      must(await a.device.kf.syncNow())
    }
    expect(must(await a.device.kf.list()).map((i) => i.id)).not.toContain(profile)
    expect(must(await a.device.kf.list()).map((i) => i.id)).not.toContain(label)
    // The settings and the name still work.
    const [item] = must(await a.device.kf.list())
    must(await a.device.kf.setPolicy([item?.id ?? ""], "local-only"))
    must(await a.device.kf.renameDevice(deviceId, "Renamed"))
    must(await a.device.kf.syncNow())
    expect(must(await a.device.kf.devices()).find((d) => d.isThis)?.name).toBe("Renamed")
  })

  test("X-79 hostile archive: an item under the id of one that is here does not replace it", async () => {
    const [victim] = must(await a.device.kf.list())
    const before = must(await a.device.kf.get(victim?.id ?? ""))
    must(await load(await forged(withItem((row) => ({ ...row, id: victim?.id, title: "replaced" })))))
    expect(must(await a.device.kf.get(victim?.id ?? "")).title).toBe(before.title)
    expect(must(await a.device.kf.get(victim?.id ?? "")).fields).toEqual(before.fields)
  })
})

describe("forms", () => {
  test("X-80 hostile archive: files outside of it, links, devices, names twice, sums that lie, a newer version: nothing is imported", async () => {
    const titles = await titlesOf(a.device.kf)
    const tarOf = async (
      files: readonly TarFile[],
      edit: (tar: Uint8Array) => Uint8Array = (x) => x,
    ): Promise<Uint8Array> => {
      const sealed = await sealAge(edit(writeTar(files, 0)), BY_PASSPHRASE, 10)
      if (!sealed.ok) throw new Error("not sealed")
      return sealed.value
    }
    const text = new TextEncoder().encode("x")
    const ofType =
      (type: string) =>
      (tar: Uint8Array): Uint8Array => {
        const out = tar.slice()
        out[156] = type.charCodeAt(0)
        let sum = 0
        for (let i = 0; i < 512; i++) sum += i >= 148 && i < 156 ? 32 : (out[i] ?? 0)
        out.set(new TextEncoder().encode(`${sum.toString(8).padStart(6, "0")}\0 `), 148)
        return out
      }
    for (const archive of [
      await tarOf([{ name: "../../etc/passwd", bytes: text }]),
      await tarOf([{ name: "/etc/passwd", bytes: text }]),
      await tarOf([{ name: "a/../../b", bytes: text }]),
      await tarOf([{ name: "link", bytes: new Uint8Array() }], ofType("2")),
      await tarOf([{ name: "hard", bytes: new Uint8Array() }], ofType("1")),
      await tarOf([{ name: "dev", bytes: new Uint8Array() }], ofType("3")),
      await tarOf([
        { name: "x", bytes: text },
        { name: "x", bytes: text },
      ]),
      await tarOf(Array.from({ length: 1500 }, (_, i) => ({ name: `f${i}`, bytes: text }))),
      await forged((files) =>
        files.set("manifest.json", (files.get("manifest.json") ?? "").replace(/"version":\s*\d+/, '"version": 99')),
      ),
      await forged((files) => files.delete("items.ndjson")),
      await forged((files) => files.set("items.ndjson", "{")),
      new TextEncoder().encode("age-encryption.org/v1\nnonsense"),
      new Uint8Array(100),
    ]) {
      const result = await load(archive)
      expect(["import-failed", "unsupported-version", "wrong-encryption-password"]).toContain(codeOf(result))
    }
    expect(await titlesOf(a.device.kf)).toEqual(titles)
  })

  test("X-81 hostile archive: a password hash that would take gigabytes, named first, last or twice, is not run", async () => {
    const good = await sealAge(new Uint8Array(10), BY_PASSPHRASE, 10)
    if (!good.ok) throw new Error("not sealed")
    const text = Buffer.from(good.value).toString("latin1")
    for (const changed of [
      text.replace(/(-> scrypt \S+) 10/, "$1 30"),
      text.replace(/(-> scrypt \S+) 10/, "$1 19"),
      text.replace(/(-> scrypt (\S+) 10\n\S+\n)/, "$1-> scrypt $2 30\n" + "A".repeat(43) + "\n"),
      text.replace(/(-> scrypt \S+) 10/, "$1 0000000000000000000000000030"),
      text.replace(/(-> scrypt \S+) 10/, "$1 1e9"),
    ]) {
      const started = performance.now()
      const before = process.memoryUsage().rss
      const result = await load(Uint8Array.from(Buffer.from(changed, "latin1")))
      expect(result.ok).toBe(false)
      expect(performance.now() - started).toBeLessThan(5000)
      expect(process.memoryUsage().rss - before).toBeLessThan(600 * 1024 * 1024)
    }
  })

  test("X-82 hostile archive: fields of every wrong kind are refused by line; what is imported is shown as text and never lowers a class", async () => {
    for (const change of [
      (row: Row) => ({ ...row, kind: 7 }),
      (row: Row) => ({ ...row, fields: "x" }),
      (row: Row) => ({ ...row, id: "itm_short" }),
      (row: Row) => ({ ...row, title: { toString: "x" } }),
      (row: Row) => ({ ...row, tags: [1] }),
      (row: Row) => ({ ...row, title: "x".repeat(200_000) }),
    ]) {
      const result = await load(await forged(withItem(change)))
      expect(result.ok ? result.value.added : 0).toBe(0)
    }
    const done = await load(
      await forged(withItem((row) => ({ ...row, title: "\u001b]0;owned\u0007<img src=x onerror=alert(1)>\n=cmd()" }))),
    )
    if (done.ok && done.value.added > 0) {
      const { printable } = await import("../../apps/cli/src/io.ts")
      const shown = must(await a.device.kf.list()).map((i) => printable(i.title))
      for (const title of shown) expect(title).not.toMatch(/[\u0000-\u001f\u007f]/)
    }
    must(await a.device.kf.syncNow())
  })
})
