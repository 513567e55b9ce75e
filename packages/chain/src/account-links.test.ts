import { lp } from "@keyferry/base"
import { chainId } from "@keyferry/crypto"
import { nodePrimitives as p } from "@keyferry/crypto/node"
import { describe, expect, test } from "vitest"

import { addDeviceLink, code, signAll } from "./fixture.ts"
import { createAccountWorld } from "./fixture-account.ts"
import * as chain from "./index.ts"

const {
  fixture,
  device,
  password,
  recovery,
  genesis,
  state,
  verify,
  verifyGenesis,
  payloadOf,
  changed,
  policyLink,
  newDevice,
} = await createAccountWorld(p)

const digitsOfMax = ((2n ** 256n - 1n) % 10n ** 30n)
  .toString()
  .padStart(30, "0")
  .replace(/(.{5})(?=.)/g, "$1 ")

describe("links", () => {
  test("[CH1] a link survives its codec; trailing bytes, size and unsorted countersignatures do not", () => {
    const bytes = chain.encodeLink(genesis)
    expect(chain.decodeLink(bytes)).toEqual({ ok: true, value: genesis })
    expect(code(chain.decodeLink(new Uint8Array([...bytes, 0])))).toBe("chain-malformed")
    expect(code(chain.decodeLink(new Uint8Array(chain.MAX_LINK_BYTES + 1)))).toBe("chain-malformed")
    const list = genesis.countersignatures ?? []
    for (const countersignatures of [list.toReversed(), [...list, ...list.slice(-1)]]) {
      const wrong = { ...genesis, countersignatures }
      expect(code(chain.decodeLink(chain.linkStruct.encode(wrong)))).toBe("chain-malformed")
      expect(code(chain.openLink(p, wrong))).toBe("chain-malformed")
    }
  })

  test("[CH2] the hash is of the payload bytes as received", () => {
    const open = chain.openLink(p, genesis)
    expect(open.ok && open.value.hash).toEqual(p.sha256(genesis.payload))
    expect(state.head.hash).toEqual(p.sha256(genesis.payload))
  })

  test("[CH2] a payload that is not canonical is refused although its signature is right", async () => {
    const payload = new Uint8Array([...genesis.payload, 0])
    expect(code(await verifyGenesis(await signAll(payload, device, [device, password, recovery])))).toBe(
      "chain-malformed",
    )
  })

  test("[CH3] one changed bit of payload or signature, or another key, is an invalid signature", async () => {
    const link = await policyLink()
    const flipped = { ...link, signature: link.signature.map((b, i) => (i === 5 ? b ^ 1 : b)) }
    expect(code(await verify(flipped))).toBe("chain-signature-invalid")
    const ts = chain.payloadStruct.encode({ ...payloadOf(link), ts: 1 })
    expect(code(await verify({ ...link, payload: ts }))).toBe("chain-signature-invalid")
    const other = await newDevice()
    const forged = { ...link, signature: await other.signer.sign(chain.linkMessage(link.payload)) }
    expect(code(await verify(forged))).toBe("chain-signature-invalid")
    const asPop = { ...link, signature: await device.signer.sign(chain.popMessage(link.payload)) }
    expect(code(await verify(asPop))).toBe("chain-signature-invalid")
  })

  test("[CH4] the id is the hash of the genesis, and reads as 30 digits", () => {
    expect(state.id).toEqual(p.sha256(lp("kf1/id", 1, genesis.payload)))
    expect(state.id).toEqual(chainId(p, 1, genesis.payload))
    const open = chain.openLink(p, genesis)
    expect(open.ok && chain.linkId(p, open.value)).toEqual(state.id)
    expect(chain.accountDigits(state.id)).toMatch(/^(\d{5} ){5}\d{5}$/)
    expect(chain.accountDigits(Uint8Array.from({ length: 32 }, (_, i) => (i === 31 ? 7 : 0)))).toBe(
      "00000 00000 00000 00000 00000 00007",
    )
    expect(chain.accountDigits(new Uint8Array(32).fill(255))).toBe(digitsOfMax)
  })

  test("[CH5] every added holder proves its key: none missing, none more, none wrong, none of another payload", async () => {
    const added = await newDevice()
    const link = await addDeviceLink(fixture, state, device, added)
    expect(code(await verify(link))).toBe("accepted")
    const { countersignatures: _none, ...bare } = link
    const wrongKey = [[added.holder.id, await device.signer.sign(chain.popMessage(link.payload))]] as const
    const asLink = [[added.holder.id, await added.signer.sign(chain.linkMessage(link.payload))]] as const
    const elsewhere = [[added.holder.id, await added.signer.sign(chain.popMessage(genesis.payload))]] as const
    const more = (await signAll(link.payload, device, [added, device])).countersignatures ?? []
    for (const broken of [
      bare,
      { ...link, countersignatures: wrongKey },
      { ...link, countersignatures: asLink },
      { ...link, countersignatures: elsewhere },
      { ...link, countersignatures: more },
    ])
      expect(code(await verify(broken))).toBe("proof-of-possession-missing")
    const surplus = { ...(await policyLink()), countersignatures: wrongKey }
    expect(code(await verify(surplus))).toBe("chain-malformed")
  })

  test("[CH6] a suite that nobody knows and one below the floor are told apart", async () => {
    const link = await policyLink()
    expect(code(await verify(await changed(link, device, [], { suite: 0 })))).toBe("suite-unknown")
    expect(code(await verify(await changed(link, device, [], { suite: 2 })))).toBe("suite-unknown")
    expect(code(await verifyGenesis(await changed(genesis, device, [device, password, recovery], { suite: 2 })))).toBe(
      "suite-unknown",
    )
    const raised = { ...state, policy: { ...state.policy, minSuite: 2 } }
    expect(code(await verify(link, raised))).toBe("suite-below-floor")
  })
})
