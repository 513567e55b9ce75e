/**
 * Key bytes that cannot be printed, logged or serialised by accident.
 * `Name` keeps a vault key from being passed where an item key is due.
 * `reveal()` is allowed in `crypto` and in a short list that the lint knows.
 */
export class Secret<Name extends string> {
  declare readonly name: Name
  readonly #bytes: Uint8Array
  #wiped = false

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  /** The bytes themselves, not a copy: do not keep them. Throws after `wipe`. */
  reveal(): Uint8Array {
    if (this.#wiped) throw new Error("secret was wiped")
    return this.#bytes
  }

  get length(): number {
    return this.#bytes.length
  }

  /** Overwrites the bytes. JavaScript may have copied them elsewhere; docs/threat-model.md says so. */
  wipe(): void {
    this.#bytes.fill(0)
    this.#wiped = true
  }

  [Symbol.dispose](): void {
    this.wipe()
  }

  toString(): string {
    return "<secret>"
  }

  toJSON(): string {
    return "<secret>"
  }

  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return "<secret>"
  }
}

export const secret = <Name extends string>(bytes: Uint8Array): Secret<Name> => new Secret<Name>(bytes)
