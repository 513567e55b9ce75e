import { bytesToHex, equalBytes, utf8 } from "@keyferry/base"
import { nodePrimitives } from "@keyferry/crypto/node"
import { detectFormat, exportArchive, formatByName, itemToJson } from "@keyferry/importers"
import { makeItem } from "@keyferry/items"
import { createSeededRandom } from "@keyferry/testkit"

import { isAgeFile, openAge, sealAge } from "../../packages/importers/src/age-file.ts"
import { parseEnv } from "../../packages/importers/src/formats/dotenv.ts"
import { readTar, writeTar } from "../../packages/importers/src/tar.ts"
import { makeBytes, makeText, mutateBytes, mutateJson } from "./engine/mutate.ts"
import { type Dice, fileOf, type FuzzTarget, promise } from "./engine/target.ts"

const random = createSeededRandom("archives")
const vaultId = random.bytes(32)
const items = ["login", "note"].map((kind) =>
  makeItem({
    kind,
    title: "A title",
    fields: new Map([["password", { value: "p4ss", secret: true }]]),
    nowMs: 1,
    itemId: random.bytes(16),
    vaultId,
  }),
)
// A pair made for this file; it opens nothing else.
const identity = "AGE-SECRET-KEY-148LPQXVN9EAG3AWEWU30A82SK7PFEEHFGGQL86J7GRY9A7ME4GEQFN3JMX"
const recipient = "age1nlnu69nexp6r9t9waeam33x9v6rzh6w6l8txu3j42mn86f0a2ugs07vu6f"
const content = { vaults: [{ vaultId, name: "Personal" }], items, history: [], createdMs: 1_800_000_000_000 }

const must = <T>(made: { readonly ok: true; readonly value: T } | { readonly ok: false }): T => {
  if (!made.ok) throw new Error("archive fixture")
  return made.value
}
const forIdentity = must(await exportArchive(content, { recipients: [recipient] }))
// A real work factor would spend the whole time on stretching one passphrase.
const byPassphrase = { passphrase: "a passphrase", scrypt: nodePrimitives.scrypt }
const forPassphrase = must(await exportArchive(content, byPassphrase, { scryptLogN: 4 }))
const tar = must(await openAge(forIdentity, { identities: [identity] }))
const files = must(readTar(tar))
const options = { nowMs: 5, fileName: "import", key: { identities: [identity] } }

/** The tar with headers whose checksums are right, so that what stands in them is looked at. */
const withRightSums = (bytes: Uint8Array): Uint8Array => {
  const out = bytes.slice()
  for (let at = 0; at + 512 <= out.length; at += 512) {
    if (!equalBytes(out.subarray(at + 257, at + 262), utf8("ustar"))) continue
    let sum = 0
    for (let i = 0; i < 512; i++) sum += i >= 148 && i < 156 ? 32 : (out[at + i] ?? 0)
    out.set(utf8(`${sum.toString(8).padStart(6, "0")}\0 `), at + 148)
  }
  return out
}

const sha256 = async (bytes: Uint8Array): Promise<string> =>
  bytesToHex(new Uint8Array(await crypto.subtle.digest("SHA-256", bytes.slice())))

/** An archive that is right outside and wrong inside: whoever knows a recipient can make one. */
const makeArchive = async (dice: Dice): Promise<Uint8Array> => {
  const changed = files
    .filter(({ name }) => name !== "SHA256SUMS")
    .map(({ name, bytes }) => {
      if (!dice.chance(3)) return { name, bytes }
      if (name === "items.ndjson" && !dice.chance(4)) {
        const row = JSON.stringify(mutateJson(dice, itemToJson(dice.pick(items)), ["itm_", "vlt_", "strict"]))
        return { name, bytes: utf8(`${row}\n`) }
      }
      if (name === "manifest.json" && !dice.chance(4))
        return { name, bytes: utf8(JSON.stringify(mutateJson(dice, JSON.parse(Buffer.from(bytes).toString("utf8"))))) }
      return {
        name: dice.chance(9) ? dice.pick(["extra.txt", "a/b", "manifest.json"]) : name,
        bytes: mutateBytes(dice, bytes),
      }
    })
  const sums = await Promise.all(changed.map(async ({ name, bytes }) => `${await sha256(bytes)}  ${name}\n`))
  const list = dice.chance(8) ? mutateBytes(dice, utf8(sums.join(""))) : utf8(sums.join(""))
  const packed = writeTar([...changed, { name: "SHA256SUMS", bytes: list }], 0)
  return dice.chance(4) ? withRightSums(mutateBytes(dice, packed)) : packed
}

export const targets: readonly FuzzTarget[] = [
  {
    name: "tar",
    make: (dice) => (dice.chance(3) ? makeBytes([tar])(dice) : withRightSums(mutateBytes(dice, tar))),
    run: (input) => {
      const read = readTar(input)
      if (!read.ok) return
      for (const { name, bytes } of read.value) {
        promise(!name.startsWith("/") && !name.split("/").includes(".."), "a name that leaves the archive")
        promise(bytes.length <= input.length, "a file larger than its archive")
      }
    },
  },
  {
    name: "age-files",
    make: makeBytes([
      forIdentity,
      forPassphrase,
      utf8("-----BEGIN AGE ENCRYPTED FILE-----\nAAAA\n-----END AGE ENCRYPTED FILE-----\n"),
    ]),
    run: async (input) => {
      isAgeFile(input)
      const opened = await openAge(input, { identities: [identity] })
      if (opened.ok) promise(equalBytes(opened.value, tar), "a changed file opened")
      const header = Buffer.from(input.subarray(0, 400)).toString("latin1")
      // What a stranger may ask for is bounded by 2^18; trying that each time would leave no time for anything else.
      if (Number(/-> scrypt \S+ (\d+)/.exec(header)?.[1] ?? 0) > 10) return
      await openAge(input, byPassphrase)
    },
  },
  {
    name: "archives",
    make: makeArchive,
    run: async (input) => {
      const sealed = must(await sealAge(input, { recipients: [recipient] }))
      const format = detectFormat(sealed)
      promise(format?.name === "keyferry-archive", "an archive that is not recognised")
      const parsed = await format.parse(sealed, options)
      if (!parsed.ok) promise(!JSON.stringify(parsed.error).includes("p4ss"), "an error that tells a secret")
    },
  },
  {
    name: "env-files",
    make: makeText(
      [
        "A=1\nexport B='two\nlines' # c\nC=\"x\\ny\"\nD: v\n# note\n",
        "KEY=`back`\nX=\"un\nclosed\nY='\n",
        "a.b-c=1\n=\n",
      ],
      ["\n", "=", '"', "'", "`", "\\", "#", "export ", ": ", "\r"],
    ),
    run: async (input) => {
      const bytes = fileOf(input)
      const format = formatByName("dotenv")
      promise(format !== undefined, "no dotenv format")
      const isOne = format.detect(bytes)
      const parsed = await format.parse(bytes, options)
      promise(!isOne || parsed.ok, "recognised, and then refused")
      parseEnv(Buffer.from(bytes).toString("utf8"))
      if (!parsed.ok) return
      for (const { at } of parsed.value.unmapped) promise(/^line \d+$/.test(at), "a place that is not a line")
    },
  },
]
