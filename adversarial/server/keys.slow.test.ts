import { bytesToHex, formatId } from "@keyferry/base"
import {
  type AccountState,
  accountPayload,
  ACCOUNT_HOLDER_ADD,
  decodeLink,
  encodeLink,
  HOLDER_DEVICE,
  holderAddStruct,
  HOW_DEVICE,
  verifyAccountChain,
} from "@keyferry/chain"
import { decodeWrapEntry, encodeWrapEntry, wrapsHash } from "@keyferry/crypto"
import { nodePrimitives as p } from "@keyferry/crypto/node"
import {
  accountAppendStruct,
  accountChainReplyStruct,
  accountKeysReplyStruct,
  bootstrapReplyStruct,
  type SyncReply,
  syncReplyStruct,
} from "@keyferry/protocol"
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest"

import { inCbor, inJson } from "../world/hostile-server.ts"
import {
  type AttackedDevice,
  type AttackWorld,
  codeOf,
  createAttackWorld,
  enrolByKit,
  enrolUpToKeys,
  exchangeKey,
  login,
  must,
  PASSWORD,
  type Settled,
  settleAccount,
  titlesOf,
} from "../world/world.ts"

/*
 * Keys and who they are wrapped to. A hostile server adds recipients, replaces wraps, invents devices and holds back links; a
 * device encrypts to exactly those that the signed chain names, and takes keys from nobody else.
 */
let world: AttackWorld
let a: Settled
let b: AttackedDevice
let one: string
let n = 0

beforeAll(async () => {
  world = await createAttackWorld()
  a = await settleAccount(world)
  one = must(await a.device.kf.add(login("one"))).id
  must(await a.device.kf.add(exchangeKey("trading")))
  must(await a.device.kf.syncNow())
  b = await world.device("b")
  await enrolByKit(world, b, a)
})
afterEach(() => {
  b.server.honest()
  a.device.server.honest()
})
afterAll(() => world.close())

const freshDevice = async (): Promise<AttackedDevice> => {
  const device = await world.device(`device${n++}`)
  await enrolByKit(world, device, a)
  await device.quiet()
  return device
}
const opened = <T>(
  result: { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: unknown },
): T => {
  if (!result.ok) throw new Error(String(result.error))
  return result.value
}
const bytes = (length: number): Uint8Array => crypto.getRandomValues(new Uint8Array(length))
/** The account chain as the honest server has it. */
const accountChain = async (device: AttackedDevice): Promise<{ links: readonly Uint8Array[]; state: AccountState }> => {
  let links: readonly Uint8Array[] = []
  const probe = await world.device(`probe${n++}`)
  probe.server.rewrite(
    "enrol.chain",
    inCbor(accountChainReplyStruct, (reply) => {
      ;({ links } = reply)
      return reply
    }),
  )
  await enrolUpToKeys(world, probe, a)
  await probe.kf.finishWithKit("KF1-0000-0000-0000-0000-0000-0000-0000-0000-0000")
  await probe.kf.finishWithKit(a.kit.code)
  await probe.kf.close()
  const last = device.server.requestsTo("account.append").length
  expect(last).toBeGreaterThanOrEqual(0)
  return {
    links,
    state: opened(
      await verifyAccountChain(
        p,
        links.map((l) => opened(decodeLink(l))),
      ),
    ),
  }
}

describe("KY-02, KY-04", () => {
  test("KY-02, KY-04 hostile server: recipients that it adds to every list it returns get nothing at a rotation", async () => {
    const lost = await freshDevice()
    const lostId = (await lost.kf.status()).account?.deviceId ?? ""
    const ghost = formatId("dev", bytes(16))
    a.device.server.rewrite(
      "devices.list",
      inJson((value) => {
        const devices = value["devices"] as Record<string, unknown>[]
        return {
          devices: [
            ...devices,
            {
              ...devices[0],
              deviceId: ghost,
              sigPk: Buffer.from(bytes(32)).toString("base64url"),
              kemPk: Buffer.from(bytes(1216)).toString("base64url"),
            },
          ],
        }
      }),
    )
    // Extra wraps in what it hands out are no recipients of what the device makes.
    a.device.server.rewrite(
      "account.keys",
      inCbor(accountKeysReplyStruct, (reply) => ({ ...reply, wraps: [...reply.wraps, ...reply.wraps] })),
    )
    must(await a.device.kf.confirmPassword(PASSWORD))
    must(await a.device.kf.syncNow())
    must(await a.device.kf.removeDevice({ id: lostId, reason: "lost" }))
    const request = a.device.server.requestsTo("account.append").at(-1)
    const append = opened(accountAppendStruct.decode(request?.body ?? new Uint8Array(), 1e7))
    a.device.server.honest()
    const { state } = await accountChain(a.device)
    const holders = [...state.holders.values()].filter((h) => h.addedAt <= state.head.seq)
    const recipients = append.wraps.map((w) => opened(decodeWrapEntry(w)))
    const named = recipients.map((r) => bytesToHex(r.recipient))
    expect(named).not.toContain(bytesToHex(new Uint8Array(Buffer.from(lostId))))
    for (const r of recipients) {
      const holder = holders.find((h) => bytesToHex(h.holder.id) === bytesToHex(r.recipient))
      expect(holder).toBeDefined()
      expect(bytesToHex(r.kemPkHash)).toBe(bytesToHex(p.sha256(holder?.holder.kemPk ?? new Uint8Array())))
    }
    expect(new Set(named).size).toBe(named.length)
    // Each vault's new key: for one recipient, this account.
    expect(append.rotations).toHaveLength(1)
    for (const rotation of append.rotations) {
      expect(rotation.wraps?.map((w) => bytesToHex(opened(decodeWrapEntry(w)).recipient))).toEqual([
        bytesToHex(state.id),
      ])
    }
  })
})

describe("KY-07, KY-09", () => {
  test("KY-09 hostile server: the vault key's wrap replaced by one of its own is not taken by a device that reads the vault", async () => {
    const device = await world.device(`device${n++}`)
    await enrolUpToKeys(world, device, a)
    must(await device.kf.finishWithKit(a.kit.code))
    const replaced = (entry: Uint8Array): Uint8Array => {
      const wrap = opened(decodeWrapEntry(entry))
      return encodeWrapEntry({ ...wrap, enc: bytes(1120), ct: bytes(48) })
    }
    for (const hashes of ["kept", "fitted"] as const) {
      device.server.rewrite(
        "bootstrap",
        inCbor(bootstrapReplyStruct, (reply) => ({
          ...reply,
          wraps: reply.wraps.map(([epoch, entry, known]) => {
            const evil = replaced(entry)
            return [epoch, evil, hashes === "kept" ? known : [p.sha256(evil)]] as const
          }),
        })),
      )
      expect(codeOf(await device.kf.syncOn({ items: "none", autoNew: true }))).toBe("key-not-trusted")
      expect(await titlesOf(device.kf)).toEqual([])
    }
    expect(wrapsHash(p, [])).toHaveLength(32)
    device.server.honest()
    must(await device.kf.syncNow())
    expect((await titlesOf(device.kf)).length).toBe(2)
  })

  test("KY-07 hostile server: the account key's own wrap replaced after a rotation", async () => {
    const gone = await freshDevice()
    must(await a.device.kf.confirmPassword(PASSWORD))
    must(await a.device.kf.syncNow())
    must(await a.device.kf.removeDevice({ id: (await gone.kf.status()).account?.deviceId ?? "", reason: "lost" }))
    b.server.rewrite(
      "account.keys",
      inCbor(accountKeysReplyStruct, (reply) => ({
        ...reply,
        wraps: reply.wraps.map(
          ([epoch, entry]) => [epoch, encodeWrapEntry({ ...opened(decodeWrapEntry(entry)), ct: bytes(48) })] as const,
        ),
      })),
    )
    const titles = await titlesOf(b.kf)
    must(await b.kf.edit(one, { title: "under which key" }))
    expect(codeOf(await b.kf.syncNow())).toBe("key-not-trusted")
    // Nothing was sent under any key of the server's.
    expect(must(await b.kf.get(one)).custody).toBe("waiting")
    expect((await titlesOf(b.kf)).length).toBe(titles.length)
    b.server.honest()
    must(await b.kf.syncNow())
    expect(must(await b.kf.get(one)).custody).toBe("synced")
  })

  test("X-09 hostile server: the wraps of an epoch in between are held back; nothing is shown as damaged and no edit is lost", async () => {
    b = await freshDevice()
    const gone = [await freshDevice(), await freshDevice()]
    must(await b.kf.syncNow())
    b.server.rewriteAll(() => undefined)
    must(await b.kf.edit(one, { fields: [{ name: "username", value: "waits at b" }] }))
    b.server.honest()
    b.server.invent("sync", () => undefined)
    for (const [i, device] of gone.entries()) {
      must(await a.device.kf.confirmPassword(PASSWORD))
      must(await a.device.kf.syncNow())
      must(await a.device.kf.removeDevice({ id: (await device.kf.status()).account?.deviceId ?? "", reason: "lost" }))
      must(await a.device.kf.edit(one, { fields: [{ name: "url", value: `https://in-between.example/${i}` }] }))
      if (i === 0) must(await a.device.kf.syncNow())
    }
    b.server.honest()
    // The newest epoch's key is there, the one before it is not.
    b.server.rewrite(
      "sync",
      inCbor(syncReplyStruct, (reply) => ({
        ...reply,
        vaults: reply.vaults.map((v) => ({ ...v, wraps: (v.wraps ?? []).slice(-1) })),
      })),
    )
    expect(codeOf(await b.kf.syncNow())).toBe("key-not-trusted")
    expect(must(await b.kf.get(one)).fields.find((f) => f.name === "username")?.value).toBe("waits at b")
    b.server.honest()
    must(await b.kf.syncNow())
    expect(must(await b.kf.get(one)).fields.find((f) => f.name === "username")?.value).toBe("waits at b")
  })

  test("X-10 hostile server: the sealed older keys replaced, dropped or exchanged in a first read", async () => {
    for (const change of [
      (list: readonly (readonly [number, Uint8Array])[]) =>
        list.map(([epoch, sealed]) => [epoch, sealed.map((x, i) => (i === sealed.length - 1 ? x ^ 1 : x))] as const),
      () => [],
      (list: readonly (readonly [number, Uint8Array])[]) =>
        list.map(([epoch], i) => [epoch, list[(i + 1) % list.length]?.[1] ?? new Uint8Array()] as const),
    ]) {
      const device = await world.device(`device${n++}`)
      await enrolUpToKeys(world, device, a)
      must(await device.kf.finishWithKit(a.kit.code))
      device.server.rewrite(
        "bootstrap",
        inCbor(bootstrapReplyStruct, (reply) => ({ ...reply, prevSealed: change(reply.prevSealed) })),
      )
      expect(codeOf(await device.kf.syncOn({ items: "none", autoNew: true }))).toBe("key-not-trusted")
      await device.kf.close()
    }
  })
})

describe("KY-05, KY-20", () => {
  test("KY-20 hostile server: a ghost device in its list is not shown as one of the account's", async () => {
    const ghost = formatId("dev", bytes(16))
    a.device.server.rewrite(
      "devices.list",
      inJson((value) => {
        const devices = value["devices"] as Record<string, unknown>[]
        return { devices: [...devices, { ...devices[0], deviceId: ghost, state: "active", platform: "Linux" }] }
      }),
    )
    expect(must(await a.device.kf.devices()).map((d) => d.id)).not.toContain(ghost)
  })

  test("KY-20 hostile server: a holder.add link that nobody of the chain signed is refused, whoever it names as signer", async () => {
    b = await freshDevice()
    const { state } = await accountChain(a.device)
    const keys = (await crypto.subtle.generateKey("Ed25519", true, ["sign", "verify"])) as {
      readonly privateKey: CryptoKey
      readonly publicKey: CryptoKey
    }
    const sign = async (label: string, payload: Uint8Array): Promise<Uint8Array> => {
      const message = Buffer.concat([lpPart(new TextEncoder().encode(label)), lpPart(payload)])
      return new Uint8Array(await crypto.subtle.sign("Ed25519", keys.privateKey, message))
    }
    const sigPk = new Uint8Array(await crypto.subtle.exportKey("raw", keys.publicKey))
    const holder = {
      id: bytes(16),
      kind: HOLDER_DEVICE,
      sigPk,
      kemPk: bytes(1216),
      authPk: bytes(32),
      leasePk: bytes(32),
      leaseId: bytes(16),
    } as const
    const signers = [...state.holders.values()].filter(
      (h) => h.removedAt === undefined && h.holder.kind === HOLDER_DEVICE,
    )
    for (const byHolder of [signers[0]?.holder.id ?? bytes(16), holder.id]) {
      const payload = accountPayload(
        state,
        ACCOUNT_HOLDER_ADD,
        holderAddStruct,
        { holder, how: HOW_DEVICE, transcript: bytes(32), wrapsHash: bytes(32) },
        { byHolder, ts: 1 },
      )
      const link = encodeLink({
        payload,
        signature: await sign("kf1/link", payload),
        countersignatures: [[holder.id, await sign("kf1/pop", payload)]],
      })
      b.server.rewrite(
        "sync",
        inCbor(syncReplyStruct, (reply: SyncReply) => ({ ...reply, accountLinks: [link] })),
      )
      expect(codeOf(await b.kf.syncNow())).toBe("chain-invalid")
      b.server.honest()
      expect(must(await b.kf.devices()).map((d) => d.id)).not.toContain(formatId("dev", holder.id))
    }
    must(await b.kf.syncNow())
  })

  test("KY-05, KY-06 hostile server: a whole vault that another account made is not shown and nothing is taken from it", async () => {
    // A second account on the same server, with a vault of its own.
    const other = await createAttackWorld()
    try {
      const mallory = await settleAccount(other)
      must(await mallory.device.kf.add(login("gift from mallory")))
      must(await mallory.device.kf.syncNow())
      const reader = await other.device("reader")
      await enrolByKit(other, reader, mallory)
      const foreign = reader.server.lastReply("bootstrap")
      const heads = opened(syncReplyStruct.decode(reader.server.lastReply("sync").body, 1e8)).heads
      b = await freshDevice()
      b.server.rewrite(
        "sync",
        inCbor(syncReplyStruct, (reply) => ({ ...reply, heads: [...reply.heads, ...heads] })),
      )
      b.server.rewrite("bootstrap", () => foreign)
      expect(["not-allowed", "chain-invalid"]).toContain(codeOf(await b.kf.syncNow()))
      expect(await titlesOf(b.kf)).not.toContain("gift from mallory")
    } finally {
      await other.close()
    }
  })
})

const lpPart = (part: Uint8Array): Uint8Array => {
  const head = Buffer.alloc(4)
  head.writeUInt32BE(part.length)
  return Buffer.concat([head, part])
}

describe("RB-09", () => {
  test("RB-09 hostile server: it holds back the newest removal; a device that is shown links which rely on it takes none of them", async () => {
    b = await freshDevice()
    const gone = await freshDevice()
    must(await b.kf.syncNow())
    must(await a.device.kf.confirmPassword(PASSWORD))
    must(await a.device.kf.syncNow())
    must(await a.device.kf.removeDevice({ id: (await gone.kf.status()).account?.deviceId ?? "", reason: "lost" }))
    must(await a.device.kf.edit(one, { title: "written after the removal" }))
    must(await a.device.kf.syncNow())
    b.server.rewrite(
      "sync",
      inCbor(syncReplyStruct, (reply) => ({ ...reply, accountLinks: [] })),
    )
    const before = await titlesOf(b.kf)
    expect(codeOf(await b.kf.syncNow())).toBe("revision-conflict")
    expect(await titlesOf(b.kf)).toEqual(before)
    // What b writes meanwhile is signed under the older head and never accepted under a key that the removed device has.
    must(await b.kf.edit(one, { fields: [{ name: "username", value: "b, behind" }] }))
    expect(codeOf(await b.kf.syncNow())).not.toBe("ok")
    b.server.honest()
    must(await b.kf.syncNow())
    expect(await titlesOf(b.kf)).toContain("written after the removal")
    expect(must(await b.kf.get(one)).fields.find((f) => f.name === "username")?.value).toBe("b, behind")
  })
})
