/**
 * One protection taken away from a copy of the sources, and the test that must notice. A protection whose removal nobody
 * notices is one that the next change may remove by accident.
 */
export interface Sabotage {
  /** kebab-case; unique. */
  readonly name: string
  /** What the protection is for, in one sentence. */
  readonly protects: string
  /** The search text stands exactly once in the file. */
  readonly changes: readonly { readonly file: string; readonly search: string; readonly replace: string }[]
  readonly killer: Killer
  /** Part of the short run: one for each main protection. */
  readonly fast?: true
}

export type Killer =
  /** A test of the default suite, or of adversarial/. `title` is a part of its full name that no other test has to share. */
  | { readonly file: string; readonly title: string }
  /** A tool that prints what failed: `says` must be in its output, and its exit code is not 0. */
  | { readonly tool: string; readonly says: string }
