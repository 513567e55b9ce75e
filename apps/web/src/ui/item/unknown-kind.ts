import { ok } from "@keyferry/base"
import type { Kind } from "@keyferry/items"

/** A kind that only a newer program knows is shown and edited field by field. */
export const unknownKind = (name: string): Kind => ({
  kind: name,
  label: name,
  latest: 1,
  credential: true,
  defaultClass: "standard",
  fields: [],
  linkedFields: [],
  fieldsFor: () => [],
  customField: (field) => ({ name: field, label: field, secret: true, multiline: true, input: "exact" }),
  parse: (fields) => ok(fields),
  summary: () => "",
  example: { title: "", fields: {} },
})
