import { ok, type Result } from "@keyferry/base"

import { type FieldProblem, type FieldValue, type Fields, findFieldSpec } from "./field.ts"
import { normaliseField } from "./hygiene.ts"
import type { Kind } from "./kind.ts"

/** What was changed in a typed value, to be told to the person. */
export interface FieldNotice {
  readonly field: string
  readonly what: "trimmed" | "line-breaks-restored"
}

export interface BuiltFields {
  readonly fields: Fields
  readonly notices: readonly FieldNotice[]
}

/**
 * Cleans typed input, resolves aliases, marks what is secret, puts fields in the kind's order and checks the whole.
 * An empty value leaves its field out.
 * Errors   credential-malformed with the field and the reason
 */
export const buildFields = (
  kind: Kind,
  input: Iterable<readonly [name: string, value: string]>,
): Result<BuiltFields, FieldProblem> => {
  const entries = [...input]
  const known: Record<string, string> = {}
  for (const [name, value] of entries) known[findFieldSpec(kind.fields, name)?.name ?? name] = value.trim()
  const specs = kind.fieldsFor(known)
  const notices: FieldNotice[] = []
  const cleaned = new Map<string, FieldValue>()
  for (const [name, raw] of entries) {
    // What the chosen exchange asks for wins over the kind's general list, which still names the rest.
    const spec = findFieldSpec(specs, name) ?? findFieldSpec(kind.fields, name) ?? kind.customField(name)
    const result = normaliseField(spec, raw)
    if (!result.ok) return result
    if (result.value.trimmed) notices.push({ field: spec.name, what: "trimmed" })
    if (result.value.lineBreaksRestored) notices.push({ field: spec.name, what: "line-breaks-restored" })
    if (result.value.value !== "") cleaned.set(spec.name, { value: result.value.value, secret: spec.secret })
  }
  const fields = new Map<string, FieldValue>()
  for (const spec of [...specs, ...kind.fields]) {
    const field = cleaned.get(spec.name)
    if (field !== undefined) fields.set(spec.name, field)
  }
  for (const [name, field] of cleaned) if (!fields.has(name)) fields.set(name, field)
  const parsed = kind.parse(fields)
  return parsed.ok ? ok({ fields, notices }) : parsed
}
