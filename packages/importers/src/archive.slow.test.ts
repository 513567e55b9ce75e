import { spawnSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

import { buildFields, kindByName, makeItem } from "@keyferry/items"
import { generateX25519Identity, identityToRecipient } from "age-encryption"
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest"

import { exportArchive, keyferryArchive } from "./index.ts"

/*
 * The promise on the export screen: the file opens with the stock age, tar, sha256sum and jq.
 * Where age cannot be installed the test is skipped, and the reason is printed.
 */
const installed = spawnSync("sh", [new URL("../../../tools/install-age.sh", import.meta.url).pathname], {
  encoding: "utf8",
})
const missing =
  installed.status === 0 ? undefined : `age cannot be installed: ${installed.stderr.trim() || installed.error?.message}`

beforeEach((context) => {
  if (missing === undefined) return
  console.warn(`skipped: ${missing}`)
  context.skip(missing)
})

let folder = ""
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "archive-"))
})
afterAll(() => {
  rmSync(folder, { recursive: true, force: true })
})

const sh = (script: string): string => {
  const result = spawnSync("sh", ["-euc", script], { cwd: folder, encoding: "utf8" })
  if (result.status !== 0) throw new Error(`${script} ended with ${result.status}: ${result.stderr}`)
  return result.stdout
}

const exampleArchive = async (recipients: readonly string[]): Promise<Uint8Array> => {
  const kind = kindByName("login")
  const built = kind && buildFields(kind, Object.entries(kind.example.fields))
  if (kind === undefined || built?.ok !== true) throw new Error("no example")
  const place = { itemId: new Uint8Array(16).fill(1), vaultId: new Uint8Array(32).fill(2) }
  const item = makeItem({ ...place, kind: "login", title: "Shop ü", fields: built.value.fields, nowMs: 1 })
  const archive = await exportArchive(
    {
      vaults: [{ vaultId: place.vaultId, name: "Personal" }],
      items: [item],
      history: [],
      createdMs: Date.UTC(2026, 0, 2),
    },
    { recipients },
  )
  if (!archive.ok) throw new Error(archive.error.code)
  return archive.value
}

test("an export opens with age, tar, sha256sum and jq alone", async () => {
  sh("age-keygen -o key.txt 2>recipient.txt")
  const recipient = readFileSync(join(folder, "recipient.txt"), "utf8").replace("Public key: ", "").trim()
  writeFileSync(join(folder, "keyferry.age"), await exampleArchive([recipient]))
  sh("age -d -i key.txt keyferry.age | tar -x")
  expect(sh("sha256sum -c SHA256SUMS")).toBe(
    "README.txt: OK\nmanifest.json: OK\nitems.ndjson: OK\nhistory.ndjson: OK\n",
  )
  expect(sh("jq -r .format manifest.json")).toBe("keyferry-archive\n")
  const script = `jq -r 'select(.title == "Shop ü") | .fields[] | select(.name == "password") | .value' items.ndjson`
  expect(sh(script)).toBe("correct horse battery staple\n")
  expect(sh("tar --version | head -1 && stat -c %a items.ndjson")).toContain("\n600\n")
})

test("an archive that was opened, packed again with tar and sealed with age is read, armoured too", async () => {
  const identity = await generateX25519Identity()
  const recipient = await identityToRecipient(identity)
  sh("age-keygen -o key2.txt 2>recipient2.txt")
  const own = readFileSync(join(folder, "recipient2.txt"), "utf8").replace("Public key: ", "").trim()
  writeFileSync(join(folder, "two.age"), await exampleArchive([own]))
  sh("mkdir again && age -d -i key2.txt two.age | tar -x -C again")
  sh(`tar -c -C again . | age -a -r ${recipient} > again.age`)
  const result = await keyferryArchive.parse(readFileSync(join(folder, "again.age")), {
    nowMs: 0,
    key: { identities: [identity] },
  })
  expect(result.ok && result.value.items.map((item) => item.title)).toEqual(["Shop ü"])
})
