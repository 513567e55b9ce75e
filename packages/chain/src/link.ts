import {
  bytesToHex,
  type CborValue,
  compareBytes,
  equalBytes,
  err,
  fromParsed,
  isZero,
  lp,
  ok,
  type Struct,
} from "@keyferry/base"
import { chainId, type Primitives, verifyCountersignature, verifyLink, ZERO_ID } from "@keyferry/crypto"

import { type ChainKind, type Link, linkStruct, MAX_LINK_BYTES, type Payload, payloadStruct } from "./format.ts"
import type { Checked, Head, LinkSigner } from "./ports.ts"

/*
 * One link, outside of any chain: its bytes, its hash, its signatures.
 * Source: spec/chains.md, CH1–CH6
 */

/** The newest suite this code can verify and write. */
export const MAX_SUITE = 1

export { ZERO_ID }

export type Countersignature = readonly [holderId: Uint8Array, signature: Uint8Array]

/** A link whose envelope was decoded. `body` is not looked at before the signature was checked. */
export interface OpenLink {
  readonly link: Link
  readonly payload: Payload
  readonly hash: Uint8Array
}

export const encodeLink = (link: Link): Uint8Array => linkStruct.encode(link)

/** Errors: chain-malformed (size, encoding, countersignatures not sorted or doubled). */
export const decodeLink = (bytes: Uint8Array): Checked<Link> => {
  const decoded = linkStruct.decode(bytes, MAX_LINK_BYTES)
  if (!decoded.ok) return err({ code: "chain-malformed", what: "link" })
  return areProofsSorted(decoded.value)
    ? ok(decoded.value)
    : err({ code: "chain-malformed", what: "countersignatures" })
}

/** The hash that `prev`, `auth` and `seen` name: SHA-256 of the payload bytes. */
export const payloadHash = (p: Primitives, payload: Uint8Array): Uint8Array => p.sha256(payload)

/** The id of the chain that a link belongs to, also for a genesis, whose payload holds zeros there. */
export const linkId = (p: Primitives, open: OpenLink): Uint8Array =>
  open.payload.seq === 1 && isZero(open.payload.id)
    ? chainId(p, open.payload.chain, open.link.payload)
    : open.payload.id

/** Decodes the envelope of a link that is about to be verified. Errors: chain-malformed. */
export const openLink = (p: Primitives, link: Link): Checked<OpenLink> => {
  const payload = payloadStruct.decode(link.payload, MAX_LINK_BYTES)
  if (!payload.ok) return err({ code: "chain-malformed", what: "payload" })
  if (payload.value.seq === 0) return err({ code: "chain-malformed", what: "seq" })
  if (!areProofsSorted(link)) return err({ code: "chain-malformed", what: "countersignatures" })
  return ok({ link, payload: payload.value, hash: payloadHash(p, link.payload) })
}

export const headOf = (open: OpenLink): Head => ({ seq: open.payload.seq, hash: open.hash })

/** What a writer decides; `v` and `suite` are constants of this version. */
export interface PayloadFields {
  readonly chain: ChainKind
  readonly id: Uint8Array
  readonly seq: number
  readonly prev: Uint8Array
  readonly type: number
  readonly body: CborValue
  readonly byAccount: Uint8Array
  readonly byHolder: Uint8Array
  readonly seen: readonly (readonly [id: Uint8Array, seq: number, hash: Uint8Array])[]
  readonly ts: number
  readonly auth: Head
}

export const encodePayload = (fields: PayloadFields): Uint8Array =>
  payloadStruct.encode({
    ...fields,
    v: 1,
    suite: MAX_SUITE,
    seen: [...fields.seen].sort(([a], [b]) => compareBytes(a, b)),
    auth: [fields.auth.seq, fields.auth.hash],
  })

export const linkMessage = (payload: Uint8Array): Uint8Array => lp("kf1/link", payload)
export const popMessage = (payload: Uint8Array): Uint8Array => lp("kf1/pop", payload)

/** A new holder's proof that it has its key and agrees to exactly this link. */
export const countersignPayload = async (signer: LinkSigner, payload: Uint8Array): Promise<Countersignature> => [
  signer.holderId,
  await signer.sign(popMessage(payload)),
]

/** Signs a payload and binds the countersignatures to it, sorted. */
export const signPayload = async (
  signer: LinkSigner,
  payload: Uint8Array,
  countersignatures: readonly Countersignature[] = [],
): Promise<Link> => {
  const signature = await signer.sign(linkMessage(payload))
  if (countersignatures.length === 0) return { payload, signature }
  return {
    payload,
    signature,
    countersignatures: [...countersignatures].sort(([a], [b]) => compareBytes(a, b)),
  }
}

export const isLinkSignedBy = (p: Primitives, link: Link, sigPk: Uint8Array): Promise<boolean> =>
  verifyLink(p, sigPk, link.payload, link.signature)

/** True if exactly `holders` countersigned: none missing, none more, every signature valid. */
export const missingCountersignature = async (
  p: Primitives,
  link: Link,
  holders: readonly { readonly id: Uint8Array; readonly sigPk: Uint8Array }[],
): Promise<Uint8Array | undefined> => {
  const given = link.countersignatures ?? []
  const surplus = given.find(([id]) => !holders.some((holder) => equalBytes(holder.id, id)))
  if (surplus !== undefined) return surplus[0]
  for (const holder of holders) {
    const signature = given.find(([id]) => equalBytes(id, holder.id))?.[1]
    if (signature === undefined) return holder.id
    if (!(await verifyCountersignature(p, holder.sigPk, link.payload, signature))) return holder.id
  }
  return undefined
}

/** Parses a body that is already known to be signed. Errors: chain-malformed. */
export const parseBody = <T>(shape: Struct<T>, body: CborValue): Checked<T> => {
  const parsed = fromParsed(shape, body)
  return parsed.ok ? ok(parsed.value) : err({ code: "chain-malformed", what: "body" })
}

/** Suite check of every link and header. Errors: suite-unknown, suite-below-floor. */
export const checkSuite = (suite: number, floor: number): Checked<undefined> => {
  if (suite < 1 || suite > MAX_SUITE) return err({ code: "suite-unknown", suite })
  return suite < floor ? err({ code: "suite-below-floor", suite, floor }) : ok(undefined)
}

const areProofsSorted = ({ countersignatures }: Link): boolean =>
  countersignatures === undefined || isStrictlySorted(countersignatures.map(([id]) => id))

export const isStrictlySorted = (ids: readonly Uint8Array[]): boolean =>
  ids.every((id, i) => {
    const before = ids[i - 1]
    return before === undefined || compareBytes(before, id) < 0
  })

export const areDistinct = (values: readonly Uint8Array[]): boolean =>
  new Set(values.map(bytesToHex)).size === values.length
