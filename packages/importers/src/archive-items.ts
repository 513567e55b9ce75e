import {
  base64urlToBytes,
  bytesToBase64url,
  type CborValue,
  decodeCbor,
  encodeCbor,
  err,
  formatId,
  ok,
  parseId,
  type Result,
} from "@keyferry/base"
import { type FieldValue, type Item, MAX_ITEM_BYTES } from "@keyferry/items"

/*
 * One item as one line of JSON, made to be read by people and by jq:
 *
 *   {"id": "itm_…", "vault": "vlt_…", "kind": "login", "version": 1, "title": "Shop",
 *    "fields": [{"name": "username", "value": "ada", "secret": false}, …],
 *    "tags": [], "notes": "", "created": ms, "updated": ms,
 *    "class"?: "strict" | "standard", "origin"?: {"source", "id"},
 *    "alternatives"?: [{"field", "value", "device": "dev_…", "revision"}],
 *    "unknown"?: base64url of the CBOR map {0: unknown keys, 1: unknown flags}}
 *
 * The order of keys is fixed, so that the same item is the same line.
 */
export type JsonObject = { readonly [key: string]: unknown }

export const itemToJson = (item: Item): JsonObject => ({
  id: formatId("itm", item.itemId),
  vault: formatId("vlt", item.vaultId),
  kind: item.kind,
  version: item.version,
  title: item.title,
  fields: [...item.fields].map(([name, { value, secret }]) => ({ name, value, secret })),
  tags: item.tags,
  notes: item.notes,
  created: item.createdMs,
  updated: item.updatedMs,
  ...(item.leaseClass === undefined ? {} : { class: item.leaseClass }),
  ...(item.origin === undefined ? {} : { origin: { source: item.origin.source, id: item.origin.id } }),
  ...(item.alternatives.length === 0
    ? {}
    : {
        alternatives: item.alternatives.map(({ field, value, deviceId, revision }) => ({
          field,
          value,
          device: formatId("dev", deviceId),
          revision,
        })),
      }),
  ...(item.unknownKeys.size + item.unknownFlags.size === 0
    ? {}
    : {
        unknown: bytesToBase64url(
          encodeCbor(
            new Map<number, CborValue>([
              [0, item.unknownKeys],
              [1, item.unknownFlags],
            ]),
          ),
        ),
      }),
})

/** Errors: malformed for anything that `itemToJson` could not have made; keys it does not know are passed over. */
export const jsonToItem = (json: unknown): Result<Item, "malformed"> => {
  try {
    return ok(parseItem(json))
  } catch (error) {
    if (error instanceof ShapeProblem) return err("malformed")
    throw error
  }
}

class ShapeProblem extends Error {}

const refuse = (): never => {
  throw new ShapeProblem()
}

const parseItem = (json: unknown): Item => {
  const source = object(json)
  const fields = list(source["fields"]).map((entry) => {
    const field = object(entry)
    return [text(field["name"]), { value: text(field["value"]), secret: bool(field["secret"]) }] as const
  })
  const fieldMap = new Map<string, FieldValue>(fields)
  if (fieldMap.size !== fields.length || fieldMap.has("")) refuse()
  const leaseClass = source["class"]
  if (leaseClass !== undefined && leaseClass !== "strict" && leaseClass !== "standard") refuse()
  const kind = text(source["kind"])
  const version = count(source["version"])
  if (kind === "" || version === 0) refuse()
  const [unknownKeys, unknownFlags] = unknownOf(source["unknown"])
  const origin = source["origin"] === undefined ? undefined : object(source["origin"])
  return {
    kind,
    version,
    itemId: id("itm", source["id"]),
    vaultId: id("vlt", source["vault"]),
    title: text(source["title"]),
    fields: fieldMap,
    tags: list(source["tags"]).map(text),
    createdMs: count(source["created"]),
    updatedMs: count(source["updated"]),
    ...(leaseClass === "strict" || leaseClass === "standard" ? { leaseClass } : {}),
    notes: text(source["notes"]),
    alternatives: list(source["alternatives"] ?? []).map((entry) => {
      const other = object(entry)
      return {
        field: text(other["field"]),
        value: text(other["value"]),
        deviceId: id("dev", other["device"]),
        revision: count(other["revision"]),
      }
    }),
    ...(origin === undefined ? {} : { origin: { source: text(origin["source"]), id: text(origin["id"]) } }),
    unknownKeys,
    unknownFlags,
  }
}

export const object = (value: unknown): JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as JsonObject) : refuse()

const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : refuse())

const text = (value: unknown): string =>
  typeof value === "string" && value.isWellFormed() && value.length <= MAX_ITEM_BYTES ? value : refuse()

const bool = (value: unknown): boolean => (typeof value === "boolean" ? value : refuse())

const count = (value: unknown): number =>
  typeof value === "number" && Number.isSafeInteger(value) && value >= 0 ? value : refuse()

const id = (prefix: "itm" | "vlt" | "dev", value: unknown): Uint8Array => {
  const parsed = parseId(prefix, text(value))
  return parsed.ok ? parsed.value : refuse()
}

type Unknowns = readonly [ReadonlyMap<number, CborValue>, ReadonlyMap<number, CborValue>]

const unknownOf = (value: unknown): Unknowns => {
  if (value === undefined) return [new Map(), new Map()]
  const bytes = base64urlToBytes(text(value))
  const decoded = bytes && decodeCbor(bytes, MAX_ITEM_BYTES)
  if (decoded?.ok !== true || !(decoded.value instanceof Map)) return refuse()
  const keys: unknown = decoded.value.get(0)
  const flags: unknown = decoded.value.get(1)
  if (!(keys instanceof Map) || !(flags instanceof Map)) return refuse()
  return [keys as ReadonlyMap<number, CborValue>, flags as ReadonlyMap<number, CborValue>]
}
