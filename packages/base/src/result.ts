/**
 * An expected outcome: a value or a named failure. Broken assumptions are exceptions instead.
 * Source   docs/architecture.md, "Errors"
 */
export type Result<T, E> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: E }

export const ok = <T>(value: T): { readonly ok: true; readonly value: T } => ({ ok: true, value })
export const err = <E>(error: E): { readonly ok: false; readonly error: E } => ({ ok: false, error })

/** Unwraps a result whose failure would be a defect of the caller. Throws `Defect`. */
export const expectOk = <T, E>(result: Result<T, E>, why: string): T => {
  if (result.ok) return result.value
  throw new Defect(why, { cause: result.error })
}

/** A broken assumption. Never caught except at the top of a request, a command or a worker. */
export class Defect extends Error {
  override readonly name = "Defect"
}

/** Makes the compiler prove that a union was handled whole. */
export const assertNever = (value: never): never => {
  const { code } = value as { code?: unknown }
  throw new Defect(`unexpected variant ${typeof code === "string" ? code : typeof value}`)
}
