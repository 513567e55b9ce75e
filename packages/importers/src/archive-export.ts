import { bytesToHex, formatId, ok, type Result, utf8 } from "@keyferry/base"
import type { Item } from "@keyferry/items"

import { type ArchiveReader, sealAge } from "./age-file.ts"
import { itemToJson } from "./archive-items.ts"
import { sha256 } from "./fingerprint.ts"
import { writeTar } from "./tar.ts"

export const ARCHIVE_FORMAT = "keyferry-archive"
export const ARCHIVE_VERSION = 1

/** An earlier revision of an item that is exported, or of one that was deleted since. */
export interface ArchiveRevision {
  readonly revision: number
  readonly savedMs: number
  readonly item: Item
}

export interface ArchiveContent {
  readonly vaults: readonly { readonly vaultId: Uint8Array; readonly name: string }[]
  readonly items: readonly Item[]
  readonly history: readonly ArchiveRevision[]
  readonly createdMs: number
}

export interface ArchiveOptions {
  /** For tests: a smaller number makes a passphrase cheap to try. */
  readonly scryptLogN?: number
}

/**
 * One encrypted file with everything in it: an age file around a tar of manifest.json, items.ndjson, history.ndjson,
 * SHA256SUMS and README.txt. It opens with the stock age, tar and jq, without any program of ours.
 * Errors   bad-recipient (its index), no-reader
 */
export const exportArchive = async (
  content: ArchiveContent,
  reader: ArchiveReader,
  options: ArchiveOptions = {},
): Promise<
  Result<Uint8Array, { readonly code: "bad-recipient"; readonly index: number } | { readonly code: "no-reader" }>
> => {
  const manifest = {
    format: ARCHIVE_FORMAT,
    version: ARCHIVE_VERSION,
    created: new Date(content.createdMs).toISOString(),
    items: content.items.length,
    revisions: content.history.length,
    vaults: content.vaults.map(({ vaultId, name }) => ({ id: formatId("vlt", vaultId), name })),
  }
  const history = content.history.map(({ revision, savedMs, item }) => ({
    revision,
    saved: savedMs,
    item: itemToJson(item),
  }))
  const files = [
    { name: "README.txt", bytes: utf8(README) },
    { name: "manifest.json", bytes: utf8(`${JSON.stringify(manifest, undefined, 2)}\n`) },
    { name: "items.ndjson", bytes: toLines(content.items.map(itemToJson)) },
    { name: "history.ndjson", bytes: toLines(history) },
  ]
  const sums = await Promise.all(files.map(async ({ name, bytes }) => `${bytesToHex(await sha256(bytes))}  ${name}\n`))
  const tar = writeTar([...files, { name: "SHA256SUMS", bytes: utf8(sums.join("")) }], content.createdMs)
  const sealed = await sealAge(tar, reader, options.scryptLogN)
  return sealed.ok ? ok(sealed.value) : sealed
}

const toLines = (rows: readonly unknown[]): Uint8Array => utf8(rows.map((row) => `${JSON.stringify(row)}\n`).join(""))

const README = `Everything that was in these vaults, as plain text. Whoever reads this folder reads every secret.

  manifest.json   what this is, when it was made, how many items
  items.ndjson    one item a line
  history.ndjson  earlier revisions, one a line
  SHA256SUMS      check with: sha256sum -c SHA256SUMS

The archive is an age file (age-encryption.org/v1) around a tar. To open it without Keyferry:

  age -d keyferry.age | tar -x
  jq -r '.title' items.ndjson
  jq -r 'select(.title == "Shop") | .fields[] | select(.name == "password") | .value' items.ndjson
`
