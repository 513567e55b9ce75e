import { exchangeById, kindByName, toExchangeId } from "@keyferry/items"
import type { FieldValue, ItemSummary } from "@keyferry/sdk"

import { fromTable, type MessageId, t } from "../../i18n/translate.ts"
import type { IconName } from "../kit/icon.tsx"

/** How kinds stand in the rail, and in which order. */
export const KIND_ORDER = [
  "exchange-key",
  "login",
  "ssh-key",
  "api-token",
  "identity",
  "env-set",
  "note",
  "host",
  "group",
  "snippet",
] as const

export type KnownKind = (typeof KIND_ORDER)[number]

export const KIND_LOOKS: Readonly<Record<KnownKind, { readonly icon: IconName; readonly plural: MessageId }>> = {
  "exchange-key": { icon: "exchange", plural: "kind.exchange-key" },
  login: { icon: "login", plural: "kind.login" },
  "ssh-key": { icon: "ssh", plural: "kind.ssh-key" },
  "api-token": { icon: "token", plural: "kind.api-token" },
  identity: { icon: "identity", plural: "kind.identity" },
  "env-set": { icon: "env", plural: "kind.env-set" },
  note: { icon: "note", plural: "kind.note" },
  host: { icon: "host", plural: "kind.host" },
  group: { icon: "folder", plural: "kind.group" },
  snippet: { icon: "snippet", plural: "kind.snippet" },
}

const isKnown = (kind: string): kind is KnownKind => (KIND_ORDER as readonly string[]).includes(kind)

export const iconOfKind = (kind: string): IconName => (isKnown(kind) ? KIND_LOOKS[kind].icon : "key")
export const labelOfKind = (kind: string): string => fromTable(kindByName(kind)?.label ?? kind)
/** The name of their list. */
export const pluralOfKind = (kind: string): string => (isKnown(kind) ? t(KIND_LOOKS[kind].plural) : labelOfKind(kind))
export const isCredential = (kind: string): boolean => kindByName(kind)?.credential ?? true

/** What "copy" without a word means: the value that is pasted most. */
const PRIMARY: Readonly<Record<string, readonly string[]>> = {
  "exchange-key": ["secret", "private-key", "token", "password"],
  login: ["password"],
  "ssh-key": ["private-key"],
  "api-token": ["token"],
  identity: ["password"],
  note: ["text"],
  snippet: ["script"],
  host: ["address"],
}

const PUBLIC: Readonly<Record<string, readonly string[]>> = {
  "exchange-key": ["key", "wallet-address", "login"],
  login: ["username"],
  "ssh-key": ["public-key"],
  "api-token": ["id"],
  identity: ["username"],
  host: ["address"],
}

const firstOf = (names: readonly string[], fields: readonly FieldValue[]): FieldValue | undefined => {
  for (const name of names) {
    const field = fields.find((candidate) => candidate.name === name)
    if (field !== undefined) return field
  }
  return undefined
}

export const primaryField = (kind: string, fields: readonly FieldValue[]): FieldValue | undefined =>
  firstOf(PRIMARY[kind] ?? [], fields) ?? fields.find((field) => field.secret)

export const publicField = (kind: string, fields: readonly FieldValue[]): FieldValue | undefined =>
  firstOf(PUBLIC[kind] ?? [], fields) ?? fields.find((field) => !field.secret)

/** The label that this item's kind, and its exchange, gives a field. */
export const labelOfField = (kind: string, name: string, values: Readonly<Record<string, string>>): string => {
  const known = kindByName(kind)
  const spec = known?.fieldsFor(values).find((s) => s.name === name) ?? known?.fields.find((s) => s.name === name)
  return spec === undefined ? name : fromTable(spec.label)
}

/** The worst that a key may do, from the permissions that were noted with it. */
export const canWithdraw = (permissions: string | undefined): boolean => /withdraw/i.test(permissions ?? "")

/** The summary of an exchange key ends with its permissions. */
export const summaryWithdraws = (item: Pick<ItemSummary, "kind" | "summary">): boolean =>
  item.kind === "exchange-key" && canWithdraw(item.summary)

/** Where a key of this exchange is made and replaced. */
export const siteOfExchange = (exchange: string | undefined): string | undefined =>
  exchangeById(toExchangeId(exchange ?? ""))?.site
