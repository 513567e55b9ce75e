import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

import { afterAll, beforeAll, expect, test } from "vitest"

import { openNodeKeyferry } from "@keyferry/sdk/node"

import type { Keyferry } from "../keyferry.ts"
import { runCommand } from "../test/run-command.ts"

/* Commands on items, against the SDK itself on a device without an account. */

let folder = ""
let keyferry: Keyferry
const PASSWORD = "correct horse battery staple"
const SECRET = "s3cr3t-value-of-a-field"
const nowMs = Date.UTC(2026, 10, 20, 12)

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "kf-items-"))
  const opened = await openNodeKeyferry({ folder, clock: { nowMs: () => nowMs, monotonicMs: () => nowMs } })
  if (!opened.ok) throw new Error(opened.error.code)
  keyferry = opened.value
})

afterAll(async () => {
  await keyferry.close()
  rmSync(folder, { recursive: true, force: true })
})

const kf = (argv: readonly string[], wish: { readonly stdin?: string; readonly answers?: readonly string[] } = {}) =>
  runCommand(argv, { keyferry, nowMs, ...wish })
const idOf = (stdout: string): string => (JSON.parse(stdout) as { id: string }).id
const fileWith = (name: string, text: string): string => {
  const path = join(folder, name)
  writeFileSync(path, text, { mode: 0o600 })
  return path
}

test("the first add asks for one password, twice, and makes the vault", async () => {
  const added = await kf(["add", "login", "Shop", "url=https://shop.example.com"], {
    answers: ["ada", SECRET, PASSWORD, PASSWORD],
  })
  expect(added).toMatchObject({ exit: 0 })
  expect(added.asked).toEqual([
    "User name (Enter for none):",
    "Password (Enter for none):",
    "New password of this device's vault:",
    "Once more:",
  ])
  expect(added.stdout).toContain("Added “Shop”")
  expect(added.stdout + added.stderr).not.toContain(SECRET)
})

test("without a person a new item needs its required fields, and says which", async () => {
  const added = await kf(["add", "ssh-key", "deploy"])
  expect(added.exit).toBe(9)
  expect(added.stderr).toContain("private-key=- or @FILE")
})

test("a secret in the arguments is refused and not repeated", async () => {
  const added = await kf(["add", "login", "x", `password=${SECRET}`])
  expect(added.exit).toBe(2)
  expect(added.stderr).toContain("password=-")
  expect(added.stderr).not.toContain(SECRET)
})

test("an exchange key has the fields of its exchange, and the ends of pasted values are cut, with a word", async () => {
  const added = await kf(
    [
      "add",
      "exchange-key",
      "Kraken main",
      "exchange=Kraken",
      "key= AbCdEf1234567890AbCdEf1234567890 ",
      "secret=-",
      "--secrets-stdin",
      "--json",
    ],
    { stdin: `field:secret=${SECRET}\n` },
  )
  expect(added.exit).toBe(0)
  expect(added.stderr).toContain("“key” were cut")
  const view = await kf(["get", "kraken main", "--json"])
  expect(JSON.parse(view.stdout)).toMatchObject({
    schema: "kf.item/1",
    kind: "exchange-key",
    fields: [
      { name: "exchange", value: "kraken" },
      { name: "key", value: "AbCdEf1234567890AbCdEf1234567890" },
      { name: "secret", value: { redacted: true } },
    ],
  })
})

test("without a kind a person chooses one; a program is told the kinds", async () => {
  const added = await kf(["add"], { answers: ["3", "Binance main", "1", "k".repeat(64), "s".repeat(64), "Main desk"] })
  expect(added).toMatchObject({ exit: 0 })
  expect(added.asked[0]).toBe("What do you want to add?")
  expect(added.asked[2]).toBe("Which exchange is it?")
  expect((await kf(["get", "Main desk"])).stdout).toContain("binance")
  const refused = await kf(["add"])
  expect(refused.exit).toBe(9)
  expect(refused.stderr).toContain("exchange-key")
})

test("an exchange that nobody knows keeps the name it was given", async () => {
  const added = await kf(["add", "exchange-key", "Elsewhere"], {
    answers: ["Zzyzx Exchange", "k".repeat(20), "s".repeat(20), ""],
  })
  expect(added).toMatchObject({ exit: 0 })
  expect(added.stderr).toContain("not in the catalogue")
  expect((await kf(["get", "Elsewhere"])).stdout).toContain("Zzyzx Exchange")
})

test("a passphrase is asked for where the exchange has one", async () => {
  const added = await kf(["add", "exchange-key", "OKX", "exchange=okx"], {
    answers: ["k".repeat(36), "s".repeat(32), "phrase"],
  })
  expect(added.exit).toBe(0)
  expect(added.asked.some((question) => question.startsWith("Passphrase"))).toBe(true)
})

test("a file gives its text without the last line break, a .env file its variables", async () => {
  const secret = fileWith("secret", `${SECRET}\n`)
  expect((await kf(["add", "login", "From file", "username=ada", `password=@${secret}`])).stderr).toBe("")
  expect((await kf(["read", "From file", "password"])).stdout).toBe(`${SECRET}\n`)
  const env = "# comment\nexport A=1\nB=\"two\\nlines\" # why\nC='$raw # kept'\nD=\n"
  expect((await kf(["add", "env-set", "web", "--from-stdin"], { stdin: env })).exit).toBe(0)
  expect((await kf(["read", "web", "B"])).stdout).toBe("two\nlines\n")
  expect((await kf(["read", "web/C"])).stdout).toBe("$raw # kept\n")
})

test("a field is read by title and name, by path, by alias and by reference", async () => {
  for (const args of [
    ["Shop", "password"],
    ["shop", "pass"],
    ["Shop/password"],
    ["kf://Personal/Shop/password"],
    ["kf://~/shop/pw"],
  ]) {
    expect(await kf(["read", ...args])).toMatchObject({ exit: 0, stdout: `${SECRET}\n` })
  }
  expect((await kf(["read", "Shop", "password", "-n"])).stdout).toBe(SECRET)
})

test("the stable form of a reference survives a new title", async () => {
  const id = idOf((await kf(["get", "Shop", "--json"])).stdout)
  expect((await kf(["edit", id, "--title", "The shop"])).exit).toBe(0)
  expect((await kf(["read", `kf://id:${id}/password`])).stdout).toBe(`${SECRET}\n`)
  expect((await kf(["read", "Shop", "password"])).exit).toBe(3)
  await kf(["edit", id, "--title", "Shop"])
})

test("read -o writes a file of its own mode", async () => {
  const path = join(folder, "out")
  expect((await kf(["read", "Shop", "password", "-o", path])).exit).toBe(0)
  expect(readFileSync(path, "utf8")).toBe(`${SECRET}\n`)
  expect(statSync(path).mode & 0o777).toBe(0o600)
  expect((await kf(["read", "Shop", "password", "-o", path, "--mode", "0777x"])).exit).toBe(2)
})

test("two items of one title are told apart by the ids that the failure lists", async () => {
  const first = idOf((await kf(["add", "note", "Twin", "--from-stdin", "--json"], { stdin: "a" })).stdout)
  const second = idOf((await kf(["add", "note", "Twin", "--from-stdin", "--json"], { stdin: "b" })).stdout)
  const read = await kf(["read", "Twin", "text"])
  expect(read.exit).toBe(3)
  expect(read.stderr).toContain(first)
  expect(read.stderr).toContain(second)
  expect((await kf(["read", second, "text"])).stdout).toBe("b\n")
})

test("an edit keeps the old value in the history, and restore brings it back", async () => {
  const newer = fileWith("newer", "another secret")
  expect((await kf(["edit", "From file", `password=@${newer}`])).exit).toBe(0)
  const history = JSON.parse((await kf(["history", "From file", "--reveal", "--json"])).stdout) as {
    data: { rev: number; fields: { name: string; value: string }[] }[]
  }
  const old = history.data.find((revision) => revision.fields.some((field) => field.value === SECRET))
  expect(old).toBeDefined()
  expect((await kf(["history", "From file"])).stdout).not.toContain(SECRET)
  expect((await kf(["read", `kf://~/From file/password?version=${old?.rev}`])).stdout).toBe(`${SECRET}\n`)
  expect((await kf(["restore", "From file", "--rev", String(old?.rev)])).exit).toBe(0)
  expect((await kf(["read", "From file", "password"])).stdout).toBe(`${SECRET}\n`)
})

test("rm asks, the bin keeps, restore brings back", async () => {
  expect((await kf(["rm", "web"])).exit).toBe(9)
  expect((await kf(["rm", "web"], { answers: ["n"] })).exit).toBe(5)
  expect((await kf(["rm", "web", "no such item", "--yes"])).exit).toBe(3)
  expect((await kf(["ls", "web"])).stdout).toContain("web")
  expect((await kf(["rm", "web"], { answers: ["y"] })).exit).toBe(0)
  expect((await kf(["ls", "web"])).stdout).not.toContain("web")
  expect((await kf(["ls", "--bin"])).stdout).toContain("web")
  expect((await kf(["restore", "web"])).exit).toBe(0)
  expect((await kf(["ls", "web"])).stdout).toContain("web")
})

test("ls filters by words, kind, tag and place; --json=fields keeps the schema", async () => {
  await kf(["edit", "Shop", "--tag", "a", "--tag", "b"])
  expect((await kf(["ls", "--tag", "b"])).stdout.trim().split("\n")).toHaveLength(2)
  expect((await kf(["ls", "--kind", "note"])).stdout).not.toContain("Shop")
  expect((await kf(["ls", "--synced"])).stdout).toBe("")
  expect(JSON.parse((await kf(["ls", "shop", "--json=title"])).stdout)).toEqual({
    schema: "kf.items/1",
    data: [{ title: "Shop" }],
    nextCursor: null,
  })
})

test("the one-time code is that of the moment", async () => {
  const otp = fileWith("otp", "otpauth://totp/x?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&digits=8")
  await kf(["add", "login", "With code", "username=a", `otp=@${otp}`])
  // RFC 6238, appendix B: the secret is "12345678901234567890", the time 59 s.
  expect((await runCommand(["otp", "With code"], { keyferry, nowMs: 59_000 })).stdout).toBe("94287082\n")
  expect((await runCommand(["read", "kf://~/With code/otp?attribute=otp"], { keyferry, nowMs: 59_000 })).stdout).toBe(
    "94287082\n",
  )
  expect((await kf(["otp", "From file"])).exit).toBe(3)
})

test("a key made here is one that OpenSSH's format reader takes back", async () => {
  const made = JSON.parse((await kf(["gen", "--ssh", "ed25519", "--comment", "ada", "--json"])).stdout) as Record<
    string,
    string
  >
  const path = fileWith("key", made["privateKey"] ?? "")
  expect((await kf(["add", "ssh-key", "deploy", `private-key=@${path}`])).stderr).toBe("")
  const keys = JSON.parse((await kf(["ssh", "keys", "--json"])).stdout) as { data: { publicKey: string }[] }
  expect(keys.data[0]?.publicKey.split(" ").slice(0, 2)).toEqual(made["publicKey"]?.split(" ").slice(0, 2))
})

test("an SSH key made in the vault shows its public half, and a key that cannot be served is kept with a word", async () => {
  expect((await kf(["add", "ssh-key", "made", "--generate", "ed25519", "comment=ada@laptop"])).exit).toBe(0)
  const shown = await kf(["get", "made"])
  expect(shown.stdout).toMatch(/public-key +ssh-ed25519 \S+ ada@laptop/)
  expect(shown.stdout).toMatch(/fingerprint +SHA256:/)
  const strange = fileWith("strange", "-----BEGIN PRIVATE KEY-----\nbm90IGEga2V5\n-----END PRIVATE KEY-----\n")
  const kept = await kf(["add", "ssh-key", "strange", `private-key=@${strange}`])
  expect(kept.exit).toBe(0)
  expect(kept.stderr).toContain("cannot serve this key")
})

test("what is generated has the length asked for and enough chance in it", async () => {
  expect((await kf(["gen", "--len", "20"])).stdout.trim()).toHaveLength(20)
  expect((await kf(["gen", "--words", "5"])).stdout.trim().split("-")).toHaveLength(5)
  for (const weak of [
    ["--len", "8"],
    ["--words", "2"],
    ["--len", "20", "--words", "5"],
  ])
    expect((await kf(["gen", ...weak])).exit).toBe(2)
})

test("an archive comes back into an empty vault", async () => {
  const path = join(folder, "all.age")
  const exported = await kf(["export", "archive", "-o", path, "--secrets-stdin"], {
    stdin: "archive-passphrase=a long passphrase\n",
  })
  expect(exported.exit).toBe(0)
  expect(readFileSync(path, "latin1")).toMatch(/^age-encryption\.org\/v1\n/)
  const again = await kf(["import", "archive", path, "--secrets-stdin", "--json"], {
    stdin: "archive-passphrase=a long passphrase\n",
  })
  expect(JSON.parse(again.stdout)).toMatchObject({ schema: "kf.import/1", added: 0, refused: [] })
  const wrong = await kf(["import", "archive", path, "--secrets-stdin"], { stdin: "archive-passphrase=another\n" })
  expect(wrong.exit).toBe(11)
})

test("kf kinds --json is the table of the registry", async () => {
  const printed = JSON.parse((await kf(["kinds", "--json"])).stdout) as {
    schema: string
    data: readonly { kind: string }[]
  }
  expect(printed.schema).toBe("kf.kinds/1")
  expect(printed.data).toHaveLength(10)
})

test("a locked vault asks where a person is, and refuses with exit 4 where none is", async () => {
  await keyferry.lock()
  expect((await kf(["ls"])).exit).toBe(4)
  expect((await kf(["ls", "--password-stdin"], { stdin: "wrong" })).exit).toBe(4)
  const listed = await kf(["ls"], { answers: ["wrong one", PASSWORD] })
  expect(listed.exit).toBe(0)
  expect(listed.asked).toHaveLength(2)
})

test("[ambiguous-reference] two items of one name: the ids are listed, and nothing is guessed", async () => {
  for (const text of ["one", "two"]) {
    expect((await kf(["add", "note", "Twin", "text=-"], { stdin: text })).exit).toBe(0)
  }
  const read = await kf(["read", "Twin", "text"])
  expect(read.exit).toBe(3)
  expect(new Set(read.stderr.match(/itm_[a-z2-7]{26}/g)).size).toBeGreaterThan(1)
  expect(JSON.parse((await kf(["get", "Twin", "--json"])).stderr)).toMatchObject({ code: "ambiguous-reference" })
})

test("[credential-not-on-device] a host whose credential is elsewhere says so", async () => {
  const credential = `itm_${"a".repeat(26)}`
  expect((await kf(["add", "host", "Far", "address=far.example.com", `credential=${credential}`])).exit).toBe(0)
  const read = await kf(["read", "Far", "user", "--json"])
  expect(read.exit).toBe(3)
  expect(JSON.parse(read.stderr)).toMatchObject({ code: "credential-not-on-device" })
})

test("[shrink-guard] a script that would delete most of a vault is stopped, unless it says --yes", async () => {
  const titles = Array.from({ length: 60 }, (_, i) => `Many ${i}`)
  expect(
    (
      await keyferry.addMany(
        titles.map((title) => ({ kind: "snippet", title, fields: [{ name: "text", value: "x", secret: false }] })),
      )
    ).ok,
  ).toBe(true)
  const stopped = await kf(["rm", ...titles, "--json"])
  expect(stopped.exit).toBe(9)
  expect(JSON.parse(stopped.stderr)).toMatchObject({ code: "shrink-guard" })
  expect((await kf(["rm", ...titles, "--yes"])).exit).toBe(0)
})

test("the key of a main wallet is refused, an agent's is taken; the refusal names no value", async () => {
  const main = `${"0".repeat(63)}1`
  const words = ["exchange=hyperliquid", "wallet-address=0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf"]
  const refused = await kf(["add", "exchange-key", "Main", ...words, `private-key=@${fileWith("main", main)}`])
  expect(refused.exit).toBe(2)
  expect(refused.stderr).toContain("main wallet")
  expect(refused.stderr).not.toContain(main)
  const agent = `private-key=@${fileWith("agent", `${"0".repeat(63)}2`)}`
  expect((await kf(["add", "exchange-key", "Agent", ...words, agent])).exit).toBe(0)
  const edited = await kf(["edit", "Agent", `private-key=@${fileWith("main", main)}`])
  expect(edited.exit).toBe(2)
  expect(edited.stderr).toContain("main wallet")
})

test("a key that may withdraw is said aloud when it is added, changed and synced, also under --quiet", async () => {
  const add = (title: string, permissions: string) =>
    kf([
      "--quiet",
      "add",
      "exchange-key",
      title,
      "exchange=bybit",
      "key=AbCdEfGh1234567890",
      `permissions=${permissions}`,
      `secret=@${fileWith("s", "abcdefghijklmnopqrstuvwxyz0123456789")}`,
    ])
  const trades = await add("Trader", "read, trade")
  expect(trades).toMatchObject({ exit: 0, stderr: "" })
  const withdraws = await add("Vaulted", "read, Withdraw")
  expect(withdraws.exit).toBe(0)
  expect(withdraws.stderr).toContain("“Vaulted” can move money out")
  expect(withdraws.stderr).not.toContain("kf local")
  const edited = await kf(["--quiet", "edit", "Trader", "permissions=trade, withdraw"])
  expect(edited.stderr).toContain("“Trader” can move money out")
  expect((await kf(["--quiet", "edit", "Trader", "region=eu"])).stderr).not.toContain("money")
})
