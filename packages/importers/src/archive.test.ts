import { bytesToHex, concatBytes, formatId, utf8 } from "@keyferry/base"
import { nodePrimitives } from "@keyferry/crypto/node"
import { processorTimer } from "@keyferry/testkit"
import { buildFields, type Item, kinds, makeItem } from "@keyferry/items"
import {
  Decrypter,
  Encrypter,
  generateHybridIdentity,
  generateX25519Identity,
  identityToRecipient,
} from "age-encryption"
import { describe, expect, test } from "vitest"

import { openAge, sealAge } from "./age-file.ts"
import { sha256 } from "./fingerprint.ts"
import type { Scrypt } from "./format.ts"
import {
  type ArchiveContent,
  assignIds,
  detectFormat,
  exportArchive,
  itemToJson,
  keyferryArchive,
  planImport,
} from "./index.ts"
import { readTar, type TarFile, writeTar } from "./tar.ts"

const vaultId = new Uint8Array(32).fill(2)
const idOf = (n: number): Uint8Array => new Uint8Array(16).fill(n)
const identity = await generateX25519Identity()
const recipient = await identityToRecipient(identity)
const { scrypt } = nodePrimitives
const PASSPHRASE = { passphrase: "correct horse battery staple", scrypt }

const items: readonly Item[] = kinds.map((kind, i) => {
  const built = buildFields(kind, Object.entries(kind.example.fields))
  if (!built.ok) throw new Error(kind.kind)
  return makeItem({
    itemId: idOf(i + 1),
    vaultId,
    kind: kind.kind,
    title: kind.example.title,
    fields: built.value.fields,
    nowMs: 1000 + i,
  })
})
const rich: Item = {
  ...makeItem({
    itemId: idOf(100),
    vaultId,
    kind: "login",
    title: 'Ünï\n"cødé"',
    fields: new Map([["a/b", { value: "\u0000\\", secret: true }]]),
    nowMs: 7,
  }),
  notes: "n",
  tags: ["x"],
  leaseClass: "strict",
  alternatives: [{ field: "a/b", value: "other", deviceId: idOf(9), revision: 3 }],
  origin: { source: "dotenv", id: ".env" },
  unknownKeys: new Map([[40, ["later"]]]),
  unknownFlags: new Map([[9, true]]),
}
const content: ArchiveContent = {
  vaults: [{ vaultId, name: "Personal" }],
  items: [...items, rich],
  history: [{ revision: 1, savedMs: 500, item: { ...rich, title: "Before" } }],
  createdMs: Date.UTC(2026, 0, 2),
}

const made = async (reader: Parameters<typeof exportArchive>[1]): Promise<Uint8Array> => {
  const archive = await exportArchive(content, reader, { scryptLogN: 10 })
  if (!archive.ok) throw new Error(archive.error.code)
  return archive.value
}

const open = (bytes: Uint8Array, key?: Parameters<typeof keyferryArchive.parse>[1]["key"]) =>
  keyferryArchive.parse(bytes, { nowMs: 0, ...(key === undefined ? {} : { key }) })

const sealTar = async (tar: Uint8Array): Promise<Uint8Array> => {
  const sealed = await sealAge(tar, { recipients: [recipient] })
  if (!sealed.ok) throw new Error(sealed.error.code)
  return sealed.value
}

/** An archive around given files, with true sums unless they are given. */
const archiveOf = async (files: readonly TarFile[]): Promise<Uint8Array> => {
  const sums = await Promise.all(files.map(async (file) => `${bytesToHex(await sha256(file.bytes))}  ${file.name}\n`))
  return sealTar(writeTar([...files, { name: "SHA256SUMS", bytes: utf8(sums.join("")) }], 0))
}

const file = (name: string, text: string): TarFile => ({ name, bytes: utf8(text) })
const MANIFEST = file("manifest.json", '{"format":"keyferry-archive","version":1,"vaults":[]}')

describe("archives", () => {
  test.each([
    ["a passphrase", PASSPHRASE, PASSPHRASE],
    ["a recipient", { recipients: [recipient] }, { identities: [identity] }],
  ])("everything comes back through %s, and exporting that again gives the same lines", async (_name, reader, key) => {
    const bytes = await made(reader)
    expect(detectFormat(bytes)).toBe(keyferryArchive)
    const result = await open(bytes, key)
    if (!result.ok) throw new Error(JSON.stringify(result.error))
    expect(result.value.unmapped).toEqual([])
    const back = assignIds(result.value.items, vaultId, () => false, { bytes: (n) => new Uint8Array(n).fill(0xee) })
    expect(back).toEqual(content.items)
    expect(back.map((item) => JSON.stringify(itemToJson(item)))).toEqual(
      content.items.map((item) => JSON.stringify(itemToJson(item))),
    )
    expect(result.value.items[0]?.vaultName).toBe("Personal")
    expect(result.value.history).toMatchObject([{ revision: 1, savedMs: 500, item: { title: "Before" } }])
  })

  test("a post-quantum recipient opens it, among others", async () => {
    const hybrid = await generateHybridIdentity()
    const bytes = await made({ recipients: [await identityToRecipient(hybrid)] })
    expect((await open(bytes, { identities: [hybrid] })).ok).toBe(true)
    expect(await open(bytes, { identities: [identity] })).toEqual({
      ok: false,
      error: { code: "archive-key-wrong", kind: "identity" },
    })
  })

  test("the wrong key, no key and no reader each say so", async () => {
    const byPassphrase = await made(PASSPHRASE)
    expect(await open(byPassphrase, { passphrase: "wrong", scrypt })).toEqual({
      ok: false,
      error: { code: "archive-key-wrong", kind: "passphrase" },
    })
    expect(await open(byPassphrase)).toEqual({ ok: false, error: { code: "archive-key-needed", kind: "passphrase" } })
    expect(await open(byPassphrase, { identities: [identity] })).toMatchObject({
      error: { code: "archive-key-needed", kind: "passphrase" },
    })
    const byRecipient = await made({ recipients: [recipient] })
    expect(await open(byRecipient, PASSPHRASE)).toMatchObject({
      error: { code: "archive-key-needed", kind: "identity" },
    })
    expect(await open(byRecipient, { identities: ["AGE-SECRET-KEY-1NONSENSE"] })).toMatchObject({
      error: { code: "archive-key-wrong" },
    })
    expect(await exportArchive(content, { recipients: [recipient, "age1nonsense"] })).toEqual({
      ok: false,
      error: { code: "bad-recipient", index: 1 },
    })
    expect(await exportArchive(content, { recipients: [] })).toEqual({ ok: false, error: { code: "no-reader" } })
    expect(await exportArchive(content, { passphrase: "", scrypt })).toEqual({
      ok: false,
      error: { code: "no-reader" },
    })
  })

  test("a passphrase of ours opens with the age library, and one of the library with ours", async () => {
    const text = utf8("across")
    const ours = await sealAge(text, PASSPHRASE, 10)
    if (!ours.ok) throw new Error(ours.error.code)
    const decrypter = new Decrypter()
    decrypter.addPassphrase(PASSPHRASE.passphrase)
    expect(await decrypter.decrypt(ours.value)).toEqual(text)
    const encrypter = new Encrypter()
    encrypter.setPassphrase(PASSPHRASE.passphrase)
    encrypter.setScryptWorkFactor(10)
    expect(await openAge(await encrypter.encrypt(text), PASSPHRASE)).toEqual({ ok: true, value: text })
  })

  test("the host stretches the passphrase, with the work that the file names and the salt under age's label", async () => {
    const asked: unknown[] = []
    const watched: Scrypt = (password, salt, options) => {
      asked.push([password, salt.length, options])
      return scrypt(password, salt, options)
    }
    expect((await open(await made(PASSPHRASE), { ...PASSPHRASE, scrypt: watched })).ok).toBe(true)
    const options = { cost: 1_024, blockSize: 8, parallelism: 1, length: 32 }
    expect(asked).toEqual([[utf8(PASSPHRASE.passphrase), 28 + 16, options]])
  })

  test.each([
    ["another recipient beside it", (stanza: string) => `-> x y\n\n${stanza}`],
    ["itself a second time", (stanza: string) => `${stanza}\n${stanza}`],
    ["an argument more", (stanza: string) => stanza.replace(" 10\n", " 10 1\n")],
    ["a work factor with a zero before it", (stanza: string) => stanza.replace(" 10\n", " 010\n")],
    ["a work factor that hides behind a carriage return", (stanza: string) => stanza.replace(" 10\n", " 10\r 30\n")],
    [
      "a salt in the alphabet of URLs",
      (stanza: string) => stanza.replace(/scrypt \S+/, "scrypt -_AAAAAAAAAAAAAAAAAAAA"),
    ],
    ["a short salt", (stanza: string) => stanza.replace(/scrypt \S+/, "scrypt AAAA")],
    ["a short body", (stanza: string) => stanza.replace(/\S+$/, "AAAA")],
  ])("a passphrase stanza with %s is refused without any stretching", async (_what, change) => {
    const text = Buffer.from(await made(PASSPHRASE)).toString("latin1")
    const stanza = /-> scrypt [^\n]+\n[^\n]+(?=\n---)/.exec(text)?.[0] ?? ""
    expect(change(stanza)).not.toBe(stanza)
    const changed = Uint8Array.from(Buffer.from(text.replace(stanza, change(stanza)), "latin1"))
    const never: Scrypt = () => Promise.reject(new Error("stretched"))
    const result = await open(changed, { ...PASSPHRASE, scrypt: never })
    expect(result.ok ? "opened" : result.error.code).toMatch(/^archive-(?:damaged|key-needed)$/)
  })

  test("nothing of the content is readable in the file", async () => {
    const text = Buffer.from(await made(PASSPHRASE)).toString("latin1")
    for (const item of content.items) expect(text).not.toContain(item.title)
    expect(text).not.toContain("manifest")
  })

  test("cut or changed anywhere, it is refused", async () => {
    const bytes = await made({ recipients: [recipient] })
    const key = { identities: [identity] }
    const codes = new Set<string>()
    for (let cut = 0; cut < bytes.length; cut += 97) {
      const result = await open(bytes.subarray(0, cut), key)
      codes.add(result.ok ? "opened" : result.error.code)
    }
    for (let at = 0; at < bytes.length; at += 97) {
      const changed = bytes.slice()
      changed[at] = (changed[at] ?? 0) ^ 1
      const result = await open(changed, key)
      codes.add(result.ok ? "opened" : result.error.code)
    }
    // Which of these a changed byte gives depends on what the file's random bytes are there.
    const refusals = new Set(["archive-damaged", "archive-key-wrong", "import-malformed"])
    expect([...codes].filter((code) => !refusals.has(code))).toEqual([])
    expect(codes).toContain("archive-damaged")
    expect(codes).toContain("import-malformed")
  })

  test("a file that asks for a gigabyte of scrypt is refused at once", async () => {
    const bytes = utf8(
      Buffer.from(await made(PASSPHRASE))
        .toString("latin1")
        .split("\n---")[0]
        ?.replace(/ 10\n/, " 20\n") ?? "",
    )
    const tookMs = processorTimer()
    expect(await open(concatBytes(bytes, utf8("\n--- x\n")), PASSPHRASE)).toMatchObject({
      error: { code: "import-too-large" },
    })
    expect(tookMs()).toBeLessThan(1000)
  })

  const key = { identities: [identity] }

  test.each([["../../etc/cron.d/x"], ["/etc/passwd"], ["a/../../b"], ["a\\..\\b"], ["line\nbreak"]])(
    "an entry called %j is refused",
    async (name) => {
      expect(await open(await archiveOf([MANIFEST, file(name, "x")]), key)).toMatchObject({
        error: { code: "archive-unsafe", at: "entry 2" },
      })
    },
  )

  test.each([["1"], ["2"], ["3"], ["6"], ["x"], ["L"]])("an entry of type %s is refused", async (type) => {
    const tar = writeTar([MANIFEST], 0)
    tar[156] = type.charCodeAt(0)
    tar.set(utf8("        "), 148)
    const sum = tar.subarray(0, 512).reduce((total, byte) => total + byte, 0)
    tar.set(utf8(`${sum.toString(8).padStart(6, "0")}\0 `), 148)
    expect(await open(await sealTar(tar), key)).toMatchObject({ error: { code: "archive-unsafe" } })
  })

  test.each([
    ["a size beyond the end", (tar: Uint8Array) => tar.set(utf8("77777777777\0"), 124)],
    ["a wrong checksum", (tar: Uint8Array) => tar.set(utf8("000000\0 "), 148)],
    ["a size that is no number", (tar: Uint8Array) => tar.set([0x80, 0xff, 0xff], 124)],
  ])("a tar with %s is damaged", async (_what, change) => {
    const tar = writeTar([MANIFEST], 0)
    change(tar)
    expect(await open(await sealTar(tar), key)).toMatchObject({ error: { code: "archive-damaged" } })
  })

  test("a tar without an end, with one name twice, or with too many entries is refused", async () => {
    const tar = writeTar([MANIFEST], 0)
    expect(await open(await sealTar(tar.subarray(0, tar.length - 1024)), key)).toMatchObject({
      error: { code: "archive-damaged" },
    })
    expect(await open(await archiveOf([MANIFEST, MANIFEST]), key)).toMatchObject({ error: { code: "archive-unsafe" } })
    const many = Array.from({ length: 1001 }, (_x, i) => file(`f${i}`, ""))
    expect(await open(await archiveOf(many), key)).toMatchObject({ error: { code: "archive-unsafe" } })
    expect(await open(await sealTar(new Uint8Array(0)), key)).toMatchObject({ error: { code: "archive-damaged" } })
  })

  test("sums must be there, true and complete", async () => {
    const without = await sealTar(writeTar([MANIFEST], 0))
    expect(await open(without, key)).toMatchObject({ error: { code: "import-malformed", at: "SHA256SUMS" } })
    const wrong = await sealTar(writeTar([MANIFEST, file("SHA256SUMS", `${"0".repeat(64)}  manifest.json\n`)], 0))
    expect(await open(wrong, key)).toMatchObject({ error: { code: "archive-damaged", at: "manifest.json" } })
    const unlisted = await sealTar(writeTar([MANIFEST, file("SHA256SUMS", "")], 0))
    expect(await open(unlisted, key)).toMatchObject({ error: { code: "archive-damaged", at: "manifest.json" } })
  })

  const line = JSON.stringify(itemToJson(rich))

  test.each([
    ["no manifest", [file("items.ndjson", "")], { code: "import-malformed", at: "manifest.json" }],
    [
      "another format",
      [file("manifest.json", '{"format":"x","version":1,"vaults":[]}')],
      { code: "import-malformed", at: "manifest.json" },
    ],
    [
      "a later version",
      [file("manifest.json", '{"format":"keyferry-archive","version":2,"vaults":[]}')],
      { code: "archive-newer", version: 2 },
    ],
    ["no items", [MANIFEST], { code: "import-malformed", at: "items.ndjson" }],
    [
      "a broken line",
      [MANIFEST, file("items.ndjson", `${line}\n{"title":"hush`)],
      { code: "import-malformed", at: "items.ndjson line 2" },
    ],
    [
      "a bad id",
      [MANIFEST, file("items.ndjson", line.replace("itm_", "dev_"))],
      { code: "import-malformed", at: "items.ndjson line 1" },
    ],
    [
      "two fields of one name",
      [
        MANIFEST,
        file("items.ndjson", line.replace('"fields":[', '"fields":[{"name":"a/b","value":"","secret":true},')),
      ],
      { code: "import-malformed", at: "items.ndjson line 1" },
    ],
    [
      "a bad revision",
      [MANIFEST, file("items.ndjson", ""), file("history.ndjson", '{"revision":-1}')],
      { code: "import-malformed", at: "history.ndjson line 1" },
    ],
  ] as const)("%s is refused with its place", async (_what, files, error) => {
    expect(await open(await archiveOf(files), key)).toEqual({ ok: false, error })
  })

  test("a file of a later version is reported, not dropped in silence", async () => {
    const bytes = await archiveOf([
      MANIFEST,
      file("items.ndjson", ""),
      file("history.ndjson", ""),
      file("files/a.bin", "x"),
    ])
    expect(await open(bytes, key)).toEqual({
      ok: true,
      value: { items: [], history: [], unmapped: [{ at: "files/a.bin", why: "unknown-file" }] },
    })
  })

  test("a tar survives its own reader", () => {
    const files = [file("a", ""), file("b/c.txt", "x".repeat(512)), file("d", "y".repeat(513))]
    expect(readTar(writeTar(files, 1e12))).toEqual({ ok: true, value: files })
  })
})

describe("importing again", () => {
  const imported = async () => {
    const result = await open(await made({ recipients: [recipient] }), { identities: [identity] })
    if (!result.ok) throw new Error(result.error.code)
    return result.value.items
  }
  const random = { bytes: (n: number) => crypto.getRandomValues(new Uint8Array(n)) }

  test("what is here already is skipped by its id, and changed items follow the rule", async () => {
    const actions = async (existing: readonly Item[], dedupe: "skip" | "version" | "keep-both") =>
      (await planImport(await imported(), existing, dedupe)).map((step) => step.action)
    const all = content.items.length
    expect(await actions([], "skip")).toEqual(Array(all).fill("add"))
    for (const rule of ["skip", "version"] as const)
      expect(await actions(content.items, rule)).toEqual(Array(all).fill("skip"))
    expect(await actions(content.items, "keep-both")).toEqual(Array(all).fill("add"))
    const changed = content.items.map((item, i) => (i === 0 ? { ...item, notes: "edited here" } : item))
    expect((await actions(changed, "version"))[0]).toBe("version")
    expect((await planImport(await imported(), changed, "skip"))[0]).toMatchObject({ action: "skip", identical: false })
  })

  test("another account's copy is found by source and id, and without those by what it is", async () => {
    const first = await imported()
    const elsewhere = assignIds(first, vaultId, () => true, random)
    expect(elsewhere[0]?.origin).toEqual({ source: "keyferry-archive", id: formatId("itm", idOf(1)) })
    // The SSH key is named by nothing but its id; what refers to others got new references, so only those differ.
    const steps = await planImport(first, elsewhere, "skip")
    expect(steps.map((step) => step.action)).toEqual(Array(first.length).fill("skip"))
    const unlinked = elsewhere.map(({ origin: _origin, ...item }) => item)
    expect((await planImport(first, unlinked, "skip")).map((step) => step.action)).toEqual(
      Array(first.length).fill("skip"),
    )
    const other = unlinked.map((item) => ({
      ...item,
      fields: new Map([...item.fields].map(([n, f]) => [n, f.secret ? { ...f, value: `${f.value}2` } : f])),
    }))
    const withSecrets = (await planImport(first, other, "skip")).filter((step) =>
      [...step.imported.fields.values()].some((f) => f.secret),
    )
    expect(withSecrets.every((step) => step.action === "add")).toBe(true)
  })

  test("references follow the items they mean, and an id is never taken twice", async () => {
    const key = makeItem({ itemId: idOf(50), vaultId, kind: "ssh-key", title: "K", fields: new Map(), nowMs: 1 })
    const host = makeItem({
      itemId: idOf(51),
      vaultId,
      kind: "host",
      title: "H",
      fields: new Map([
        ["address", { value: "h.example", secret: false }],
        ["credential", { value: formatId("itm", idOf(50)), secret: false }],
        ["group", { value: formatId("itm", idOf(77)), secret: false }],
      ]),
      nowMs: 1,
    })
    const from = (item: Item) => ({ ...item, from: { source: "keyferry-archive", id: formatId("itm", item.itemId) } })
    const [newKey, newHost] = assignIds([from(key), from(host)], vaultId, (id) => id[0] === 50, random)
    expect(newKey?.itemId).not.toEqual(key.itemId)
    expect(newHost?.itemId).toEqual(host.itemId)
    expect(newHost?.fields.get("credential")?.value).toBe(formatId("itm", newKey?.itemId ?? new Uint8Array(16)))
    expect(newHost?.fields.get("group")?.value).toBe(formatId("itm", idOf(77)))
    const twice = assignIds([from(key), from(key)], vaultId, () => false, random)
    expect(twice[0]?.itemId).not.toEqual(twice[1]?.itemId)
  })
})
