import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"

import { afterAll, beforeAll, describe, expect, test } from "vitest"

import { enrolRaw, levelOne, levelTwo, makeIntruder } from "../world/intruder.ts"
import { deploymentOf } from "../world/password-client.ts"
import { identityOf, knock, stealFrom } from "../world/raw-client.ts"
import {
  type AttackWorld,
  createAttackWorld,
  enrolByKit,
  login,
  must,
  PASSWORD,
  type Settled,
  settleAccount,
} from "../world/world.ts"

/*
 * Between the two processes: what one has decided and the other has not heard of yet, when either dies, is restored, or is
 * told the same twice. And the mails that follow from it.
 */
let world: AttackWorld
let a: Settled
let deployment: string

beforeAll(async () => {
  world = await createAttackWorld()
  a = await settleAccount(world)
  must(await a.device.kf.add(login("one")))
  must(await a.device.kf.syncNow())
  deployment = await deploymentOf(world.origin())
})
afterAll(() => world.close())

const activity = async (kind: string): Promise<number> => {
  const reply = await knock(world.origin(), "activity", {
    as: identityOf(await stealFrom(a.device.folder)),
    nowMs: world.nowMs(),
  })
  return (reply.json["events"] as { kind: string }[]).filter((e) => e.kind === kind).length
}

describe("the event log", () => {
  test("X-85 fate: the server is killed right after the strongroom committed a removal: at its next start it ends the sessions, tells the mailbox once, and no later one twice", async () => {
    const device = await world.device("gone")
    await enrolByKit(world, device, a)
    const id = (await device.kf.status()).account?.deviceId ?? ""
    must(await a.device.kf.unlock(PASSWORD))
    must(await a.device.kf.syncNow())
    const removedBefore = await activity("device-removed")
    const removing = a.device.kf.removeDevice({ id, reason: "lost" })
    // As soon as the strongroom has it, whatever the server has done with it.
    const path = join(world.serverFolder, "strongroom", "strongroom.db")
    const committed = (): number => {
      const db = new DatabaseSync(path, { readOnly: true })
      const row = db.prepare("SELECT count(*) AS n FROM event WHERE kind = 'device-removed'").get() as { n: number }
      db.close()
      return row.n
    }
    await expect.poll(committed, { interval: 2 }).toBeGreaterThan(removedBefore)
    await world.kill()
    await removing
    await world.start()
    await world.kill()
    await world.start()
    expect(await activity("device-removed")).toBe(removedBefore + 1)
    const mails = async () => (await world.mails()).filter((m) => /removed/i.test(m.subject))
    await expect.poll(async () => (await mails()).length).toBeGreaterThan(0)
    expect(await mails()).toHaveLength(1)
  })

  test("X-86 fate: a strongroom that was restored speaks of another log: whatever was signed in before is signed out", async () => {
    const intruder = await makeIntruder()
    const session = await levelOne(world, deployment, intruder)
    expect(
      (await knock(world.origin(), "login.second-factor", { session, body: { kind: "totp", code: a.wrong() } })).code,
    ).toBe("second-factor-wrong")
    await world.stop()
    const db = new DatabaseSync(join(world.serverFolder, "strongroom", "strongroom.db"))
    const rows = db.prepare("SELECT * FROM meta").all() as Record<string, unknown>[]
    const name = Object.keys(rows[0] ?? {}).find((k) => /name|key/.test(k)) ?? "name"
    const value = Object.keys(rows[0] ?? {}).find((k) => /value/.test(k)) ?? "value"
    const log = rows.find((r) => String(r[name]).includes("log"))
    expect(log).toBeDefined()
    db.prepare(`UPDATE meta SET ${value} = ? WHERE ${name} = ?`).run(
      crypto.getRandomValues(new Uint8Array(16)),
      String(log?.[name]),
    )
    db.close()
    await world.start()
    expect(
      (await knock(world.origin(), "login.second-factor", { session, body: { kind: "totp", code: a.wrong() } })).code,
    ).toBe("signed-out")
  })

  test("X-87 fate: the strongroom dies under the server: requests say so, nothing is half done, and it is back by itself", async () => {
    const { childrenOf } = await import("@keyferry/testkit")
    const { readdirSync, readFileSync } = await import("node:fs")
    const servers = readdirSync("/proc").filter(
      (d) =>
        /^\d+$/.test(d) &&
        readText(`/proc/${d}/cmdline`).includes(world.serverFolder) &&
        readText(`/proc/${d}/cmdline`).includes("server-process"),
    )
    const room = servers.flatMap((pid) => childrenOf(Number(pid))).find((c) => c.command.includes("strongroom"))
    expect(room).toBeDefined()
    must(await a.device.kf.unlock(PASSWORD))
    must(await a.device.kf.edit(must(await a.device.kf.list())[0]?.id ?? "", { title: "while it dies" }))
    const syncing = a.device.kf.syncNow()
    process.kill(room?.pid ?? 0, "SIGKILL")
    const result = await syncing
    if (!result.ok)
      expect(["strongroom-unavailable", "network-unreachable", "internal", "busy", "clock-skew"]).toContain(
        result.error.code,
      )
    // A readiness asked before the death was noticed is still that of the one that died.
    const roomNow = (): number | undefined =>
      servers.flatMap((pid) => childrenOf(Number(pid))).find((c) => c.command.includes("strongroom"))?.pid
    await expect.poll(() => ![undefined, room?.pid].includes(roomNow()), { timeout: 60_000 }).toBe(true)
    await expect.poll(async () => (await fetch(`${world.origin()}/readyz`)).ok, { timeout: 60_000 }).toBe(true)
    must(await a.device.kf.syncNow())
    expect(must(await a.device.kf.list())[0]?.custody).toBe("synced")
    function readText(path: string): string {
      try {
        return readFileSync(path, "utf8")
      } catch {
        return ""
      }
    }
  })
})

describe("mails", () => {
  test("X-88 hostile outsider: addresses and names of devices put no line, header, recipient or address of their own into a mail", async () => {
    const before = (await world.mails()).length
    for (const address of [
      "a@example.org\r\nBcc: b@example.org",
      "a@example.org,b@example.org",
      '"a b"@example.org',
      "<a@example.org>",
      "a@example.org;b@example.org",
      "a@exa mple.org",
      "a(b)@example.org",
      "@example.org",
      "a@",
      `${"a".repeat(300)}@example.org`,
    ])
      expect((await knock(world.origin(), "login.start", { body: { address, startLoginRequest: "AAAA" } })).code).toBe(
        "malformed",
      )
    const intruder = await makeIntruder()
    const session = await levelTwo(world, deployment, intruder, a)
    const device = {
      ...(intruder.device as Record<string, unknown>),
      platform: "Linux\r\nBcc: x@example.org\n\nhttps://evil.example \u202e",
    }
    const reply = await enrolRaw(world, { ...intruder, device }, session)
    expect([200, 400]).toContain(reply.status)
    for (let i = 0; i < 20 && (await world.mails()).length === before; i++)
      await new Promise((resolve) => setTimeout(resolve, 50))
    const [mail] = await world.mails()
    expect(mail?.body).not.toMatch(/\nBcc|\u202e|\r/)
    expect(mail?.subject).not.toMatch(/evil|Bcc/)
    // Nothing of it is what a mail program would make a link of: the only links are the server's own.
    expect(mail?.body).not.toMatch(/evil\.example|x@example/)
    for (const [link] of (mail?.body ?? "").matchAll(/https?:\/\/\S+/g))
      expect(new URL(link).origin).toBe(world.origin())
  })
})
