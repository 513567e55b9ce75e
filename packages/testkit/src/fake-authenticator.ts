import { createHash, createHmac, generateKeyPairSync, type KeyObject, randomBytes, sign } from "node:crypto"

import { base64urlToBytes, bytesToBase64url, concatBytes, err, ok, utf8 } from "@keyferry/base"
import type { PasskeyAnswer, PasskeyAuthenticator, PasskeyCreation, PasskeyMade, PasskeyQuestion } from "@keyferry/sdk"

/*
 * A browser with an authenticator, in memory: real CBOR, COSE, ES256 and attestation `none`, and PRF by CTAP's hmac-secret
 * as the WebAuthn text maps it. A test turns its knobs to make the answers that a verifier must refuse.
 */
export interface FakeAuthenticator extends PasskeyAuthenticator {
  /** Turned between two uses. */
  readonly knobs: Knobs
  /** Every PRF output that left it, to be searched for where it must not be. */
  readonly outputs: readonly Uint8Array[]
  /** The same passkeys, as a copy of the authenticator would have them. */
  readonly copy: () => FakeAuthenticator
}

export interface Knobs {
  /** What the browser writes into its client data. */
  origin: string
  /** Instead of the address that was asked for. */
  rpId?: string
  userVerified: boolean
  /** Off: an authenticator that does not count, as synced passkeys do not. */
  counts: boolean
  hasPrf: boolean
  /** Many authenticators evaluate PRF only when they are asked, not when they make a passkey. */
  evaluatesAtCreation: boolean
  /** The person says no. */
  refuses: boolean
  /** Instead of a random one, for the next passkey. */
  nextId?: Uint8Array
}

interface Held {
  readonly id: string
  readonly key: KeyObject
  readonly userHandle: string
  readonly secret: Uint8Array
  counter: number
}

const USER_PRESENT = 0x01
const USER_VERIFIED = 0x04
const HAS_CREDENTIAL = 0x40

export const createFakeAuthenticator = (
  knobs: Partial<Knobs> & Pick<Knobs, "origin">,
  held: readonly Held[] = [],
): FakeAuthenticator => {
  const set: Knobs = {
    userVerified: true,
    counts: true,
    hasPrf: true,
    evaluatesAtCreation: false,
    refuses: false,
    ...knobs,
  }
  const credentials = new Map(held.map((one) => [one.id, { ...one }]))
  const outputs: Uint8Array[] = []

  const authenticatorData = (rpId: string, one: Held, attested: Uint8Array): Uint8Array => {
    if (set.counts) one.counter++
    const flags = USER_PRESENT | (set.userVerified ? USER_VERIFIED : 0) | (attested.length > 0 ? HAS_CREDENTIAL : 0)
    const counter = new Uint8Array(4)
    new DataView(counter.buffer).setUint32(0, one.counter)
    return concatBytes(sha256(utf8(set.rpId ?? rpId)), Uint8Array.of(flags), counter, attested)
  }
  const clientData = (type: string, challenge: string): Uint8Array =>
    utf8(JSON.stringify({ type, challenge, origin: set.origin, crossOrigin: false }))
  const evaluate = (one: Held, input: Uint8Array): Uint8Array => {
    const salt = sha256(concatBytes(utf8("WebAuthn PRF\0"), input))
    const output = new Uint8Array(createHmac("sha256", one.secret).update(salt).digest())
    outputs.push(output.slice())
    return output
  }

  return {
    knobs: set,
    outputs,
    copy: () => createFakeAuthenticator(set, [...credentials.values()]),
    create: async ({ rpId, challenge, user, exclude, prfInput }: PasskeyCreation) => {
      if (set.refuses || exclude.some(({ id }) => credentials.has(id))) return err("not-used")
      const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" })
      const rawId = set.nextId ?? new Uint8Array(randomBytes(32))
      const one: Held = {
        id: bytesToBase64url(rawId),
        key: privateKey,
        userHandle: user.handle,
        secret: new Uint8Array(randomBytes(32)),
        counter: 0,
      }
      credentials.set(one.id, one)
      const { x = "", y = "" } = publicKey.export({ format: "jwk" })
      const cose = cborMap([
        [1, 2],
        [3, -7],
        [-1, 1],
        [-2, base64urlToBytes(x) ?? new Uint8Array()],
        [-3, base64urlToBytes(y) ?? new Uint8Array()],
      ])
      const attested = concatBytes(new Uint8Array(16), Uint8Array.of(0, rawId.length), rawId, cose)
      const attestation = cborMap([
        ["fmt", "none"],
        ["attStmt", EMPTY],
        ["authData", authenticatorData(rpId, one, attested)],
      ])
      const credential: PasskeyMade["credential"] = {
        id: one.id,
        rawId: one.id,
        type: "public-key",
        response: {
          clientDataJSON: bytesToBase64url(clientData("webauthn.create", challenge)),
          attestationObject: bytesToBase64url(attestation),
          transports: ["internal"],
        },
        clientExtensionResults: {},
      }
      const evaluated = set.hasPrf && set.evaluatesAtCreation
      return ok({
        credential,
        prfEnabled: set.hasPrf,
        ...(evaluated ? { prf: evaluate(one, prfInput) } : {}),
      })
    },
    get: async ({ rpId, challenge, credentials: asked }: PasskeyQuestion) => {
      const chosen = asked.find(({ id }) => credentials.has(id))
      const one = chosen === undefined ? undefined : credentials.get(chosen.id)
      if (set.refuses || chosen === undefined || one === undefined) return err("not-used")
      const signedData = authenticatorData(rpId, one, new Uint8Array())
      const client = clientData("webauthn.get", challenge)
      const assertion: PasskeyAnswer["assertion"] = {
        id: one.id,
        rawId: one.id,
        type: "public-key",
        response: {
          clientDataJSON: bytesToBase64url(client),
          authenticatorData: bytesToBase64url(signedData),
          signature: bytesToBase64url(new Uint8Array(sign("sha256", concatBytes(signedData, sha256(client)), one.key))),
          userHandle: one.userHandle,
        },
        clientExtensionResults: {},
      }
      const input = set.hasPrf ? chosen.prfInput : undefined
      return ok({ assertion, ...(input === undefined ? {} : { prf: evaluate(one, input) }) })
    },
  }
}

const sha256 = (bytes: Uint8Array): Uint8Array => new Uint8Array(createHash("sha256").update(bytes).digest())

const EMPTY = Symbol("an empty map")

/** CBOR as authenticators write it: negative and text keys too, which our own codec does not know. */
type Cbor = number | string | Uint8Array | typeof EMPTY

const cborMap = (entries: readonly (readonly [number | string, Cbor])[]): Uint8Array =>
  concatBytes(head(5, entries.length), ...entries.flatMap(([key, value]) => [cbor(key), cbor(value)]))

const cbor = (value: Cbor): Uint8Array => {
  if (typeof value === "number") return value < 0 ? head(1, -1 - value) : head(0, value)
  if (typeof value === "string") return concatBytes(head(3, utf8(value).length), utf8(value))
  return value === EMPTY ? head(5, 0) : concatBytes(head(2, value.length), value)
}

const head = (major: number, n: number): Uint8Array => {
  if (n < 24) return Uint8Array.of((major << 5) | n)
  return n < 256 ? Uint8Array.of((major << 5) | 24, n) : Uint8Array.of((major << 5) | 25, n >> 8, n & 255)
}
