/** How an item's local copy is kept: `strict` never opens offline, `standard` within a bounded grace. */
export type LeaseClass = "strict" | "standard"

/**
 * One field of a kind, enough for a generic form.
 * Names are kebab-case. `input` says how typed text is cleaned: `token` has no spaces at all, `exact` keeps every
 * space (passwords), `text` is trimmed at both ends. `multiline: "pem"` allows newlines only in PEM blocks.
 */
export interface FieldSpec {
  readonly name: string
  readonly label: string
  readonly secret: boolean
  readonly required?: boolean
  readonly multiline?: boolean | "pem"
  readonly input?: "token" | "exact" | "text"
  readonly aliases?: readonly string[]
  readonly choices?: readonly string[]
  /** The field holds the id of another item, of one of these kinds. */
  readonly refersTo?: readonly string[]
  readonly hint?: string
  /** Another way to write a cleaned value, such as the id for a name. Applied before `choices` and `check`. */
  readonly canonical?: (value: string) => string
  /** Looks at a cleaned, non-empty value. */
  readonly check?: (value: string) => FieldReason | undefined
}

export type FieldReason =
  | "missing"
  | "unknown-field"
  | "not-text"
  | "control-character"
  | "newline"
  | "space-inside"
  | "too-long"
  | "not-a-choice"
  | "not-a-number"
  | "not-a-url"
  | "not-a-date"
  | "not-an-item-id"
  | "not-a-private-key"
  | "not-a-public-key"
  | "not-an-otp"
  | "not-a-variable-name"
  | "not-an-address"
  | "swapped"
  | "main-wallet-key"
  | "secret-not-allowed"
  | "own-and-shared"

/** Names the bad field and why, and never carries its value. */
export interface FieldProblem {
  readonly code: "credential-malformed"
  readonly field: string
  readonly reason: FieldReason
}

export const fieldProblem = (field: string, reason: FieldReason): FieldProblem => ({
  code: "credential-malformed",
  field,
  reason,
})

export interface FieldValue {
  readonly value: string
  readonly secret: boolean
}

/** Ordered: the order of insertion is the order on screen and in the sealed bytes. */
export type Fields = ReadonlyMap<string, FieldValue>

/** What folds together when a person types a field's name: case, spaces, dashes and underscores. */
export const foldFieldName = (name: string): string => name.toLowerCase().replaceAll(/[ _-]/g, "")

/** The declared field that a name or alias means: exact first, then without regard to case. */
export const findFieldSpec = (specs: readonly FieldSpec[], name: string): FieldSpec | undefined => {
  const wanted = foldFieldName(name)
  return (
    specs.find((spec) => spec.name === name) ??
    specs.find((spec) => foldFieldName(spec.name) === wanted) ??
    specs.find((spec) => (spec.aliases ?? []).some((alias) => foldFieldName(alias) === wanted))
  )
}
