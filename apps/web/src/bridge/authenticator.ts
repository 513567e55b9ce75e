import { err, ok } from "@keyferry/base"
import type { PasskeyAuthenticator, PasskeyQuestion, PasskeyReference } from "@keyferry/sdk"

/** The browser's passkeys, of which only a page can ask. What PRF gives leaves by `prf` alone. */
export const pageAuthenticator: PasskeyAuthenticator = {
  create: async (options) => {
    const made = await attempt(() =>
      navigator.credentials.create({
        publicKey: {
          rp: { id: options.rpId, name: options.rpName },
          user: { id: toBytes(options.user.handle), name: options.user.name, displayName: options.user.name },
          challenge: toBytes(options.challenge),
          pubKeyCredParams: [-8, -7, -257].map((alg) => ({ type: "public-key", alg })),
          excludeCredentials: options.exclude.map(descriptor),
          authenticatorSelection: { residentKey: "preferred", userVerification: "required" },
          attestation: "none",
          extensions: { prf: { eval: { first: new Uint8Array(options.prfInput) } } },
        },
      }),
    )
    if (made === undefined || !(made.response instanceof AuthenticatorAttestationResponse)) return err("not-used")
    const { prf } = made.getClientExtensionResults()
    return ok({
      credential: {
        ...base(made),
        response: {
          clientDataJSON: toText(made.response.clientDataJSON),
          attestationObject: toText(made.response.attestationObject),
          transports: made.response.getTransports(),
        },
      },
      prfEnabled: prf?.enabled === true,
      ...firstOf(prf),
    })
  },
  get: async (question) => {
    const used = await attempt(() =>
      navigator.credentials.get({
        publicKey: {
          rpId: question.rpId,
          challenge: toBytes(question.challenge),
          allowCredentials: question.credentials.map(descriptor),
          userVerification: "required",
          extensions: prfOf(question),
        },
      }),
    )
    if (used === undefined || !(used.response instanceof AuthenticatorAssertionResponse)) return err("not-used")
    const { clientDataJSON, authenticatorData, signature, userHandle } = used.response
    return ok({
      assertion: {
        ...base(used),
        response: {
          clientDataJSON: toText(clientDataJSON),
          authenticatorData: toText(authenticatorData),
          signature: toText(signature),
          ...(userHandle === null ? {} : { userHandle: toText(userHandle) }),
        },
      },
      ...firstOf(used.getClientExtensionResults().prf),
    })
  },
}

/** The person closed the dialog, or no authenticator was there: browsers tell neither apart on purpose. */
const attempt = async (ask: () => Promise<Credential | null>): Promise<PublicKeyCredential | undefined> => {
  try {
    const credential = await ask()
    return credential instanceof PublicKeyCredential ? credential : undefined
  } catch (error) {
    if (error instanceof DOMException) return undefined
    throw error
  }
}

const base = ({ id, rawId, authenticatorAttachment }: PublicKeyCredential) => ({
  id,
  rawId: toText(rawId),
  type: "public-key" as const,
  clientExtensionResults: {},
  ...(authenticatorAttachment === null ? {} : { authenticatorAttachment }),
})

const descriptor = ({ id, transports }: PasskeyReference): PublicKeyCredentialDescriptor => ({
  type: "public-key",
  id: toBytes(id),
  transports: [...transports] as AuthenticatorTransport[],
})

const prfOf = ({ credentials }: PasskeyQuestion): AuthenticationExtensionsClientInputs => {
  const evalByCredential = Object.fromEntries(
    credentials.flatMap(({ id, prfInput }) =>
      prfInput === undefined ? [] : [[id, { first: new Uint8Array(prfInput) }]],
    ),
  )
  return Object.keys(evalByCredential).length === 0 ? {} : { prf: { evalByCredential } }
}

const firstOf = (prf: AuthenticationExtensionsPRFOutputs | undefined): { readonly prf?: Uint8Array } => {
  const first = prf?.results?.first
  if (first === undefined) return {}
  return { prf: first instanceof ArrayBuffer ? new Uint8Array(first) : new Uint8Array(first.buffer.slice(0)) }
}

const toBytes = (text: string): Uint8Array<ArrayBuffer> =>
  Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (char) => char.charCodeAt(0))

const toText = (bytes: ArrayBuffer): string =>
  btoa(String.fromCharCode(...new Uint8Array(bytes)))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replaceAll("=", "")
