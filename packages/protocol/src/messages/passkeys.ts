import { Type } from "./schema.ts"

/*
 * Passkeys as WebAuthn's own JSON, bytes as base64url. Where the browser's answer has results of extensions, a closed
 * empty object stands: a PRF output that somebody forgot to take out is refused, never kept.
 * Source: spec/passkeys.md
 */
const b64 = (max: number) => Type.String({ pattern: "^[A-Za-z0-9_-]*$", maxLength: max })
const text = (max: number) => Type.String({ maxLength: max })
const slotId = Type.String({ pattern: "^slt_[a-z2-7]+$", maxLength: 64 })
const credentialId = b64(1366)
const transports = Type.Array(text(16), { maxItems: 8 })
const noResults = Type.Object({})
const factors = Type.Array(text(16))

/** What a passkey is asked for by: its id, how it can be reached, and the slot that its PRF output opens. */
const known = Type.Object({ id: credentialId, transports, slotId: Type.Optional(slotId) })
const request = Type.Object({ challenge: b64(44), rpId: text(253), credentials: Type.Array(known) })

export const passkeyAssertion = Type.Object({
  id: credentialId,
  rawId: credentialId,
  type: Type.Literal("public-key"),
  response: Type.Object({
    clientDataJSON: b64(4096),
    authenticatorData: b64(2048),
    signature: b64(1366),
    userHandle: Type.Optional(b64(88)),
  }),
  clientExtensionResults: noResults,
  authenticatorAttachment: Type.Optional(text(32)),
})

const registration = Type.Object({
  id: credentialId,
  rawId: credentialId,
  type: Type.Literal("public-key"),
  response: Type.Object({
    clientDataJSON: b64(4096),
    attestationObject: b64(16_384),
    transports: Type.Optional(transports),
  }),
  clientExtensionResults: noResults,
  authenticatorAttachment: Type.Optional(text(32)),
})

/** An answer to `two-factor.check` or `login.second-factor`. */
export const factorAnswer = Type.Union([
  Type.Object({ kind: Type.Union([Type.Literal("totp"), Type.Literal("recovery-code")]), code: text(64) }),
  Type.Object({ kind: Type.Literal("passkey"), assertion: passkeyAssertion }),
])

const empty = Type.Object({})

export const passkeyMessages = {
  "login.passkey": { body: empty, reply: request },
  /** For the PRF of a slot: nothing is proven with it, so it has no challenge. */
  "enrol.passkeys": {
    body: empty,
    reply: Type.Object({ rpId: text(253), credentials: Type.Array(known) }),
  },
  "passkeys.list": {
    body: empty,
    reply: Type.Object({
      rpId: text(253),
      passkeys: Type.Array(
        Type.Object({
          id: credentialId,
          label: text(64),
          transports,
          /** The address it belongs to. */
          rpId: text(253),
          backedUp: Type.Boolean(),
          createdAtMs: Type.Integer(),
          /** 0: never. */
          lastUsedAtMs: Type.Integer(),
          slotId: Type.Optional(slotId),
        }),
      ),
    }),
  },
  "passkeys.start": {
    body: empty,
    reply: Type.Object({ challenge: b64(44), rpId: text(253), userHandle: b64(44), credentials: Type.Array(known) }),
  },
  "passkeys.finish": {
    body: Type.Object({
      label: Type.String({ minLength: 1, maxLength: 64 }),
      slotId: Type.Optional(slotId),
      credential: registration,
    }),
    reply: Type.Object({ id: credentialId, factors, state: text(32) }),
  },
  "passkeys.challenge": { body: empty, reply: request },
  "passkeys.remove": {
    body: Type.Object({ id: credentialId }),
    reply: Type.Object({ factors }),
  },
} as const
