/**
 * Freezes a value through and through, maps and sets included: a function under test that changes what it was given throws.
 * Development only.
 */
export const deepFreeze = <T>(value: T): T => {
  if (typeof value !== "object" || value === null || Object.isFrozen(value)) return value
  if (ArrayBuffer.isView(value)) return value
  if (value instanceof Map || value instanceof Set) {
    for (const [key, item] of value.entries()) {
      deepFreeze(key)
      deepFreeze(item)
    }
    const refuse = (): never => {
      throw new TypeError("an input was changed")
    }
    for (const name of ["set", "add", "delete", "clear"])
      if (name in value) Object.defineProperty(value, name, { value: refuse })
  } else {
    for (const item of Object.values(value)) deepFreeze(item)
  }
  return Object.freeze(value)
}

/** Calls with frozen arguments, and checks byte arrays, which cannot be frozen, by comparison. */
export const withFrozenInput = <A extends readonly unknown[], R>(run: (...args: A) => R): ((...args: A) => R) => {
  return (...args) => {
    const before = bytesWithin(args).map((bytes) => [bytes, bytes.slice()] as const)
    const result = run(...deepFreeze(args))
    for (const [bytes, copy] of before)
      if (bytes.some((b, i) => b !== copy[i])) throw new TypeError("an input was changed")
    return result
  }
}

const bytesWithin = (value: unknown): readonly Uint8Array[] => {
  if (value instanceof Uint8Array) return [value]
  if (typeof value !== "object" || value === null) return []
  const items =
    value instanceof Map ? [...value.entries()].flat() : value instanceof Set ? [...value] : Object.values(value)
  return items.flatMap(bytesWithin)
}
