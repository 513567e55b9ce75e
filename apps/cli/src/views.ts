import { count, iso } from "./format.ts"
import { type Io, printable } from "./io.ts"
import type { FieldValue, ItemSummary, ItemView, Kit, RotationEntry } from "./keyferry.ts"
import { pairs, strong, table } from "./table.ts"

/*
 * One place for the words and documents of things that several commands show.
 */

export const itemDocument = (item: ItemSummary): Readonly<Record<string, unknown>> => ({
  id: item.id,
  vault: item.vault,
  kind: item.kind,
  title: item.title,
  summary: item.summary,
  tags: item.tags,
  policy: item.policy,
  class: item.class,
  custody: item.custody,
  rev: item.rev,
  updatedAt: iso(item.updatedAtMs),
  conflicts: item.conflicts,
  ...(item.deletedAtMs === undefined ? {} : { deletedAt: iso(item.deletedAtMs) }),
})

export const viewDocument = (item: ItemView, reveal: boolean): Readonly<Record<string, unknown>> => ({
  ...itemDocument(item),
  createdAt: iso(item.createdAtMs),
  fields: item.fields.map((field) => fieldDocument(field, reveal)),
})

export const fieldDocument = (field: FieldValue, reveal: boolean): Readonly<Record<string, unknown>> => ({
  name: field.name,
  secret: field.secret,
  value: field.secret && !reveal ? { redacted: true } : field.value,
})

export const HIDDEN = "••••••••"

export const fieldText = (field: FieldValue, reveal: boolean): string => {
  if (field.secret && !reveal) return HIDDEN
  const [first = "", ...more] = field.value.trimEnd().split("\n")
  return more.length === 0 ? printable(first) : `${printable(first)} … (${count(more.length + 1, "line")})`
}

export const CUSTODY: Readonly<Record<ItemSummary["custody"], string>> = {
  synced: "synced",
  waiting: "waiting to be sent",
  local: "on this device only",
}

export const itemTable = (io: Io, items: readonly ItemSummary[]): readonly string[] =>
  table(
    io,
    ["TITLE", "KIND", "WHERE", "DETAIL", "ID"],
    items.map((item) => [
      `${printable(item.title)}${item.conflicts > 0 ? " (two versions)" : ""}`,
      item.kind,
      CUSTODY[item.custody],
      printable(item.summary),
      item.id,
    ]),
  )

export const kitDocument = (kit: Kit): Readonly<Record<string, unknown>> => ({
  schema: "kf.kit/1",
  code: kit.code,
  account: kit.accountDigits,
  serverWords: kit.serverWords,
  address: kit.address,
  server: kit.server,
})

export const kitLines = (io: Io, kit: Kit): readonly string[] => [
  strong(io, "Recovery kit"),
  "",
  ...pairs([
    ["Code", strong(io, kit.code)],
    ["Account", kit.accountDigits],
    ["Address", kit.address],
    ["Server", `${kit.server}  (${kit.serverWords})`],
  ]),
  "",
  "With your password or your second factor this code brings everything back; without it, losing every",
  "device loses everything. It is shown once: print it or write it down, and keep it away from this machine.",
]

export const HARM: Readonly<Record<RotationEntry["harm"], string>> = {
  withdraws: "can move money out",
  trades: "can trade",
  "signs-in": "signs in",
  reads: "reads",
  other: "other",
}

export const rotationDocument = (entries: readonly RotationEntry[]): readonly Readonly<Record<string, unknown>>[] =>
  entries.map((entry) => ({
    id: entry.itemId,
    kind: entry.kind,
    title: entry.title,
    harm: entry.harm,
    why: entry.why,
    ...(entry.doneAtMs === undefined ? {} : { doneAt: iso(entry.doneAtMs) }),
  }))

export const rotationTable = (io: Io, entries: readonly RotationEntry[]): readonly string[] =>
  table(
    io,
    ["HARM", "TITLE", "KIND", "WHY", "DONE", "ID"],
    entries.map((entry) => [
      HARM[entry.harm],
      printable(entry.title),
      entry.kind,
      printable(entry.why),
      entry.doneAtMs === undefined ? "no" : "yes",
      entry.itemId,
    ]),
  )

/** `a`, `a and b`, `a, b and 3 more`. */
export const nameSome = (names: readonly string[], most = 5): string => {
  const shown = names.slice(0, most).map((name) => `“${printable(name)}”`)
  const rest = names.length - shown.length
  if (rest > 0) return `${shown.join(", ")} and ${rest} more`
  return shown.length < 2 ? shown.join("") : `${shown.slice(0, -1).join(", ")} and ${shown.at(-1) ?? ""}`
}
