import { err, type Result } from "@keyferry/base"

import {
  type FieldProblem,
  type FieldReason,
  type FieldSpec,
  type FieldValue,
  type Fields,
  fieldProblem,
  foldFieldName,
  type LeaseClass,
} from "./field.ts"

/** A name of another kind's field that a reference may use on this one: `host/user` is the credential's user name. */
export interface LinkedField {
  readonly name: string
  readonly through: string
  readonly field: string
}

export interface KindExample {
  readonly title: string
  readonly fields: Readonly<Record<string, string>>
}

/** The shape of an item. `Parsed` is what `parse` gives for fields that are complete. */
export interface Kind<Name extends string = string, Parsed = unknown> {
  readonly kind: Name
  readonly label: string
  readonly latest: number
  /** Governed by the credential switch and by "never sync" policies. */
  readonly credential: boolean
  readonly defaultClass: LeaseClass
  readonly fields: readonly FieldSpec[]
  readonly linkedFields: readonly LinkedField[]
  /** The fields to ask for, given what is known so far: an exchange key asks other fields per exchange. */
  readonly fieldsFor: (values: Readonly<Record<string, string>>) => readonly FieldSpec[]
  /** The shape of a field that no spec names. */
  readonly customField: (name: string) => FieldSpec
  readonly parse: (fields: Fields, version?: number) => Result<Parsed, FieldProblem>
  /** One line for lists. Made from fields that are not secret; the others never reach the function that writes it. */
  readonly summary: (fields: Fields) => string
  readonly example: KindExample
}

type Required<S> = S extends { readonly required: true; readonly name: infer N extends string } ? N : never
type Name<S> = S extends { readonly name: infer N extends string } ? N : never
type Visible<S> = S extends { readonly secret: false; readonly name: infer N extends string } ? N : never

/** The values of declared fields by name: required ones present, the others perhaps. */
export type ValuesOf<F extends readonly FieldSpec[]> = {
  readonly [N in Required<F[number]>]: string
} & { readonly [N in Exclude<Name<F[number]>, Required<F[number]>>]?: string }

type VisibleValuesOf<F extends readonly FieldSpec[]> = { readonly [N in Visible<F[number]>]?: string }

export interface KindDefinition<K extends string, F extends readonly FieldSpec[], T> {
  readonly kind: K
  readonly label: string
  readonly latest: number
  readonly credential: boolean
  readonly defaultClass: LeaseClass
  readonly fields: F
  readonly linkedFields?: readonly LinkedField[]
  readonly fieldsFor?: (values: Readonly<Record<string, string>>) => readonly FieldSpec[]
  readonly customField?: (name: string) => FieldSpec
  /** Called with checked declared fields; looks at what they mean together. */
  readonly parse: (values: ValuesOf<F>, fields: Fields) => Result<T, FieldProblem>
  readonly summary: (visible: VisibleValuesOf<F>, fields: Fields) => string
  /** Turns the fields of an older version into those of `latest`. Needed as soon as `latest` is above 1. */
  readonly upgrade?: (fields: Fields, fromVersion: number) => Fields
  readonly example: KindExample
}

/**
 * Declares a kind once; one file per kind, picked up by the registry, the forms, the switch and the conformance test.
 * Errors   throws `Error` at load for a definition that contradicts itself
 * Source   docs/adding/kind.md
 */
export const defineKind = <const K extends string, const F extends readonly FieldSpec[], T>(
  definition: KindDefinition<K, F, T>,
): Kind<K, T> => {
  const { fields: specs, latest, upgrade } = definition
  assertDefinition(definition)
  const fieldsFor = definition.fieldsFor ?? (() => specs)
  const parse = (stored: Fields, version = latest): Result<T, FieldProblem> => {
    const fields = version < latest && upgrade ? upgrade(stored, version) : stored
    const values: Record<string, string> = {}
    for (const [name, field] of fields) values[name] = field.value
    // Other kinds travel where credentials may not, so nothing secret may hide in one of their fields.
    const hidden = definition.credential ? undefined : [...fields].find(([, field]) => field.secret)
    if (hidden !== undefined) return err(fieldProblem(hidden[0], "secret-not-allowed"))
    for (const spec of fieldsFor(values)) {
      const reason = checkStored(spec, values[spec.name])
      if (reason !== undefined) return err(fieldProblem(spec.name, reason))
    }
    return definition.parse(values as ValuesOf<F>, fields)
  }
  return Object.freeze({
    kind: definition.kind,
    label: definition.label,
    latest,
    credential: definition.credential,
    defaultClass: definition.defaultClass,
    fields: specs,
    linkedFields: definition.linkedFields ?? [],
    fieldsFor,
    customField: definition.customField ?? freeCustomField(definition.credential),
    parse,
    summary: (fields: Fields) => {
      const visible: Record<string, string> = {}
      const visibleFields = new Map<string, FieldValue>()
      for (const [name, field] of fields) {
        const spec = specs.find((s) => s.name === name)
        if (field.secret || spec?.secret === true) {
          visibleFields.set(name, { value: "", secret: true })
        } else {
          visible[name] = field.value
          visibleFields.set(name, field)
        }
      }
      return definition.summary(visible, visibleFields)
    },
    example: definition.example,
  })
}

// What a person adds to a credential is hidden until they say otherwise; what is no credential can hide nothing.
const freeCustomField =
  (credential: boolean) =>
  (name: string): FieldSpec => ({ name, label: name, secret: credential, multiline: true, input: "exact" })

const checkStored = (spec: FieldSpec, value: string | undefined): FieldReason | undefined => {
  if (value === undefined || value === "") return spec.required === true ? "missing" : undefined
  if (spec.choices !== undefined && !spec.choices.includes(value)) return "not-a-choice"
  return spec.check?.(value)
}

const assertDefinition = (definition: KindDefinition<string, readonly FieldSpec[], unknown>): void => {
  const names = definition.fields.flatMap((spec) => [spec.name, ...(spec.aliases ?? [])]).map(foldFieldName)
  if (new Set(names).size !== names.length) throw new Error(`${definition.kind}: a field name or alias is used twice`)
  if (!definition.credential && definition.fields.some((spec) => spec.secret)) {
    throw new Error(`${definition.kind}: a secret field in a kind that is no credential`)
  }
  if (definition.latest > 1 && definition.upgrade === undefined) {
    throw new Error(`${definition.kind}: version ${definition.latest} without a way up from version 1`)
  }
}
