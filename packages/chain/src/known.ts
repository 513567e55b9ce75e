import { bytesToHex, equalBytes, err, ok } from "@keyferry/base"
import type { Primitives } from "@keyferry/crypto"

import { hashAt, type AccountState } from "./account-state.ts"
import type { Link } from "./format.ts"
import { isLinkSignedBy, openLink } from "./link.ts"
import type { Checked, Head } from "./ports.ts"

/*
 * What a device remembers of a chain, against what it is served: rollback and fork.
 * Source: spec/chains.md, CH43–CH45
 */

export interface KnownChain {
  /** The highest place ever verified here. */
  readonly head: Head
  /** The hash at an earlier place, `undefined` where it is no longer kept. */
  readonly hashAt: (seq: number) => Uint8Array | undefined
}

export const knownAccount = (state: AccountState): KnownChain => ({
  head: state.head,
  hashAt: (seq) => hashAt(state, seq),
})

/**
 * Compares what a server serves with what was verified before; answers with the links that are new, unverified.
 * `servedHead` is what the server calls the head, whether or not it sent links up to there.
 * Errors   chain-rolled-back: the head is older than what is known
 *          chain-forked: another payload at a known place; both hashes are in the error
 *          chain-out-of-order: the new links do not follow the known head
 */
export const compareWithKnown = (
  p: Primitives,
  known: KnownChain,
  served: { readonly head: Head; readonly links: readonly Link[] },
): Checked<readonly Link[]> => {
  const fresh: Link[] = []
  let expectedSeq = known.head.seq + 1
  for (const link of served.links) {
    const opened = openLink(p, link)
    if (!opened.ok) return opened
    const { payload, hash } = opened.value
    const { seq } = payload
    const mine = placeOf(known, seq)
    if (mine !== undefined && !equalBytes(mine, hash))
      return err({ code: "chain-forked", seq, known: mine, served: hash })
    if (seq <= known.head.seq) continue
    if (seq !== expectedSeq) return err({ code: "chain-out-of-order", expectedSeq, seq })
    // A link that continues something else than our head is the other half of a fork at our head.
    if (seq === known.head.seq + 1 && !equalBytes(payload.prev, known.head.hash))
      return err({ code: "chain-forked", seq: known.head.seq, known: known.head.hash, served: payload.prev })
    fresh.push(link)
    expectedSeq++
  }
  const mine = placeOf(known, served.head.seq)
  if (mine !== undefined && !equalBytes(mine, served.head.hash))
    return err({ code: "chain-forked", seq: served.head.seq, known: mine, served: served.head.hash })
  if (served.head.seq < known.head.seq)
    return err({ code: "chain-rolled-back", knownSeq: known.head.seq, servedSeq: served.head.seq })
  return ok(fresh)
}

const placeOf = (known: KnownChain, seq: number): Uint8Array | undefined =>
  seq === known.head.seq ? known.head.hash : known.hashAt(seq)

/**
 * True if two links prove, to anybody, that one holder signed two different payloads for one place in one chain. Evidence that
 * does not depend on who shows it. (A fork made of two holders' links proves that a server told two stories, which only those
 * who were told can say.)
 */
export const isForkProof = async (p: Primitives, a: Link, b: Link, sigPk: Uint8Array): Promise<boolean> => {
  const left = openLink(p, a)
  const right = openLink(p, b)
  if (!left.ok || !right.ok) return false
  const [x, y] = [left.value.payload, right.value.payload]
  const samePlace =
    x.chain === y.chain &&
    x.seq === y.seq &&
    x.seq > 1 &&
    bytesToHex(x.id) === bytesToHex(y.id) &&
    bytesToHex(x.byHolder) === bytesToHex(y.byHolder)
  if (!samePlace || equalBytes(left.value.hash, right.value.hash)) return false
  return (await isLinkSignedBy(p, a, sigPk)) && isLinkSignedBy(p, b, sigPk)
}
