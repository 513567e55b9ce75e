import { err, formatId, type ItemId, ok, parseId, type Result } from "@keyferry/base"

import { findFieldSpec } from "./field.ts"
import type { Item } from "./item.ts"
import { kindByName } from "./registry.ts"

/*
 * kf://<vault>/<item>/[<section>/]<field>[?name=value&…]
 * kf://id:<item id>/[<section>/]<field>[?…]
 *
 * Each part is percent-encoded outside the unreserved characters of RFC 3986; a space may stand as it is.
 * The vault `~` is the default vault; a vault that is really called ~ is written %7E.
 */
export interface Reference {
  readonly target:
    | { readonly by: "name"; readonly vault: string | typeof DEFAULT_VAULT; readonly item: string }
    | { readonly by: "id"; readonly itemId: ItemId }
  readonly section?: string
  readonly field: string
  readonly query: ReadonlyMap<string, string>
}

export const DEFAULT_VAULT: unique symbol = Symbol("the default vault")

export type ReferenceReason =
  | "not-a-reference"
  | "too-few-parts"
  | "too-many-parts"
  | "empty-part"
  | "needs-percent-encoding"
  | "bad-percent-encoding"
  | "bad-item-id"
  | "bad-query"

/** `at` is the offset of the offending part in the text. */
export interface ReferenceProblem {
  readonly code: "reference-malformed"
  readonly reason: ReferenceReason
  readonly at: number
}

const SCHEME = "kf://"
const MAX_REFERENCE_LENGTH = 4096

export const isReference = (text: string): boolean => text.startsWith(SCHEME)

/** Errors: reference-malformed with a reason and a place, never with the text. */
export const parseReference = (text: string): Result<Reference, ReferenceProblem> => {
  if (!isReference(text) || text.length > MAX_REFERENCE_LENGTH) return problem("not-a-reference", 0)
  const queryAt = text.indexOf("?")
  const path = text.slice(SCHEME.length, queryAt === -1 ? undefined : queryAt)
  const query = queryAt === -1 ? ok(new Map<string, string>()) : parseQuery(text.slice(queryAt + 1), queryAt + 1)
  if (!query.ok) return query
  const raw = path.split("/")
  const parts: string[] = []
  let at = SCHEME.length
  const byId = raw[0]?.startsWith(ID_PREFIX) === true
  for (const [i, part] of raw.entries()) {
    const decoded = byId && i === 0 ? ok(part.slice(ID_PREFIX.length)) : decodePart(part, at)
    if (!decoded.ok) return decoded
    parts.push(decoded.value)
    at += part.length + 1
  }
  const heads = byId ? 1 : 2
  if (parts.length < heads + 1) return problem("too-few-parts", text.length)
  if (parts.length > heads + 2) return problem("too-many-parts", text.length)
  const field = parts.at(-1) ?? ""
  const section = parts.length === heads + 2 ? { section: parts[heads] ?? "" } : {}
  if (!byId) {
    const vault = raw[0] === "~" ? DEFAULT_VAULT : (parts[0] ?? "")
    return ok({ target: { by: "name", vault, item: parts[1] ?? "" }, ...section, field, query: query.value })
  }
  const id = parseId("itm", parts[0] ?? "")
  if (!id.ok) return problem("bad-item-id", SCHEME.length)
  return ok({ target: { by: "id", itemId: formatId("itm", id.value) }, ...section, field, query: query.value })
}

/** The one canonical text of a reference. Throws `URIError` for names with half a surrogate pair, which no item has. */
export const formatReference = (reference: Reference): string => {
  const { target } = reference
  const head =
    target.by === "id"
      ? [ID_PREFIX + target.itemId]
      : [target.vault === DEFAULT_VAULT ? "~" : encodeVault(target.vault), encodePart(target.item)]
  const tail = [...(reference.section === undefined ? [] : [reference.section]), reference.field].map(encodePart)
  const query = [...reference.query].map(([name, value]) => `${encodePart(name)}=${encodePart(value)}`).join("&")
  return `${SCHEME}${[...head, ...tail].join("/")}${query === "" ? "" : `?${query}`}`
}

/** A thing with a name that a reference may mean. */
export interface Named {
  readonly id: string
  readonly name: string
}

export type MatchProblem =
  | { readonly code: "not-found"; readonly what: "vault" | "item" | "field" }
  | { readonly code: "ambiguous"; readonly what: "vault" | "item" | "field"; readonly candidates: readonly string[] }

/**
 * Exact names first, then without regard to case.
 * Errors   not-found; ambiguous with the ids of every candidate
 */
export const matchName = <T extends Named>(
  what: "vault" | "item",
  name: string,
  candidates: Iterable<T>,
): Result<T, MatchProblem> => {
  const wanted = name.normalize("NFC")
  const all = [...candidates]
  let hits = all.filter((candidate) => candidate.name.normalize("NFC") === wanted)
  if (hits.length === 0) hits = all.filter((candidate) => fold(candidate.name) === fold(wanted))
  const [only] = hits
  if (only === undefined) return err({ code: "not-found", what })
  return hits.length === 1 ? ok(only) : err({ code: "ambiguous", what, candidates: hits.map((hit) => hit.id) })
}

export interface NamedItem extends Named {
  readonly vaultId: string
}

/**
 * The item that a reference means.
 * Shapes   ids are printed ids; `defaultVaultId` is what `~` stands for
 * Errors   not-found, ambiguous, as `matchName`
 */
export const matchItem = <T extends NamedItem>(
  reference: Reference,
  vaults: Iterable<Named>,
  items: Iterable<T>,
  defaultVaultId: string | undefined,
): Result<T, MatchProblem> => {
  const { target } = reference
  if (target.by === "id") {
    for (const item of items) if (item.id === target.itemId) return ok(item)
    return err({ code: "not-found", what: "item" })
  }
  let vaultId = defaultVaultId
  if (target.vault !== DEFAULT_VAULT) {
    const vault = matchName("vault", target.vault, vaults)
    if (!vault.ok) return vault
    vaultId = vault.value.id
  }
  if (vaultId === undefined) return err({ code: "not-found", what: "vault" })
  return matchName(
    "item",
    target.item,
    [...items].filter((item) => item.vaultId === vaultId),
  )
}

/** A field of the item itself, or one of the item that a field refers to (a host's `user` is its credential's). */
export type MatchedField =
  | { readonly here: true; readonly name: string }
  | { readonly here: false; readonly through: string; readonly field: string }

/**
 * The field that a reference means: its exact name, then the kind's names and aliases, then any case.
 * Fields of a section are named `section/field`. `title` and `notes` answer where no field has that name.
 */
export const matchField = (
  reference: Pick<Reference, "section" | "field">,
  item: Pick<Item, "kind" | "fields">,
): Result<MatchedField, MatchProblem> => {
  const name = reference.section === undefined ? reference.field : `${reference.section}/${reference.field}`
  if (item.fields.has(name)) return ok({ here: true, name })
  const kind = kindByName(item.kind)
  const values: Record<string, string> = {}
  for (const [known, field] of item.fields) values[known] = field.value
  const spec = kind && (findFieldSpec(kind.fieldsFor(values), name) ?? findFieldSpec(kind.fields, name))
  if (spec !== undefined && item.fields.has(spec.name)) return ok({ here: true, name: spec.name })
  const hits = [...item.fields.keys()].filter((candidate) => fold(candidate) === fold(name))
  const [only] = hits
  if (hits.length > 1) return err({ code: "ambiguous", what: "field", candidates: hits })
  if (only !== undefined) return ok({ here: true, name: only })
  const linked = kind?.linkedFields.find((candidate) => fold(candidate.name) === fold(name))
  if (linked !== undefined) return ok({ here: false, through: linked.through, field: linked.field })
  return err({ code: "not-found", what: "field" })
}

const ID_PREFIX = "id:"

const problem = (reason: ReferenceReason, at: number): Result<never, ReferenceProblem> =>
  err({ code: "reference-malformed", reason, at })

const fold = (text: string): string => text.normalize("NFC").toLowerCase()

/** `encodeURIComponent` leaves five characters alone that RFC 3986 reserves. */
const encodePart = (text: string): string =>
  encodeURIComponent(text).replaceAll(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)

const encodeVault = (name: string): string => (name === "~" ? "%7E" : encodePart(name))

const decodePart = (raw: string, at: number): Result<string, ReferenceProblem> => {
  if (raw === "") return problem("empty-part", at)
  const foreign = raw.search(/[^A-Za-z0-9\-._~ %]/)
  if (foreign !== -1) return problem("needs-percent-encoding", at + foreign)
  if (/%(?![0-9A-Fa-f]{2})/.test(raw)) return problem("bad-percent-encoding", at)
  try {
    return ok(decodeURIComponent(raw))
  } catch {
    return problem("bad-percent-encoding", at)
  }
}

const parseQuery = (text: string, at: number): Result<ReadonlyMap<string, string>, ReferenceProblem> => {
  const query = new Map<string, string>()
  for (const pair of text.split("&")) {
    const equals = pair.indexOf("=")
    if (equals < 1) return problem("bad-query", at)
    const name = decodePart(pair.slice(0, equals), at)
    if (!name.ok) return name
    const rawValue = pair.slice(equals + 1)
    const value = rawValue === "" ? ok("") : decodePart(rawValue, at)
    if (!value.ok) return value
    if (query.has(name.value)) return problem("bad-query", at)
    query.set(name.value, value.value)
  }
  return ok(query)
}
