import { execFile } from "node:child_process"
import { readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import process from "node:process"

import type { Kit } from "@keyferry/sdk"
import { copyDisk } from "@keyferry/testkit"
import { afterAll, beforeAll, describe, expect, test } from "vitest"

import {
  createAuthenticator,
  createWorld,
  ADDRESS,
  exchangeKey,
  login,
  must,
  PASSWORD,
  type World,
} from "../devices/world.ts"

interface Report {
  readonly opened: readonly {
    readonly table: string
    readonly title?: string
    readonly fields?: Record<string, string>
  }[]
  readonly closed: readonly { readonly table: string; readonly why: string }[]
  readonly notes: readonly string[]
  readonly asked?: { readonly status: number; readonly code?: string }
}

const openDisk = (disk: string, password: string, ...options: readonly string[]): Promise<Report> =>
  new Promise((resolve, reject) => {
    const program = join(import.meta.dirname, "open-disk.mjs")
    const child = execFile(process.execPath, [program, "--disk", disk, ...options], (error, stdout) => {
      if (error === null) resolve(JSON.parse(stdout) as Report)
      else reject(error)
    })
    child.stdin?.end(`${password}\n`)
  })

const titles = (report: Report): readonly string[] => report.opened.flatMap((one) => one.title ?? []).toSorted()

let world: World
let kit: Kit
let disk: string
let recorded: string

beforeAll(async () => {
  world = await createWorld()
  disk = world.folderOf("copy")
  recorded = world.folderOf("recorded.json")
})
afterAll(() => world.close())

// One story, in order.
describe("a program of somebody else's, with the disk and the password", () => {
  test("it imports nothing of this repository", () => {
    for (const name of ["open-disk.mjs", "formats.mjs"]) {
      const imports = [...readFileSync(join(import.meta.dirname, name), "utf8").matchAll(/from "([^"]+)"/g)].map(
        (m) => m[1] ?? "",
      )
      expect(imports.filter((from) => !/^(node:|@noble\/curves\/|\.\/formats\.mjs$)/.test(from))).toEqual([])
      expect(imports.length).toBeGreaterThan(1)
    }
  })

  test("[DS5] before there is an account, the password opens everything, another one nothing", async () => {
    const a = await world.device("a")
    must(await a.createLocal(PASSWORD))
    must(await a.add(login("Shop")))
    must(await a.add(exchangeKey("Bybit")))
    copyDisk(world.folderOf("a"), disk)
    expect(titles(await openDisk(disk, PASSWORD))).toEqual(["Bybit", "Shop"])
    expect((await openDisk(disk, "another password 1")).opened).toEqual([])
    rmSync(disk, { recursive: true })

    kit = must(await a.signUp({ link: world.firstLink(), address: ADDRESS, password: PASSWORD, deviceName: "Laptop" }))
    const code = createAuthenticator(must(await a.twoFactorStart()).otpauth)
    must(await a.twoFactorConfirm(await code()))
    must(await a.syncOn({ items: "all", autoNew: true }))
    expect(kit.code).toMatch(/^KF1-/)
    copyDisk(world.folderOf("a"), disk)
  })

  test("[DS6] with an account and no answer of the server: standard items, no strict one", async () => {
    const report = await openDisk(disk, PASSWORD)
    expect(titles(report)).toEqual(["Shop"])
    expect(report.closed).toEqual([{ table: "strict", key: expect.any(String), why: "no key" }])
    expect((await openDisk(disk, "another password 1")).opened).toEqual([])
  })

  test("[KE17] with an answer: strict items too, and later without the server from what was recorded", async () => {
    const asked = await openDisk(disk, PASSWORD, "--ask", world.origin(), "--record", recorded)
    expect(asked.asked).toEqual({ status: 200 })
    expect(titles(asked)).toEqual(["Bybit", "Shop"])
    expect(asked.opened.find((one) => one.title === "Bybit")?.fields?.["secret"]).toBe(
      "abcdefghijklmnopqrstuvwxyz0123456789",
    )
    await world.stop()
    expect(titles(await openDisk(disk, PASSWORD, "--answer", recorded))).toEqual(["Bybit", "Shop"])
    await world.start()
  })

  test("[KE16] an answer without its blind is worth nothing", async () => {
    const { evaluated } = JSON.parse(readFileSync(recorded, "utf8")) as { evaluated: string }
    const other = world.folderOf("other.json")
    writeFileSync(other, JSON.stringify({ evaluated, blind: "12345678901234567890" }))
    const report = await openDisk(disk, PASSWORD, "--answer", other)
    expect(titles(report)).toEqual(["Shop"])
    expect(report.notes).toContain("The bundle “on” does not open.")
  })
})
