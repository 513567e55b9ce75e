import { base64urlToBytes, Defect } from "@keyferry/base"

/**
 * The OPAQUE library, loaded when it is first needed: it is 430 kB of WebAssembly that most commands never use.
 * Source   spec/keys.md KE5
 */
export const opaqueLibrary = async (): Promise<typeof import("@serenity-kit/opaque")> => {
  const library = await import("@serenity-kit/opaque")
  await library.ready
  return library
}

/** A constant of the suite: no endpoint returns stretching parameters. Argon2id with 64 MiB, 3 passes, 4 lanes. */
export const KEY_STRETCHING = { "argon2id-custom": { memory: 65_536, iterations: 3, parallelism: 4 } }

/** Who is speaking to whom. Both ends must say the same, or the login fails. */
export interface OpaqueIdentifiers {
  /** The account's UUID as text; not its address, which may change. */
  readonly account: string
  /** The deployment id as text; not an origin, which may change. */
  readonly deployment: string
}

export const identifiersOf = (i: OpaqueIdentifiers): { client: string; server: string } => ({
  client: i.account,
  server: i.deployment,
})

/** For what the library itself made. */
export const libraryBytes = (text: string): Uint8Array => {
  const bytes = base64urlToBytes(text)
  if (bytes === undefined) throw new Defect("the OPAQUE library returned no base64url")
  return bytes
}
