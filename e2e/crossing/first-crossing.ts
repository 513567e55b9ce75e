import { join } from "node:path"

import { createSeededRandom, makeCanary, type Canary } from "@keyferry/testkit"

import { createAuthenticator } from "../devices/world.ts"
import type { Recorder } from "./recorder.ts"
import { type Answer, kitCodeIn, type Person, type Stage, waitUntil, writeSecretFile } from "./stage.ts"

/** What the later steps need of the earlier ones. */
export interface Story {
  readonly stage: Stage
  readonly say: Recorder
  readonly canaries: Record<string, Canary>
  password: string
  kit: string
  code: () => Promise<string>
  readonly people: Record<string, Person>
  readonly ids: Record<string, string>
  readonly bytesOf: (path: string) => Buffer
}

export const ADDRESS = "ada@example.org"
export const PASSWORD = "kfc correct horse battery staple"

export const createStory = (stage: Stage, say: Recorder): Story => {
  const random = createSeededRandom("first crossing")
  const canaries: Record<string, Canary> = {}
  for (const name of ["bybit secret", "okx secret", "ssh note", "login password", "local note", "title", "edited secret"]) canaries[name] = makeCanary(name, random)
  return {
    stage,
    say,
    canaries,
    password: PASSWORD,
    kit: "",
    code: async () => "",
    people: {},
    ids: {},
    bytesOf: () => Buffer.alloc(0),
  }
}

export const textOf = (story: Story, name: string): string => story.canaries[name]?.text ?? ""

/** A text of the document that `kf` printed; empty where it has none. */
const textIn = (answer: Answer, name: string): string => {
  const value = answer.document?.[name]
  return typeof value === "string" ? value : ""
}

export const idOf = (answer: Answer): string => textIn(answer, "id")

const byText = (x: string, y: string): number => (x < y ? -1 : x > y ? 1 : 0)

/** Titles of `kf ls`, with where each is. */
export const listOf = async (person: Person): Promise<readonly { id: string; title: string; custody: string; class: string; kind: string }[]> => {
  const answer = await person.kf(["ls"])
  const rows = answer.document?.["data"]
  return Array.isArray(rows) ? rows : []
}

export const fieldOf = async (person: Person, id: string, field: string): Promise<string> => {
  const answer = await person.kf(["read", `kf://id:${id}/${field}`])
  return typeof answer.document?.["value"] === "string" ? answer.document["value"] : answer.stdout.replace(/\n$/, "")
}

/** The mailed link's token and nothing else of the mail. */
export const takeLink = async (story: Story, after: number): Promise<string> => {
  const mail = await story.stage.mail.waitForMail((m) => story.stage.mail.mails().indexOf(m) >= after && m.links.some((l) => l.includes("/v/#")), 15_000)
  return mail.links.find((l) => l.includes("/v/#")) ?? ""
}

export const confirmByPage = async (story: Story, link: string, code: string): Promise<number> => {
  const token = link.split("#")[1]?.replace(/^t=/, "") ?? ""
  const reply = await fetch(`${story.stage.origin}/api/v1/confirm`, {
    method: "POST",
    headers: { "content-type": "application/json", "sec-fetch-site": "same-origin", "idempotency-key": `req_${"a".repeat(26)}` },
    body: JSON.stringify({ token, code }),
  })
  return reply.status
}

// ── 1 ────────────────────────────────────────────────────────────────────────────────────────────────────────────

export const step1 = async (story: Story): Promise<void> => {
  const { stage, say } = story
  say.step(1, "Ada keeps keys on one machine, makes an account, and nothing leaves")
  const link = /http\S+#t=\S+/.exec(stage.serverOutput())?.[0] ?? ""
  const operator = stage.person("op")
  const made = await operator.kf(["signup", link, "--address", "operator@example.org", "--kit-file", join(stage.folder, "op-kit.txt")], { password: "operator password one" })
  say.check("the first link makes the operator's account", made.code === 0, made.stderr)
  const invited = await stage.keyferry(["invite"])
  const invitation = /http\S+#t=\S+/.exec(invited.stdout)?.[0] ?? ""
  say.check("the operator invites Ada", invitation !== "", invited.stdout + invited.stderr)

  const a = stage.person("ada-a")
  story.people["A"] = a
  const first = await a.kf(["add", "exchange-key", "--title", "Bybit main", "exchange=bybit", "key=abcdEFGH1234abcdEF"], { password: story.password, "field:secret": textOf(story, "bybit secret") })
  say.check("an exchange key is kept with no account and no server asked", first.code === 0, first.stderr)
  story.ids["bybit"] = idOf(first)
  const second = await a.kf(["add", "exchange-key", "--title", "OKX desk", "exchange=okx", "key=0a1b2c3d-1234-5678-9abc-0a1b2c3d4e5f"], { "field:secret": textOf(story, "okx secret"), "field:passphrase": "Passphrase-1" })
  say.check("a second one, with its passphrase", second.code === 0, second.stderr)
  story.ids["okx"] = idOf(second)
  const key = await a.kf(["gen", "--ssh", "ed25519"])
  const keyFile = writeSecretFile(join(a.home.path, "id"), textIn(key, "privateKey") || key.stdout)
  const ssh = await a.kf(["add", "ssh-key", "--title", textOf(story, "title"), `private-key=@${keyFile}`])
  say.check("an SSH key", ssh.code === 0, ssh.stderr)
  story.ids["ssh"] = idOf(ssh)

  const kitFile = join(a.home.path, "kit.txt")
  const signedUp = await a.kf(["signup", invitation, "--address", ADDRESS, "--device-name", "Laptop", "--kit-file", kitFile], { password: story.password })
  say.check("Ada signs up", signedUp.code === 0, signedUp.stderr)
  story.kit = kitCodeIn(kitFile)
  say.check("the kit is saved", /^KF1(-[0-9A-Z]{4}){9}$/.test(story.kit))
  const counts = await countRows(stage)
  say.check("the stores hold no vault, record or item of hers", counts.vaults === 0 && counts.records === 0, counts)
}

/** Looks into the strongroom's own database. */
export const countRows = async (stage: Stage): Promise<{ vaults: number; records: number }> => {
  const { DatabaseSync } = await import("node:sqlite")
  const { readdirSync } = await import("node:fs")
  const folder = join(stage.serverFolder, "strongroom")
  const file = readdirSync(folder).find((name) => name.endsWith(".db") && !name.startsWith("lease")) ?? ""
  const db = new DatabaseSync(join(folder, file), { readOnly: true })
  const tables = db.prepare("SELECT name FROM sqlite_master WHERE type = 'table'").all().map((r) => String(r["name"]))
  const count = (name: string | undefined): number => (name === undefined ? -1 : Number(db.prepare(`SELECT count(*) AS n FROM "${name}"`).get()?.["n"]))
  const result = { vaults: count(tables.find((t) => /^vaults?$/.test(t))), records: count(tables.find((t) => /^records?$/.test(t))) }
  db.close()
  return result
}

// ── 2 ────────────────────────────────────────────────────────────────────────────────────────────────────────────

export const step2 = async (story: Story): Promise<void> => {
  const { stage, say } = story
  const a = story.people["A"]
  if (a === undefined) throw new Error("no A")
  say.step(2, "Sync needs a second factor and a confirmed device; then one key goes, one stays")
  const noFactor = await a.kf(["sync", "on", "--items", "none"])
  say.check("without a second factor sync names the way out", noFactor.code === 8 && noFactor.error?.code === "two-factor-required" && (noFactor.error.action ?? "").includes("2fa on"), noFactor.stderr)
  const setup = await a.kf(["2fa", "on"])
  const otpauth = textIn(setup, "otpauth")
  story.code = createAuthenticator(otpauth)
  const on = await a.kf(["2fa", "confirm"], { code: await story.code() })
  say.check("TOTP is on", on.code === 0, on.stderr)

  const byHand = await uploadByHand(story)
  say.check("an upload made by hand from the unconfirmed device is refused by server and strongroom", byHand === "device-not-verified", byHand)
  say.check("and nothing of it was kept", (await countRows(stage)).records === 0)

  const mails = stage.mail.mails().length
  const waiting = await a.kf(["sync", "on", "--items", "none"])
  say.check("the unconfirmed device is told so, with its code", waiting.code === 8, waiting.stderr)
  const code = /\b\d{6}\b/.exec(waiting.stdout + waiting.stderr)?.[0] ?? ""
  const status = await confirmByPage(story, await takeLink(story, mails), code)
  say.check("the mailed link with the typed code confirms it", status === 200, status)
  const one = await a.kf(["sync", "on", "--items", story.ids["bybit"] ?? "", "--no-auto-new"])
  say.check("sync is on", one.code === 0, one.stderr)
  const list = await listOf(a)
  const where = (id: string | undefined) => list.find((i) => i.id === id)?.custody
  say.check("one key is uploaded, one is kept local", where(story.ids["bybit"]) === "synced" && where(story.ids["okx"]) === "local", list)
  await a.kf(["local", story.ids["okx"] ?? ""])
  const note = await a.kf(["add", "note", "--title", "Stays here", "--local"], { "field:text": textOf(story, "local note") })
  story.ids["note"] = idOf(note)
  const auto = await a.kf(["sync", "auto", "on"])
  const login = await a.kf(["add", "login", "--title", "Shop", "username=ada", "url=https://shop.example"], { "field:password": textOf(story, "login password") })
  story.ids["login"] = idOf(login)
  await a.kf(["synced", story.ids["ssh"] ?? ""])
  const synced = await a.kf(["sync"])
  const later = await listOf(a)
  say.check("automatic sync takes what is added from now on", auto.code === 0 && synced.code === 0 && later.find((i) => i.id === story.ids["login"])?.custody === "synced", later)
  say.check("and leaves what is local-only", later.find((i) => i.id === story.ids["note"])?.custody === "local")
}

/** A push signed with the device's own key, outside of `kf`. Answers the code of the refusal. */
const uploadByHand = async (story: Story): Promise<string> => {
  const { cpSync } = await import("node:fs")
  const { createFileStore, createNodeHttp, createSecretFile } = await import("@keyferry/sdk/node")
  const { nodePrimitives } = await import("@keyferry/crypto/node")
  const { deviceRecord } = await import("../../packages/sdk/src/formats.ts")
  const { loadAuthSeed, requestSigner } = await import("../../packages/sdk/src/device.ts")
  const { createTransport } = await import("../../packages/sdk/src/transport.ts")
  const { syncRequestStruct } = await import("@keyferry/protocol")
  const { formatId } = await import("@keyferry/base")
  const { randomBytes } = await import("node:crypto")
  const copy = join(story.stage.folder, "by-hand")
  cpSync(story.people["A"]?.folder ?? "", copy, { recursive: true, filter: (path) => !path.endsWith(".sock") && !path.endsWith(".lock") })
  const store = createFileStore(join(copy, "device.db"))
  const ports = {
    store,
    secrets: createSecretFile(join(copy, "device.secret")),
    http: createNodeHttp(),
    clock: { nowMs: () => Date.now(), monotonicMs: () => performance.now() },
    random: { bytes: (n: number) => new Uint8Array(randomBytes(n)) },
    primitives: nodePrimitives,
    platform: "by hand",
    client: "by-hand/1",
    failureOf: () => undefined,
    schedule: () => () => undefined,
  }
  const bytes = await store.read("clear", "device")
  const record = bytes === undefined ? undefined : deviceRecord.decode(bytes, 65_536)
  const seed = await loadAuthSeed(ports)
  await store.close()
  if (record?.ok !== true || record.value.account === undefined || seed === undefined) return "the copy holds no device"
  const signer = requestSigner(ports, formatId("dev", record.value.account.deviceId), "kf1-dev", seed)
  const zero = new Uint8Array(32)
  const body = syncRequestStruct.encode({ account: [0, zero], cursors: [], pushes: [{ vaultId: new Uint8Array(32).fill(1), links: [new Uint8Array(10)], records: [new Uint8Array(10)] }], maxBytes: 1000 })
  const reply = await createTransport(ports, story.stage.origin).cbor("sync", body, { signer })
  return reply.ok ? "accepted" : reply.error.code
}

// ── 3 ────────────────────────────────────────────────────────────────────────────────────────────────────────────

export const step3 = async (story: Story): Promise<void> => {
  const { stage, say } = story
  const a = story.people["A"]
  if (a === undefined) throw new Error("no A")
  say.step(3, "A second device by mail and kit, a third by words")
  const b = stage.person("ada-b")
  story.people["B"] = b
  const mails = stage.mail.mails().length
  const login = await b.kf(["login", stage.origin, "--address", ADDRESS, "--device-name", "Desk", "--by", "kit"], { password: story.password, code: await story.code() })
  const shown = /\b\d{6}\b/.exec(login.stdout + login.stderr)?.[0] ?? ""
  say.check("B signs in with password and TOTP and shows its code", login.code === 8 && shown !== "", login.stderr)
  const link = await takeLink(story, mails)
  await scannerVisits(stage, link)
  const still = await b.kf(["status"])
  say.check("a scanner that opens, posts and runs everything of the mailed link changes nothing", JSON.stringify(still.document).includes('"pending"'), still.stdout)
  const wrong = await confirmByPage(story, link, shown === "111111" ? "222222" : "111111")
  say.check("a wrong code does not confirm", wrong !== 200, wrong)
  const right = await confirmByPage(story, link, shown)
  say.check("the typed code confirms", right === 200, right)
  const keys = await b.kf(["login", "--by", "kit"], { kit: story.kit })
  say.check("the keys come by kit", keys.code === 0, keys.stderr)
  const on = await b.kf(["sync", "on", "--items", "none", "--auto-new"])
  say.check("B retrieves, and says how far it is", on.code === 0 && /retrieving|Retrieving/.test(on.stdout + on.stderr), on.stdout + on.stderr)

  const c = stage.person("ada-c")
  story.people["C"] = c
  const mailsBefore = stage.mail.mails().filter((m) => m.links.some((l) => l.includes("/v/#"))).length
  const waiting = c.start(["login", stage.origin, "--address", ADDRESS, "--device-name", "Travel", "--by", "words"], { password: story.password, code: await story.code() })
  const asked = await waitUntil(async () => JSON.stringify((await a.kf(["device", "ls"])).document).includes('"pending"'))
  say.check("C asks to be let in, and A sees it", asked)
  const started = await a.kf(["device", "approve"], { password: story.password })
  const exit = await waiting.exited
  const words = /"words":\s*\[([^\]]+)\]/.exec(waiting.stdout())?.[1]?.replaceAll(/["\s]/g, "").split(",") ?? []
  say.check("C shows three words after A answered", exit.code === 9 && words.length === 3, [started.stderr, waiting.stdout(), waiting.stderr()])
  const approving = a.start(["device", "approve"], { password: story.password, words: words.join(" ") })
  const reply = (await approving.waitForLine(/"reply":\s*\[([^\]]+)\]/).catch(() => undefined))?.[1]?.replaceAll(/["\s]/g, "").split(",") ?? []
  const joined = await c.kf(["login", "--by", "words"], { reply: reply.join(" ") })
  const ended = await approving.exited
  say.check("C is approved by words typed on A, and by the reply typed on C", joined.code === 0 && ended.code === 0, [joined.stderr, approving.stderr(), approving.stdout()])
  await c.kf(["sync", "on", "--items", "none", "--auto-new"])
  const mailsAfter = stage.mail.mails().filter((m) => m.links.some((l) => l.includes("/v/#"))).length
  say.check("no mailed link was opened for C", mailsAfter - mailsBefore <= 1)
  const [onB, onC] = [await listOf(b), await listOf(c)]
  const want = ["bybit", "login", "ssh"].map((n) => story.ids[n] ?? "").toSorted(byText)
  say.check("B has what syncs", JSON.stringify(onB.map((i) => i.id).toSorted(byText)) === JSON.stringify(want), onB)
  say.check("C has what syncs", JSON.stringify(onC.map((i) => i.id).toSorted(byText)) === JSON.stringify(want), onC)
  say.check("neither has the local-only ones", ![...onB, ...onC].some((i) => i.id === story.ids["okx"] || i.id === story.ids["note"]))
  say.check("the secret is the same on C", (await fieldOf(c, story.ids["bybit"] ?? "", "secret")) === textOf(story, "bybit secret"))
}

/** What mail scanners do: GET, HEAD, empty POST of the page, every resource it names, every form, its script's own calls without a code. */
const scannerVisits = async (stage: Stage, link: string): Promise<void> => {
  const url = new URL(link)
  const token = url.hash.slice(1).replace(/^t=/, "")
  const page = `${url.origin}${url.pathname}`
  for (const method of ["GET", "HEAD", "POST", "PUT", "OPTIONS"]) await fetch(page, { method }).catch(() => undefined)
  await fetch(`${page}?t=${token}`).catch(() => undefined)
  const html = await (await fetch(page)).text()
  for (const [, path] of html.matchAll(/(?:src|href|action)="([^"]+)"/g)) {
    const target = new URL(path ?? "", page)
    for (const method of ["GET", "POST"]) await fetch(target, { method }).catch(() => undefined)
  }
  for (const body of ["", "{}", JSON.stringify({ token }), JSON.stringify({ token, code: "" })]) {
    for (const path of ["/api/v1/confirm/describe", "/api/v1/confirm"]) {
      await fetch(url.origin + path, { method: "POST", headers: { "content-type": "application/json" }, body }).catch(() => undefined)
    }
  }
}

// ── 4 ────────────────────────────────────────────────────────────────────────────────────────────────────────────

export const step4 = async (story: Story): Promise<void> => {
  const { stage, say } = story
  const [a, b] = [story.people["A"], story.people["B"]]
  if (a === undefined || b === undefined) throw new Error("no devices")
  say.step(4, "Edits travel through the feed; offline edits both survive")
  const deviceA = await deviceIdOf(a)
  await a.kf(["sync"])
  const from = stage.proxy.nowMs()
  const edit = await b.kf(["edit", story.ids["login"] ?? "", "username=ada-b"])
  const arrived = await waitUntil(async () => (await fieldOf(a, story.ids["login"] ?? "", "username")) === "ada-b")
  const to = stage.proxy.nowMs()
  say.check("an edit on B shows on A", edit.code === 0 && arrived, edit.stderr)
  const asked = requestsOf(stage, deviceA, from, to)
  say.check("captured traffic shows no request by A in between", asked.length === 0, asked)

  stage.proxy.unplug()
  const typed = (text: string) => writeSecretFile(join(stage.folder, `typed-${text.slice(-1)}`), text)
  const [mine, theirs] = [`${textOf(story, "edited secret")}A`, `${textOf(story, "edited secret")}B`]
  const offA = await a.kf(["edit", story.ids["login"] ?? "", "username=from-a", `password=@${typed(mine)}`])
  const offB = await b.kf(["edit", story.ids["login"] ?? "", "url=https://b.example", `password=@${typed(theirs)}`])
  say.check("both edit while the cable is out", offA.code === 0 && offB.code === 0, [offA.stderr, offB.stderr])
  stage.proxy.plug()
  await a.kf(["sync"])
  await b.kf(["sync"])
  await a.kf(["sync"])
  const settled = await waitUntil(async () => (await fieldOf(b, story.ids["login"] ?? "", "username")) === "from-a" && (await fieldOf(a, story.ids["login"] ?? "", "url")) === "https://b.example")
  say.check("offline edits of different fields both survive, on both", settled)
  const [pa, pb] = [await fieldOf(a, story.ids["login"] ?? "", "password"), await fieldOf(b, story.ids["login"] ?? "", "password")]
  const conflicts = await a.kf(["conflicts", "show", story.ids["login"] ?? "", "--reveal"])
  const text = conflicts.stdout
  say.check("of the same secret field there is one winner everywhere", pa === pb && pa.startsWith(textOf(story, "edited secret")), [pa.slice(-1), pb.slice(-1)])
  say.check("and one conflict that keeps both values", text.includes(mine) && text.includes(theirs), conflicts.stderr)
  const picked = await a.kf(["conflicts", "pick", story.ids["login"] ?? "", "password", "--take", "current"])
  say.check("a person chooses, and the conflict is gone", picked.code === 0 && (await a.kf(["sync"])).code === 0, picked.stderr)
}

export const deviceIdOf = async (person: Person): Promise<string> => /dev_[a-z2-7]+/.exec((await person.kf(["status"])).stdout)?.[0] ?? ""

/** Requests that a device signed between two moments, by the key id in their signature. */
const requestsOf = (stage: Stage, deviceId: string, from: number, to: number): readonly string[] =>
  stage.proxy
    .chunks()
    .filter((c) => c.direction === "up" && c.atMs >= from && c.atMs <= to)
    .map((c) => Buffer.from(c.bytes).toString("latin1"))
    .filter((text) => text.includes(`keyid="${deviceId}"`))
    .map((text) => text.split("\r\n")[0] ?? "")
