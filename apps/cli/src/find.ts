import { err, ok, parseId, type Result } from "@keyferry/base"
import {
  type Fields,
  isReference,
  type MatchProblem,
  matchField,
  matchItem,
  matchName,
  parseReference,
  type Reference,
} from "@keyferry/items"
import { failure, type Failure } from "@keyferry/sdk/errors"

import { oneLine, usage } from "./failures.ts"
import type { ItemSummary, ItemView, Keyferry } from "./keyferry.ts"

/** What a person may write for an item: its title, its id, or a kf:// reference (whose field is given back too). */
export interface Found<T> {
  readonly item: T
  readonly reference?: Reference
}

/** The name under which an only vault answers in references. */
const PERSONAL = "Personal"

/** Errors: not-found, ambiguous-reference with the ids, usage-wrong for a malformed reference. */
export const findAmong = <T extends ItemSummary>(
  text: string,
  items: readonly T[],
  vault?: string,
): Result<Found<T>, Failure> => {
  if (isReference(text)) return findByReference(text, items)
  if (parseId("itm", text).ok) {
    const item = items.find((candidate) => candidate.id === text)
    return item === undefined ? err(notFound("No item has this id.")) : ok({ item })
  }
  const wanted = vault === undefined ? items : items.filter((item) => isVault(item.vault, vault, items))
  const named = wanted.map((item) => ({ id: item.id, name: item.title, item }))
  const match = matchName("item", text, named)
  return match.ok ? ok({ item: match.value.item }) : err(matchFailure(match.error, items))
}

const findByReference = <T extends ItemSummary>(text: string, items: readonly T[]): Result<Found<T>, Failure> => {
  // `kf://vault/item` names an item too; the grammar wants a field, so one is added and forgotten again.
  const parsed = parseReference(text)
  const itemOnly = parsed.ok || parsed.error.reason !== "too-few-parts" ? undefined : parseReference(`${text}/-`)
  const reference = parsed.ok ? parsed : (itemOnly ?? parsed)
  if (!reference.ok)
    return err(usage(`This reference is malformed at character ${reference.error.at + 1}: ${reference.error.reason}.`))
  const ids = [...new Set(items.map((item) => item.vault))]
  const vaults = [
    ...ids.map((id) => ({ id, name: id })),
    ...(ids.length === 1 ? ids.map((id) => ({ id, name: PERSONAL })) : []),
  ]
  const named = items.map((item) => ({ id: item.id, name: item.title, vaultId: item.vault, item }))
  const match = matchItem(reference.value, vaults, named, ids[0])
  if (!match.ok) return err(matchFailure(match.error, items))
  return ok({ item: match.value.item, ...(parsed.ok ? { reference: parsed.value } : {}) })
}

const isVault = (id: string, wanted: string, items: readonly ItemSummary[]): boolean =>
  id === wanted ||
  (wanted.toLowerCase() === PERSONAL.toLowerCase() && new Set(items.map((item) => item.vault)).size === 1)

export const findItem = async (
  keyferry: Keyferry,
  text: string,
  vault?: string,
): Promise<Result<Found<ItemSummary>, Failure>> => {
  const items = await keyferry.list()
  if (!items.ok) return items
  const found = findAmong(text, items.value, vault)
  return found.ok ? found : err(await whyMissing(keyferry, found.error))
}

/** A device that was opened offline does not see its strict items: what it cannot find may be one of them. */
export const whyMissing = async (keyferry: Keyferry, problem: Failure): Promise<Failure> =>
  problem.code === "not-found" && (await keyferry.status()).lock === "standard-only"
    ? failure("lease-needs-server", "None of the items that are open now is meant by this.")
    : problem

/** Each once, in the order given. One unknown name is a failure of the whole: nothing is done by halves. */
export const findItems = async (
  keyferry: Keyferry,
  texts: readonly string[],
  vault?: string,
): Promise<Result<readonly ItemSummary[], Failure>> => {
  const items = await keyferry.list()
  if (!items.ok) return items
  const found = new Map<string, ItemSummary>()
  for (const text of texts) {
    const one = findAmong(text, items.value, vault)
    if (!one.ok) return err(await whyMissing(keyferry, one.error))
    found.set(one.value.item.id, one.value.item)
  }
  return ok([...found.values()])
}

export interface FoundField {
  readonly item: ItemView
  readonly name: string
  readonly value: string
  readonly secret: boolean
}

/**
 * One field of an item, by any of its names; `host/user` is read from the credential that the host refers to.
 * Errors: not-found, ambiguous-reference, credential-not-on-device
 */
export const findField = async (
  keyferry: Keyferry,
  item: ItemView,
  wanted: Pick<Reference, "section" | "field">,
  depth = 0,
): Promise<Result<FoundField, Failure>> => {
  const fields: Fields = new Map(item.fields.map((field) => [field.name, { value: field.value, secret: field.secret }]))
  const match = matchField(wanted, { kind: item.kind, fields })
  if (!match.ok) {
    if (match.error.code === "not-found" && wanted.section === undefined && wanted.field.toLowerCase() === "title") {
      return ok({ item, name: "title", value: item.title, secret: false })
    }
    const names = item.fields.map((field) => field.name).join(", ")
    return err(
      match.error.code === "ambiguous"
        ? matchFailure(match.error, [])
        : notFound(`“${oneLine(item.title)}” has these fields: ${names}.`),
    )
  }
  if (match.value.here) {
    const field = fields.get(match.value.name)
    if (field !== undefined) return ok({ item, name: match.value.name, ...field })
    return err(notFound("The item has no such field."))
  }
  const id = fields.get(match.value.through)?.value
  const linked = id === undefined || depth > 2 ? undefined : await keyferry.get(id)
  if (linked === undefined || !linked.ok) return err(failure("credential-not-on-device"))
  return findField(keyferry, linked.value, { field: match.value.field }, depth + 1)
}

/** `TITLE/FIELD` beside `TITLE FIELD` and kf://: the longest title that exists wins. */
export const splitTitleAndField = (
  text: string,
  items: readonly ItemSummary[],
  vault?: string,
): Result<{ readonly item: ItemSummary; readonly field?: string; readonly reference?: Reference }, Failure> => {
  const whole = findAmong(text, items, vault)
  if (whole.ok || isReference(text) || whole.error.code !== "not-found") return whole
  const slash = text.lastIndexOf("/")
  if (slash < 1 || slash === text.length - 1) return whole
  const head = findAmong(text.slice(0, slash), items, vault)
  return head.ok ? ok({ item: head.value.item, field: text.slice(slash + 1) }) : whole
}

const notFound = (detail: string): Failure => failure("not-found", detail)

const matchFailure = (problem: MatchProblem, items: readonly ItemSummary[]): Failure => {
  if (problem.code === "not-found") return notFound(`No ${problem.what} has this name.`)
  const names = problem.candidates.map((id) => {
    const item = items.find((candidate) => candidate.id === id)
    return item === undefined ? id : `${id} (${item.kind}${item.summary === "" ? "" : `, ${oneLine(item.summary)}`})`
  })
  return failure("ambiguous-reference", `They are ${names.join("; ")}.`)
}
