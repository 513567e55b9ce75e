import { compareBytes, equalBytes, err, ok, type Result } from "@keyferry/base"
import type { Holder } from "@keyferry/chain"
import { decodeWrapEntry, type Primitives, type WrapEntry, wrapsHash } from "@keyferry/crypto"
import type { Failure } from "@keyferry/protocol"

/**
 * Wraps that come with a link: exactly one for each recipient, to its key, and together what the link committed to.
 * The strongroom cannot open them; it only refuses a set that the link does not mean.
 * Errors: malformed. Source: spec/chains.md CH22
 */
export const checkAccountWraps = (
  p: Primitives,
  encoded: readonly Uint8Array[],
  recipients: readonly Holder[],
  committed: Uint8Array,
): Result<readonly { readonly entry: WrapEntry; readonly bytes: Uint8Array }[], Failure> => {
  const refused = err<Failure>({ code: "malformed", detail: "The wraps are not those of the link." })
  if (encoded.length !== recipients.length) return refused
  const wraps: { entry: WrapEntry; bytes: Uint8Array }[] = []
  for (const bytes of encoded) {
    const entry = decodeWrapEntry(bytes)
    if (!entry.ok) return refused
    wraps.push({ entry: entry.value, bytes })
  }
  wraps.sort((a, b) => compareBytes(a.entry.recipient, b.entry.recipient))
  const expected = recipients.toSorted((a, b) => compareBytes(a.id, b.id))
  const fits = wraps.every(({ entry }, i) => {
    const holder = expected[i]
    return (
      holder !== undefined &&
      equalBytes(entry.recipient, holder.id) &&
      equalBytes(entry.kemPkHash, p.sha256(holder.kemPk))
    )
  })
  if (!fits) return refused
  return equalBytes(
    wrapsHash(
      p,
      wraps.map(({ entry }) => entry),
    ),
    committed,
  )
    ? ok(wraps)
    : refused
}
