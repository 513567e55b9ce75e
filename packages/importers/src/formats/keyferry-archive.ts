import { equalBytes, err, formatId, hexToBytes, ok, type Result, utf8ToText } from "@keyferry/base"
import type { Item } from "@keyferry/items"

import { isAgeFile, openAge } from "../age-file.ts"
import { ARCHIVE_FORMAT, ARCHIVE_VERSION } from "../archive-export.ts"
import { type JsonObject, jsonToItem } from "../archive-items.ts"
import { sha256 } from "../fingerprint.ts"
import type { Format, ImportedItem, ImportedRevision, ImportError, Unmapped } from "../format.ts"
import { readTar, type TarFile, type TarProblem } from "../tar.ts"

const MAX_ARCHIVE_BYTES = 512 * 1024 * 1024
const KNOWN_FILES = new Set(["README.txt", "manifest.json", "items.ndjson", "history.ndjson", "SHA256SUMS"])

/** The encrypted archive that `exportArchive` writes. Its content is checked again: whoever knows a recipient can write one. */
export const keyferryArchive: Format = {
  name: ARCHIVE_FORMAT,
  label: "Keyferry archive (.age)",
  detect: isAgeFile,
  parse: async (bytes, options) => {
    if (bytes.length > MAX_ARCHIVE_BYTES) return err({ code: "import-too-large", limitBytes: MAX_ARCHIVE_BYTES })
    const opened = await openAge(bytes, options.key)
    if (!opened.ok) return opened
    const tar = readTar(opened.value)
    if (!tar.ok) return err(tarError(tar.error))
    const files = new Map(tar.value.map((file) => [file.name, file]))
    const checked = await checkSums(files)
    if (!checked.ok) return checked
    const manifest = readManifest(files)
    if (!manifest.ok) return manifest

    const toImported = (item: Item): ImportedItem => {
      const { itemId, vaultId, ...rest } = item
      const vaultName = manifest.value.get(formatId("vlt", vaultId))
      const from = { source: ARCHIVE_FORMAT, id: formatId("itm", itemId) }
      return { ...rest, from, ...(vaultName === undefined ? {} : { vaultName }) }
    }
    const items = readLines(files, "items.ndjson", (row): ImportedItem | undefined => {
      const item = jsonToItem(row)
      return item.ok ? toImported(item.value) : undefined
    })
    if (!items.ok) return items
    const history = readLines(files, "history.ndjson", (row): ImportedRevision | undefined => {
      const { revision, saved, item: json } = asObject(row) ?? {}
      const item = jsonToItem(json)
      return isCount(revision) && isCount(saved) && item.ok
        ? { revision, savedMs: saved, item: toImported(item.value) }
        : undefined
    })
    if (!history.ok) return history
    const unmapped = [...files.keys()]
      .filter((name) => !KNOWN_FILES.has(name))
      .map((name): Unmapped => ({ at: name, why: "unknown-file" }))
    return ok({ items: items.value, history: history.value, unmapped })
  },
}

type Files = ReadonlyMap<string, TarFile>

const tarError = (problem: TarProblem): ImportError => {
  if (problem.what === "unsafe") return { code: "archive-unsafe", at: problem.at }
  if (problem.what === "damaged") return { code: "archive-damaged", at: problem.at }
  return { code: "archive-unsafe", at: "number of entries" }
}

const textOf = (files: Files, name: string): string | undefined => {
  const file = files.get(name)
  return file && utf8ToText(file.bytes)
}

/** Every file but the list itself must stand in it, and every line of it must be true. */
const checkSums = async (files: Files): Promise<Result<undefined, ImportError>> => {
  const sums = textOf(files, "SHA256SUMS")
  if (sums === undefined) return err({ code: "import-malformed", at: "SHA256SUMS" })
  const listed = new Set(["SHA256SUMS"])
  for (const line of sums.split("\n").filter((text) => text !== "")) {
    const [, hex = "", name = ""] = /^([0-9a-f]{64}) [ *](.+)$/.exec(line) ?? []
    const wanted = hexToBytes(hex)
    const file = files.get(name.replace(/^\.\//, ""))
    if (file === undefined || wanted?.length !== 32) return err({ code: "archive-damaged", at: "SHA256SUMS" })
    if (!equalBytes(await sha256(file.bytes), wanted)) return err({ code: "archive-damaged", at: file.name })
    listed.add(file.name)
  }
  const missing = [...files.keys()].find((name) => !listed.has(name))
  return missing === undefined ? ok(undefined) : err({ code: "archive-damaged", at: missing })
}

/** The names of the vaults by id. */
const readManifest = (files: Files): Result<ReadonlyMap<string, string>, ImportError> => {
  const malformed = err<ImportError>({ code: "import-malformed", at: "manifest.json" })
  const manifest = parseJson(textOf(files, "manifest.json") ?? "")
  if (manifest?.["format"] !== ARCHIVE_FORMAT || !isCount(manifest["version"])) return malformed
  if (manifest["version"] > ARCHIVE_VERSION) return err({ code: "archive-newer", version: manifest["version"] })
  const names = new Map<string, string>()
  const vaults: unknown = manifest["vaults"]
  if (!Array.isArray(vaults)) return malformed
  for (const entry of vaults as readonly unknown[]) {
    const { id, name } = asObject(entry) ?? {}
    if (typeof id !== "string" || typeof name !== "string") return malformed
    names.set(id, name)
  }
  return ok(names)
}

const readLines = <T>(
  files: Files,
  name: string,
  read: (row: unknown) => T | undefined,
): Result<readonly T[], ImportError> => {
  const text = textOf(files, name)
  if (text === undefined) return err({ code: "import-malformed", at: name })
  const rows: T[] = []
  for (const [i, line] of text.split("\n").entries()) {
    if (line.trim() === "") continue
    const row = read(parseJson(line))
    if (row === undefined) return err({ code: "import-malformed", at: `${name} line ${i + 1}` })
    rows.push(row)
  }
  return ok(rows)
}

const parseJson = (text: string): JsonObject | undefined => {
  try {
    return asObject(JSON.parse(text))
  } catch {
    // A syntax error quotes the text, which holds secrets: only the place of it goes on.
    return undefined
  }
}

const asObject = (value: unknown): JsonObject | undefined =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as JsonObject) : undefined

const isCount = (value: unknown): value is number =>
  typeof value === "number" && Number.isSafeInteger(value) && value >= 0
