import type { Measured, Plan } from "./rounds.ts"

/** One line of the report. */
export interface Row {
  readonly id: string
  readonly what: string
  readonly unit: string
  readonly ours: number | undefined
  readonly anchor: number | undefined
  /** What the anchor is. */
  readonly beside: string
  readonly ratio: number | undefined
  readonly goal: string
  readonly met: boolean
  readonly rounds: number
  readonly dropped: number
  /** Why there is no figure, or what else was seen. */
  readonly note?: string
}

/** Rows that share a preparation. */
export interface Family {
  readonly ids: readonly string[]
  readonly run: (plan: Plan, folder: string) => Promise<readonly Row[]>
}

export interface Words {
  readonly id: string
  readonly what: string
  readonly unit: string
  readonly beside: string
  readonly goal: string
}

/** A row of alternating rounds. `holds` is the goal. */
export const rowOf = (
  words: Words,
  measured: Measured | undefined,
  holds: (measured: Measured) => boolean,
  note?: string,
): Row =>
  measured === undefined
    ? {
        ...words,
        ours: undefined,
        anchor: undefined,
        ratio: undefined,
        met: false,
        rounds: 0,
        dropped: 0,
        note: "void: fewer rounds than needed had a quiet machine",
      }
    : {
        ...words,
        ours: measured.ours,
        anchor: measured.anchor,
        ratio: measured.ratio,
        met: holds(measured),
        rounds: measured.rounds,
        dropped: measured.dropped,
        ...(note === undefined ? {} : { note }),
      }

/** A row without rounds: sizes, bytes, exponents. */
export const plainRow = (words: Words, ours: number, anchor: number | undefined, met: boolean, note?: string): Row => ({
  ...words,
  ours,
  anchor,
  ratio: anchor === undefined ? undefined : ours / anchor,
  met,
  rounds: 1,
  dropped: 0,
  ...(note === undefined ? {} : { note }),
})

/** Said where something could not be measured; never a figure. */
export const missingRow = (words: Words, note: string): Row => ({
  ...words,
  ours: undefined,
  anchor: undefined,
  ratio: undefined,
  met: false,
  rounds: 0,
  dropped: 0,
  note,
})
