import { encodeCbor, lp } from "@keyferry/base"
import { nodePrimitives } from "@keyferry/crypto/node"
import { describe, expect, test } from "vitest"

import type { Device } from "./device.ts"
import {
  decodeLabel,
  decodeProfile,
  DELETE,
  encodeLabel,
  encodeProfile,
  KEEP,
  mergeLabelBodies,
  NEW_PROFILE,
  withVaultProfile,
} from "./profile.ts"
import { profileItemId } from "./vault.ts"

const itemId = new Uint8Array(16).fill(4)

describe("vault profile", () => {
  test("[RC15] the bytes are these", () => {
    const left = [
      [itemId, 3, KEEP],
      [new Uint8Array(16).fill(5), 9, DELETE],
    ] as const
    const bytes = encodeProfile({ name: "Personal", credentials: false, left })
    const written = new Map<number, Parameters<typeof encodeCbor>[0]>([
      [1, "Personal"],
      [2, false],
      [
        3,
        [
          [itemId, 3, 1],
          [new Uint8Array(16).fill(5), 9, 2],
        ],
      ],
    ])
    expect(bytes).toEqual(encodeCbor(written))
    expect(decodeProfile(bytes)).toEqual({ name: "Personal", credentials: false, left })
  })

  test("[RC15] what has another form is none", () => {
    expect(decodeProfile(encodeProfile(NEW_PROFILE))).toEqual(NEW_PROFILE)
    for (const [key, value] of [
      [2, 1],
      [3, [[itemId, 1, 3]]],
      [3, [[itemId.slice(1), 1, 1]]],
      [4, 0],
    ] as const) {
      const map = new Map<number, Parameters<typeof encodeCbor>[0]>([
        [1, "P"],
        [2, true],
        [3, []],
      ])
      expect(decodeProfile(encodeCbor(map.set(key, value)))).toBeUndefined()
    }
  })

  test("[RC15] departures stand in the order of their items, whoever decided them in which order", () => {
    const [a, b, c] = ["0a", "0b", "0c"].map((byte) => byte.repeat(16))
    if (a === undefined || b === undefined || c === undefined) throw new Error("no ids")
    const one = new Map([
      [c, [1, "keep"] as const],
      [a, [2, "delete"] as const],
      [b, [3, "keep"] as const],
    ])
    const other = new Map([...one].toReversed())
    const bytes = [one, other].map((left) => encodeProfile(withVaultProfile(NEW_PROFILE, { credentials: true, left })))
    expect(bytes[0]).toEqual(bytes[1])
    expect(decodeProfile(bytes[0] ?? new Uint8Array())?.left.map(([id, rev]) => [id[0], rev])).toEqual([
      [10, 2],
      [11, 3],
      [12, 1],
    ])
  })

  test("[RC15] its item id follows from the vault alone", () => {
    const device = { ports: { primitives: nodePrimitives } } as unknown as Device
    const vaultId = new Uint8Array(32).fill(7)
    const hash = nodePrimitives.sha256(lp("kf1/profile", vaultId))
    expect(profileItemId(device, vaultId)).toEqual(hash.slice(0, 16))
    expect(profileItemId(device, new Uint8Array(32))).not.toEqual(hash.slice(0, 16))
  })
})

describe("device label", () => {
  test("[RC16] the bytes are these, and anything else is none", () => {
    const bytes = encodeLabel({ name: "Zoë’s desk", platform: "Linux · Node 26" })
    expect(bytes).toEqual(
      encodeCbor(
        new Map([
          [1, "Zoë’s desk"],
          [2, "Linux · Node 26"],
        ]),
      ),
    )
    expect(decodeLabel(bytes)).toEqual({ name: "Zoë’s desk", platform: "Linux · Node 26" })
    expect(decodeLabel(encodeLabel({ name: "n".repeat(101), platform: "" }))).toBeUndefined()
    expect(decodeLabel(encodeLabel({ name: "", platform: "p".repeat(65) }))).toBeUndefined()
    expect(decodeLabel(encodeLabel({ name: "é".repeat(100), platform: "€".repeat(64) }))).toBeDefined()
    expect(decodeLabel(new Uint8Array(1025))).toBeUndefined()
  })

  test("[RC17] a name given elsewhere and the kit that the device tells of both stay", () => {
    const kit = (n: number): Uint8Array => new Uint8Array(16).fill(n)
    const label = (name: string, of?: number) =>
      encodeLabel({ name, platform: "Linux", ...(of === undefined ? {} : { kit: kit(of) }) })
    const base = label("Desk", 1)
    expect(mergeLabelBodies(base, label("Attic", 1), label("Desk", 2))).toEqual(label("Attic", 2))
    expect(mergeLabelBodies(base, label("Desk", 2), label("Attic", 1))).toEqual(label("Attic", 2))
    expect(mergeLabelBodies(label("Desk"), label("Desk"), label("Desk", 2))).toEqual(label("Desk", 2))
    expect(mergeLabelBodies(base, label("Attic", 1), label("Loft", 1))).toEqual(label("Loft", 1))
    expect(mergeLabelBodies(base, new Uint8Array(1), label("Loft", 1))).toEqual(label("Loft", 1))
    expect(mergeLabelBodies(base, label("Attic", 1), new Uint8Array(1))).toEqual(label("Attic", 1))
  })
})
