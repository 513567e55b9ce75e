import { execFile } from "node:child_process"
import { readdirSync, rmSync, statSync } from "node:fs"
import { join } from "node:path"
import process from "node:process"
import { DatabaseSync } from "node:sqlite"

import { openNodeKeyferry } from "@keyferry/sdk/node"
import { canaryOf, copyDisk, createCanarySearch, createSeededRandom, plantControls } from "@keyferry/testkit"

import { ADDRESS, confirmByPage, deviceIdOf, fieldOf, idOf, listOf, type Story, takeLink, textOf } from "./first-crossing.ts"
import { kitCodeIn, waitUntil, writeSecretFile } from "./stage.ts"

const FOREIGN = new URL("../foreign/open-disk.mjs", import.meta.url).pathname

interface Opened {
  readonly opened: readonly { readonly table: string; readonly title?: string }[]
  readonly closed: readonly { readonly table: string }[]
  readonly asked?: { readonly status: number; readonly code?: string }
}

const foreign = (disk: string, password: string, ...options: readonly string[]): Promise<Opened> =>
  new Promise((resolve) => {
    const child = execFile(process.execPath, [FOREIGN, "--disk", disk, ...options], (_error, stdout) => resolve(JSON.parse(stdout) as Opened))
    child.stdin?.end(`${password}\n`)
  })

const titlesOf = (report: Opened): readonly string[] => report.opened.flatMap((one) => (one.title === undefined ? [] : [one.title])).toSorted((x, y) => x.localeCompare(y))

const two = (story: Story) => {
  const { A, B, C } = story.people
  if (A === undefined || B === undefined || C === undefined) throw new Error("devices are missing")
  return { a: A, b: B, c: C }
}

// ── 5 ────────────────────────────────────────────────────────────────────────────────────────────────────────────

export const step5 = async (story: Story): Promise<void> => {
  const { stage, say } = story
  const { a, c } = two(story)
  say.step(5, "C is stolen: removed, and dark even offline")
  await c.kf(["sync"])
  const idC = await deviceIdOf(c)
  await c.stopAgent()
  const disk = join(stage.folder, "disk-of-c")
  copyDisk(c.folder, disk)
  const recorded = join(stage.folder, "answer.json")
  const before = await foreign(disk, story.password, "--ask", stage.origin, "--record", recorded)
  say.check("with a lease answer recorded before the removal a foreign program opens the strict items", before.asked?.status === 200 && titlesOf(before).includes("Bybit main"), before)

  const removed = await a.kf(["device", "remove", idC, "--reason", "lost", "--yes"], { password: story.password })
  say.check("A removes C", removed.code === 0, removed.stderr)
  const text = removed.stdout + removed.stderr
  const list = await a.kf(["rotate", "ls"])
  const rotation = (list.document?.["data"] ?? []) as { title: string; harm: string }[]
  say.check("A prints what C could read, worst first", rotation[0]?.title === "Bybit main" && rotation[0].harm === "withdraws", [text, list.stdout])
  const epochs = await epochsOf(story)
  say.check("the account key and the vault key have rotated", epochs.account >= 2 && epochs.vault >= 2, epochs)
  const lease = leaseRow(story, idC)
  say.check("the lease key is gone from the lease store", lease === "dead without a key" || lease === "no row", lease)

  const after = await foreign(disk, story.password)
  say.check("without an answer the disk and the password open standard items and no strict one", !titlesOf(after).includes("Bybit main") && after.closed.some((r) => r.table === "strict"), after)
  const asked = await foreign(disk, story.password, "--ask", stage.origin)
  say.check("an answer cannot be had any more", asked.asked?.status !== 200 && !titlesOf(asked).includes("Bybit main"), asked)
  const held = await foreign(disk, story.password, "--answer", recorded)
  say.check("(what was answered before stays with whoever kept it: printed limit)", titlesOf(held).includes("Bybit main"))

  const late = await openNodeKeyferry({
    folder: disk,
    clock: { nowMs: () => Date.now() + 25 * 3_600_000, monotonicMs: () => performance.now() },
    http: { send: async () => undefined, stream: async () => ({ ok: false, error: undefined }) },
  })
  const refused = late.ok ? await late.value.unlock(story.password) : late
  say.check("our own client refuses after the grace", !refused.ok && refused.error.code === "lease-expired", refused)
  if (late.ok) await late.value.close()

  const online = await c.kf(["unlock"], { password: story.password })
  say.check("online, C verifies the removal", online.code !== 0 && online.error?.code === "device-removed", online.stderr)
  const wiped = new DatabaseSync(join(c.folder, "device.db"), { readOnly: true })
  const rows = Number(wiped.prepare("SELECT count(*) AS n FROM rows WHERE tbl IN ('item', 'strict', 'vault', 'bundle', 'state')").get()?.["n"])
  wiped.close()
  say.check("and wipes its store", rows === 0, rows)
  await c.stopAgent()
  const back = await c.kf(["login", stage.origin, "--address", ADDRESS, "--by", "kit"], { password: story.password, code: await story.code() })
  say.check("it returns only by full enrolment", back.code === 8 && back.error?.code === "device-not-verified", back.stderr)
  await c.stopAgent()
}

const strongroomFiles = (story: Story): readonly string[] => readdirSync(join(story.stage.serverFolder, "strongroom")).filter((n) => n.endsWith(".db"))

const withStore = <T>(story: Story, lease: boolean, look: (db: DatabaseSync, tables: readonly string[]) => T): T => {
  const name = strongroomFiles(story).find((n) => n.startsWith("lease") === lease) ?? ""
  const db = new DatabaseSync(join(story.stage.serverFolder, "strongroom", name), { readOnly: true })
  try {
    return look(
      db,
      db.prepare("SELECT name FROM sqlite_master WHERE type = 'table'").all().map((r) => String(r["name"])),
    )
  } finally {
    db.close()
  }
}

const epochsOf = async (story: Story): Promise<{ account: number; vault: number }> =>
  withStore(story, false, (db, tables) => {
    const most = (table: string): number => {
      if (!tables.includes(table)) return -1
      return Number(db.prepare(`SELECT max(epoch) AS e FROM ${table}`).get()?.["e"])
    }
    return { account: most("account_wrap"), vault: most("vault_wrap") }
  })

const leaseRow = (story: Story, deviceId: string): string =>
  withStore(story, true, (db, tables) => {
    const table = tables.find((t) => /^leases?$/.test(t)) ?? ""
    if (table === "") return `tables: ${tables.join(" ")}`
    const columns = db.prepare(`PRAGMA table_info(${table})`).all().map((c) => String(c["name"]))
    const rows = db.prepare(`SELECT ${columns.join(", ")} FROM ${table}`).all()
    const wanted = Buffer.from(base32(deviceId.slice(4)))
    const row = rows.find((r) => Object.values(r).some((v) => v instanceof Uint8Array && Buffer.from(v).equals(wanted)))
    if (row === undefined) return "no row"
    const sealed = Object.entries(row).filter(([name, v]) => /key|sealed/.test(name) && v instanceof Uint8Array && v.length > 32 && name !== "lease_pk")
    return sealed.length === 0 ? "dead without a key" : `still has ${sealed.map(([n]) => n).join(" ")}`
  })

const base32 = (text: string): Uint8Array => {
  const alphabet = "abcdefghijklmnopqrstuvwxyz234567"
  let bits = 0n
  for (const c of text) bits = (bits << 5n) | BigInt(alphabet.indexOf(c))
  bits >>= BigInt(text.length * 5 - 128)
  return Uint8Array.from({ length: 16 }, (_, i) => Number((bits >> BigInt(8 * (15 - i))) & 255n))
}

// ── 6 ────────────────────────────────────────────────────────────────────────────────────────────────────────────

export const step6 = async (story: Story): Promise<void> => {
  const { say } = story
  const { a } = two(story)
  say.step(6, "Doors that do not open by accident")
  const off = await a.kf(["2fa", "off", "--yes"], { password: story.password, code: await story.code() })
  say.check("two-factor off is refused while sync is on", off.code === 9 && off.error?.code === "two-factor-disable-blocked", off.stderr)
  const out = await a.kf(["logout"])
  say.check("logout with a local-only item refuses by default", out.code === 9, out.stderr)
  say.check("and names it", (out.stdout + out.stderr).includes("Stays here"), out.stderr)
  say.check("nothing was cleared", (await listOf(a)).some((i) => i.title === "Stays here"))
}

// ── 7 ────────────────────────────────────────────────────────────────────────────────────────────────────────────

export const step7 = async (story: Story): Promise<void> => {
  const { stage, say } = story
  const { a, b } = two(story)
  say.step(7, "Twenty rounds of kill -9 during pushes")
  const random = createSeededRandom("kill")
  const acknowledged: string[] = []
  let kills = 0
  for (let round = 0; round < 20; round++) {
    const [first = 0, second = 0] = random.bytes(2)
    const adding = (async () => {
      for (let i = 0; i < 3; i++) {
        const added = await a.kf(["add", "note", "--title", `Round ${round} note ${i}`, "--synced"], { "field:text": `text ${round} ${i}` })
        if (added.code === 0) acknowledged.push(idOf(added))
      }
    })()
    await new Promise((resolve) => setTimeout(resolve, 40 + first * 2))
    if (round % 2 === 0) {
      await stage.killServer()
      await new Promise((resolve) => setTimeout(resolve, second))
      await stage.startServer()
    } else {
      stage.killStrongroom()
    }
    kills++
    await adding
  }
  say.check(`${kills} kills, ${acknowledged.length} items acknowledged`, acknowledged.length >= 55, acknowledged.length)
  let last = ""
  const sent = await waitUntil(async () => {
    const synced = await a.kf(["sync"])
    last = synced.stderr + synced.stdout
    return synced.code === 0
  }, 60_000)
  say.check("A is in step with the server again", sent, last)
  const all = await waitUntil(async () => {
    await b.kf(["sync"])
    const ids = new Set((await listOf(b)).map((i) => i.id))
    return acknowledged.every((id) => ids.has(id))
  }, 60_000)
  const onB = (await listOf(b)).map((i) => i.id)
  say.check("every id acknowledged to a device is on the other", all, acknowledged.filter((id) => !onB.includes(id)))
  say.check("none is there twice", new Set(onB).size === onB.length && new Set((await listOf(b)).filter((i) => i.title.startsWith("Round")).map((i) => i.title)).size === acknowledged.length)
}

// ── 8 ────────────────────────────────────────────────────────────────────────────────────────────────────────────

export const step8 = async (story: Story): Promise<void> => {
  const { stage, say } = story
  const { a, b } = two(story)
  say.step(8, "All devices lost; then the server lost")
  await a.stopAgent()
  await b.stopAgent()
  const d = stage.person("ada-d")
  let mails = stage.mail.mails().length
  const login = await d.kf(["login", stage.origin, "--address", ADDRESS, "--device-name", "Replacement", "--by", "kit"], { password: story.password, code: await story.code() })
  await confirmByPage(story, await takeLink(story, mails), /\b\d{6}\b/.exec(login.stdout + login.stderr)?.[0] ?? "")
  const withKit = await d.kf(["login", "--by", "kit"], { kit: story.kit })
  await d.kf(["sync", "on", "--items", "none", "--auto-new"])
  say.check("password and kit bring everything back", withKit.code === 0 && (await fieldOf(d, story.ids["bybit"] ?? "", "secret")) === textOf(story, "bybit secret"), withKit.stderr)
  await d.stopAgent()

  const e = stage.person("ada-e")
  mails = stage.mail.mails().length
  const kitFile = join(stage.folder, "new-kit.txt")
  const recover = await e.kf(["recover", stage.origin, "--device-name", "From the kit"], { kit: story.kit, code: await story.code() })
  await confirmByPage(story, await takeLink(story, mails), /\b\d{6}\b/.exec(recover.stdout + recover.stderr)?.[0] ?? "")
  const newPassword = "kfc another good password"
  const finished = await e.kf(["recover", "--kit-file", kitFile], { "new-password": newPassword })
  say.check("the kit alone, with second factor and mail, makes a new password and a new kit", finished.code === 0, finished.stderr)
  const on = await e.kf(["sync", "on", "--items", "none", "--auto-new"])
  say.check("and brings everything back", on.code === 0 && (await fieldOf(e, story.ids["bybit"] ?? "", "secret")) === textOf(story, "bybit secret"), on.stderr)
  const check = await e.kf(["kit", "--check"], { kit: story.kit })
  say.check("the old kit is dead", check.code !== 0, check.stdout)
  const old = stage.person("ada-old")
  const dead = await old.kf(["recover", stage.origin], { kit: story.kit })
  say.check("it does not even sign in", dead.code !== 0, dead.stderr)
  const newKit = kitCodeIn(kitFile)
  say.check("the new one is another", newKit !== "" && newKit !== story.kit)

  const stopped = await stage.stopServer()
  say.check("the server ends with its line", /stopped: server 0, strongroom 0/.test(stopped.printed) && stopped.code === 0, stopped.printed.slice(-200))
  await e.stopAgent()
  const rescued = await e.kf(["rescue", "--yes"], { kit: newKit, "new-password": "kfc rescued with the kit" })
  say.check("with the server gone, kf rescue opens a device's store with the kit", rescued.code === 0 && (await fieldOf(e, story.ids["bybit"] ?? "", "secret")) === textOf(story, "bybit secret"), rescued.stderr)
  await e.stopAgent()
}

// ── 9 ────────────────────────────────────────────────────────────────────────────────────────────────────────────

export const step9 = async (story: Story): Promise<void> => {
  const { stage, say } = story
  say.step(9, "The canary search")
  const canaries = [...Object.values(story.canaries), canaryOf("kit", Buffer.from(story.kit)), canaryOf("password", Buffer.from(story.password))]
  const search = createCanarySearch(canaries)
  const [first] = canaries
  if (first === undefined) throw new Error("no canary")
  const controls = plantControls(first)
  const missed = controls.filter(({ bytes }) => search.inBytes(bytes, "control").length === 0)
  say.check(`the search finds its planted control in all ${controls.length} forms`, missed.length === 0, missed.map((m) => m.form))
  const planted = writeSecretFile(join(stage.serverFolder, "planted.bin"), `x${first.text}x`)
  say.check("and in a file of the server's folder", search.inPath(stage.serverFolder).findings.length > 0)
  rmSync(planted)
  const stores = search.inPath(stage.serverFolder)
  say.check(`nothing in the ${stores.files} files of server and strongroom (${Math.round(stores.sizeBytes / 1024)} kB)`, stores.findings.length === 0, stores.findings)
  const traffic = [...search.inBytes(stage.proxy.bytes("up"), "to the server"), ...search.inBytes(stage.proxy.bytes("down"), "from the server")]
  say.check("nothing in the captured traffic, both ways", traffic.length === 0, traffic)
  const mails = stage.mail.mails().flatMap((m, i) => search.inBytes(m.raw, `mail ${i}`))
  say.check(`nothing in ${stage.mail.mails().length} mails`, mails.length === 0, mails)
  say.check("nothing in the server's log", search.inBytes(Buffer.from(stage.serverLog()), "log").length === 0)
  const people = Object.values(story.people).flatMap((p) => (exists(p.folder) ? search.inPath(p.folder).findings : []))
  say.check("nothing readable in the devices' own stores and logs", people.length === 0, people)
}

const exists = (path: string): boolean => statSync(path, { throwIfNoEntry: false }) !== undefined
