import type { Kind } from "./kind.ts"
import { kinds } from "./kinds/index.ts"

const kindsByName: ReadonlyMap<string, Kind> = new Map(kinds.map((kind) => [kind.kind, kind]))

/** `undefined` for a kind that only a newer program knows; such items are kept and shown field by field. */
export const kindByName = (name: string): Kind | undefined => kindsByName.get(name)

export interface KindRow {
  readonly kind: string
  readonly label: string
  readonly version: number
  readonly credential: boolean
  readonly class: "strict" | "standard"
  readonly fields: readonly {
    readonly name: string
    readonly label: string
    readonly secret: boolean
    readonly required: boolean
    readonly multiline: boolean
    readonly aliases: readonly string[]
    readonly choices: readonly string[]
    readonly refersTo: readonly string[]
  }[]
}

/** What `kf kinds --json` prints and what docs/kinds.md is made from. */
export const kindsTable = (): readonly KindRow[] =>
  kinds.map((kind) => ({
    kind: kind.kind,
    label: kind.label,
    version: kind.latest,
    credential: kind.credential,
    class: kind.defaultClass,
    fields: kind.fields.map((spec) => ({
      name: spec.name,
      label: spec.label,
      secret: spec.secret,
      required: spec.required === true,
      multiline: spec.multiline !== undefined && spec.multiline !== false,
      aliases: spec.aliases ?? [],
      choices: spec.choices ?? [],
      refersTo: spec.refersTo ?? [],
    })),
  }))
