import { bytesToBase64url } from "@keyferry/base"
import { sasCommit, sasWords, type SasTranscript } from "@keyferry/crypto"
import { nodePrimitives as p } from "@keyferry/crypto/node"
import {
  accountAppendReplyStruct,
  accountAppendStruct,
  accountChainReplyStruct,
  syncReplyStruct,
} from "@keyferry/protocol"
import type { HttpReply } from "@keyferry/sdk"
import { deviceOfScan } from "@keyferry/sdk/scan-text"
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest"

import { decodeCbor, encodeCbor, type CborValue } from "@keyferry/base"
import { inCbor, inJson } from "../world/hostile-server.ts"
import { randomBytes } from "../world/raw-client.ts"
import {
  type AttackedDevice,
  type AttackWorld,
  codeOf,
  createAttackWorld,
  login,
  must,
  PASSWORD,
  type Settled,
  settleAccount,
  titlesOf,
} from "../world/world.ts"

/*
 * The server between two devices that pair by words. It may change, drop, repeat and invent what it relays, and pair either
 * of them with something of its own. Words are typed by a person who sees both screens.
 */
let world: AttackWorld
let a: Settled
let n = 0

beforeAll(async () => {
  world = await createAttackWorld()
  a = await settleAccount(world)
  must(await a.device.kf.add(login("one")))
  must(await a.device.kf.syncNow())
})
afterEach(() => a.device.server.honest())
afterAll(() => world.close())

interface Waiting {
  readonly device: AttackedDevice
  readonly id: string
}
const waitingDevice = async (): Promise<Waiting> => {
  world.advance(31 * 60_000)
  const device = await world.device(`new${n++}`)
  must(
    await device.kf.loginStart({
      server: world.origin(),
      address: "ada@example.org",
      password: PASSWORD,
      deviceName: "Travel",
    }),
  )
  must(await device.kf.loginSecondFactor("totp", a.code()))
  must(await a.device.kf.unlock(PASSWORD))
  const pending = must(await a.device.kf.devices()).find((d) => d.state === "pending")
  if (pending === undefined) throw new Error("nobody waits")
  return { device, id: pending.id }
}

type Fields = ReadonlyMap<number, CborValue>
/** Changes relayed messages of one type on their way to whoever reads them. */
const tampered = (type: number, change: (fields: Fields) => Fields) =>
  inJson((value) => ({
    messages: (value["messages"] as { n: number; from: string; body: string }[]).map((message) => {
      const decoded = decodeCbor(new Uint8Array(Buffer.from(message.body, "base64url")), 1e5)
      if (!decoded.ok || (decoded.value as Fields).get(1) !== type) return message
      return { ...message, body: bytesToBase64url(encodeCbor(change(decoded.value as Fields))) }
    }),
  }))
/** The commitment that this device sent, as the server has it. */
const commitmentOf = (device: AttackedDevice): CborValue => {
  const [sent] = device.server.requestsTo("enrol.relay-send")
  const { body } = JSON.parse(new TextDecoder().decode(sent?.body)) as { readonly body: string }
  const decoded = decodeCbor(new Uint8Array(Buffer.from(body, "base64url")), 1e5)
  const commit = decoded.ok ? (decoded.value as Fields).get(2) : undefined
  if (commit === undefined) throw new Error("no commitment was sent")
  return commit
}
const withField =
  (key: number, value: CborValue) =>
  (fields: Fields): Fields =>
    new Map([...fields, [key, value] as const].toSorted(([x], [y]) => x - y))

interface Shown {
  readonly words: readonly string[]
  readonly scan: string
}

describe("the words", () => {
  test.each([
    ["signing key", 8, 32],
    ["wrapping key", 9, 1216],
    ["request key", 10, 32],
    ["nonce", 7, 32],
  ] as const)(
    "KY-14 hostile server: the new device's %s swapped in transit never gets past its commitment",
    async (_, key, length) => {
      const { device, id } = await waitingDevice()
      a.device.server.rewrite("devices.relay-read", tampered(3, withField(key, randomBytes(length))))
      const words = device.kf.approvalWords()
      expect(codeOf(await a.device.kf.approveStart(id))).toBe("approval-mismatch")
      a.device.server.honest()
      must(await words)
      await device.kf.close()
      expect(must(await a.device.kf.devices()).find((d) => d.id === id)?.state).not.toBe("active")
    },
  )

  test.each([
    ["the two screens show other words, and typing ends it", ({ words }: Shown) => words.join(" ")],
    ["its QR code is not that of the keys that arrived", ({ scan }: Shown) => scan],
  ] as const)("KY-14 hostile server: keys and commitment both its own: %s", async (_, typed) => {
    const { device, id } = await waitingDevice()
    const evil = { sigPk: randomBytes(32), kemPk: randomBytes(1216), authPk: randomBytes(32) }
    const nonce = randomBytes(32)
    a.device.server.rewrite("devices.relay-read", (reply, request) =>
      tampered(1, withField(2, sasCommit(p, evil, nonce)))(
        tampered(3, (fields) =>
          withField(7, nonce)(withField(8, evil.sigPk)(withField(9, evil.kemPk)(withField(10, evil.authPk)(fields)))),
        )(reply, request) as HttpReply,
        request,
      ),
    )
    device.server.rewrite("enrol.relay-read", (reply, request) =>
      tampered(2, withField(2, commitmentOf(device)))(reply, request),
    )
    const words = device.kf.approvalWords()
    must(await a.device.kf.approveStart(id))
    const shown = must(await words)
    const appends = a.device.server.requestsTo("account.append").length
    expect(codeOf(await a.device.kf.approve(id, typed(shown)))).toBe("approval-mismatch")
    expect(a.device.server.requestsTo("account.append").length).toBe(appends)
    await device.kf.close()
  })

  test("KY-14 hostile server (codec): the words follow from everything that was exchanged; the commitment leaves one try", () => {
    const base: SasTranscript = {
      uid: randomBytes(32),
      newKeys: { sigPk: randomBytes(32), kemPk: randomBytes(1216), authPk: randomBytes(32) },
      approver: randomBytes(16),
      nonceApprover: randomBytes(32),
      nonceNew: randomBytes(32),
      head: randomBytes(32),
    }
    const words = (t: SasTranscript): string => sasWords(p, t).join(" ")
    for (const over of [
      { uid: randomBytes(32) },
      { newKeys: { ...base.newKeys, sigPk: randomBytes(32) } },
      { newKeys: { ...base.newKeys, kemPk: randomBytes(1216) } },
      { newKeys: { ...base.newKeys, authPk: randomBytes(32) } },
      { approver: randomBytes(16) },
      { nonceApprover: randomBytes(32) },
      { nonceNew: randomBytes(32) },
      { head: randomBytes(32) },
    ])
      expect(words({ ...base, ...over })).not.toBe(words(base))
    // Without seeing the nonce of the approver, keys that give the same words can only be guessed: 2^30 to one.
    const target = words(base)
    let hits = 0
    for (let i = 0; i < 5000; i++)
      if (
        words({ ...base, newKeys: { ...base.newKeys, sigPk: randomBytes(32) }, nonceApprover: randomBytes(32) }) ===
        target
      )
        hits++
    expect(hits).toBe(0)
    expect(new Set(sasWords(p, base)).size).toBeGreaterThan(0)
  })

  test("X-31 hostile server: a mistyped word ends the exchange on both sides; the same words do not work a second time [DV28]", async () => {
    const { device, id } = await waitingDevice()
    const words = device.kf.approvalWords()
    must(await a.device.kf.approveStart(id))
    const shown = [...must(await words).words]
    const wrong = [shown[1] ?? "", shown[0] ?? "", shown[2] ?? ""].join(" ")
    expect(codeOf(await a.device.kf.approve(id, wrong === shown.join(" ") ? "abandon abandon abandon" : wrong))).toBe(
      "approval-mismatch",
    )
    // The new device typed nothing yet; whatever is typed now finds the exchange ended.
    const reply = await device.kf.approvalReply("able acid")
    expect(codeOf(reply)).toBe("approval-mismatch")
    await device.kf.close()
  })
})

describe("the QR code", () => {
  test("X-31 hostile server: another device's code, or one of other keys under this device's id, lets nobody in; the right one does", async () => {
    const { device, id } = await waitingDevice()
    const { text } = must(await device.kf.approvalScan())
    const [word, dev = "", hash = ""] = text.split(" ")
    expect(dev).toBe(id)
    const other = { id: `dev_${"a".repeat(26)}`, hash: "a".repeat(52) }
    for (const wrong of [
      [word, other.id, hash],
      [word, dev, other.hash],
    ]) {
      const words = device.kf.approvalWords()
      expect(codeOf(await a.device.kf.approve(id, wrong.join(" ")))).toBe("approval-mismatch")
      must(await words)
    }
    // The approver scans first; the words that the new device shows then are read by nobody, and two come back either way.
    const words = device.kf.approvalWords()
    const answer = must(await a.device.kf.approve(id, text))
    must(await words)
    const [joined] = await Promise.all([device.kf.approvalReply(answer.reply.join(" ")), answer.done.then(must)])
    must(joined)
    must(await device.kf.syncOn({ items: "none", autoNew: true }))
    expect(await titlesOf(device.kf)).toEqual(["one"])
    await device.kf.close()
  })

  test("X-94 hostile picture: a code that is cut, that is something else or that is put together of two is no device's; the whole one is", async () => {
    const { device, id } = await waitingDevice()
    const { text } = must(await device.kf.approvalScan())
    const [word = "", dev = "", hash = ""] = text.split(" ")
    for (let cut = 0; cut < text.length; cut++) {
      expect(deviceOfScan(text.slice(0, cut)), `first ${cut}`).toBeUndefined()
      if (cut > 0) expect(deviceOfScan(text.slice(cut)), `from ${cut}`).toBeUndefined()
    }
    for (const foreign of [
      "https://shop.example/?keyferry-device",
      "otpauth://totp/Keyferry:ada?secret=JBSWY3DPEHPK3PXP",
      a.kit.code,
      `${word} ${dev} ${hash}${hash}`,
      `${word} ${dev}${dev} ${hash}`,
      `${text} ${text}`,
      `${word}\u0000${dev} ${hash}`,
      text.toUpperCase(),
      text.replaceAll("a", "\u0430"),
    ])
      if (foreign !== text) expect(deviceOfScan(foreign), foreign.slice(0, 40)).toBeUndefined()
    // Half of this one and half of another: a code by its form, and of nobody's keys.
    const spliced = `${word} ${dev} ${hash.slice(0, 26)}${hash.slice(26).split("").toReversed().join("")}`
    const appends = a.device.server.requestsTo("account.append").length
    for (const wrong of [spliced, text.slice(0, -1), ""]) {
      const words = device.kf.approvalWords()
      expect(codeOf(await a.device.kf.approve(id, wrong))).toBe("approval-mismatch")
      must(await words)
    }
    expect(a.device.server.requestsTo("account.append").length).toBe(appends)
    const words = device.kf.approvalWords()
    const answer = must(await a.device.kf.approve(id, text))
    must(await words)
    const [joined] = await Promise.all([device.kf.approvalReply(answer.reply.join(" ")), answer.done.then(must)])
    must(joined)
    await device.kf.close()
  })
})

describe("what is signed", () => {
  test("KY-15 hostile server: the approval of one device relayed to another: the other countersigns nothing and gets nothing", async () => {
    const first = await waitingDevice()
    const ghost = await world.device(`ghost${n++}`)
    must(
      await ghost.kf.loginStart({
        server: world.origin(),
        address: "ada@example.org",
        password: PASSWORD,
        deviceName: "Ghost",
      }),
    )
    must(await ghost.kf.loginSecondFactor("totp", a.code()))
    const words = first.device.kf.approvalWords()
    const ghostWords = ghost.kf.approvalWords()
    must(await a.device.kf.approveStart(first.id))
    const shown = must(await words).words
    // The ghost is shown the approver's messages to the first one, made to look like answers to its own commitment.
    ghost.server.rewrite("enrol.relay-read", (_, request) =>
      tampered(2, withField(2, commitmentOf(ghost)))(first.device.server.lastReply("enrol.relay-read"), request),
    )
    const ghostShown = must(await ghostWords).words
    expect(ghostShown.join(" ")).not.toBe(shown.join(" "))
    const answer = must(await a.device.kf.approve(first.id, shown.join(" ")))
    const ghostDone = ghost.kf.approvalReply(answer.reply.join(" "))
    const [joined] = await Promise.all([first.device.kf.approvalReply(answer.reply.join(" ")), answer.done.then(must)])
    must(joined)
    expect(codeOf(await ghostDone)).toBe("approval-mismatch")
    const listed = must(await a.device.kf.devices())
    expect(listed.filter((d) => d.state === "active" || d.state === "approved").map((d) => d.id)).toContain(first.id)
    must(await first.device.kf.syncOn({ items: "none", autoNew: true }))
    expect(await titlesOf(first.device.kf)).toEqual(["one"])
    expect((await ghost.kf.status()).account).toBeUndefined()
    await ghost.kf.close()
  })

  test.each([
    ["lease key", 11, 32],
    ["lease id", 12, 16],
  ] as const)(
    "X-32 hostile server: the new device's %s, which the words do not cover, swapped in transit: it does not countersign",
    async (_, key, length) => {
      const { device, id } = await waitingDevice()
      a.device.server.rewrite("devices.relay-read", tampered(3, withField(key, randomBytes(length))))
      const words = device.kf.approvalWords()
      must(await a.device.kf.approveStart(id))
      const answer = must(await a.device.kf.approve(id, must(await words).words.join(" ")))
      expect(codeOf(await device.kf.approvalReply(answer.reply.join(" ")))).toBe("approval-mismatch")
      expect(
        device.server
          .requestsTo("enrol.relay-send")
          .map((r) => Buffer.from(r.body ?? new Uint8Array()).length)
          .every((length_) => length_ > 0),
      ).toBe(true)
      await device.kf.close()
      void answer.done
    },
  )

  test("X-33 hostile server: another payload than the approver's to countersign, or another countersignature than the new device's", async () => {
    const { device, id } = await waitingDevice()
    const words = device.kf.approvalWords()
    must(await a.device.kf.approveStart(id))
    device.server.rewrite(
      "enrol.relay-read",
      tampered(4, (fields) =>
        withField(
          13,
          (fields.get(13) as Uint8Array).map((x, i, whole) => (i === whole.length >> 1 ? x ^ 1 : x)),
        )(fields),
      ),
    )
    const answer = must(await a.device.kf.approve(id, must(await words).words.join(" ")))
    expect(["approval-mismatch", "revision-conflict"]).toContain(
      codeOf(await device.kf.approvalReply(answer.reply.join(" "))),
    )
    void answer.done
    await device.kf.close()

    const second = await waitingDevice()
    const again = second.device.kf.approvalWords()
    must(await a.device.kf.approveStart(second.id))
    a.device.server.rewrite("devices.relay-read", tampered(5, withField(14, randomBytes(64))))
    const before = a.device.server.requestsTo("account.append").length
    const approved = must(await a.device.kf.approve(second.id, must(await again).words.join(" ")))
    void second.device.kf.approvalReply(approved.reply.join(" "))
    expect(codeOf(await approved.done)).toBe("approval-mismatch")
    expect(a.device.server.requestsTo("account.append").length).toBe(before)
    await second.device.kf.close()
  })

  test("X-34 hostile server: it pairs the new device with an account of its own: another account than the one that was signed in to is refused [DV28]", async () => {
    const { device, id } = await waitingDevice()
    device.server.rewrite("enrol.relay-read", tampered(2, withField(3, randomBytes(32))))
    const words = device.kf.approvalWords()
    const approving = a.device.kf.approveStart(id)
    expect(codeOf(await words)).toBe("approval-mismatch")
    // The new device says that it stopped; a server that withholds that lets the approver wait.
    expect(codeOf(await approving)).toBe("approval-mismatch")
    await device.kf.close()
  })
})

describe("after the words", () => {
  test("RB-06 hostile server: a device that was let in by another reads no account older than the head the words were about", async () => {
    const { device, id } = await waitingDevice()
    const words = device.kf.approvalWords()
    must(await a.device.kf.approveStart(id))
    const answer = must(await a.device.kf.approve(id, must(await words).words.join(" ")))
    device.server.rewrite(
      "account.chain",
      inCbor(accountChainReplyStruct, (reply) => ({ links: reply.links.slice(0, 1) })),
    )
    const [joined] = await Promise.all([device.kf.approvalReply(answer.reply.join(" ")), answer.done])
    expect(["chain-forked", "chain-rolled-back", "chain-invalid", "key-not-trusted"]).toContain(codeOf(joined))
    expect((await device.kf.status()).account).toBeUndefined()
    await device.kf.close()
  })

  test("X-35 hostile server: the link that adds a device is told to have been accepted and thrown away: the approver's next sync finds out", async () => {
    const { device, id } = await waitingDevice()
    const words = device.kf.approvalWords()
    must(await a.device.kf.approveStart(id))
    const answer = must(await a.device.kf.approve(id, must(await words).words.join(" ")))
    let appended: Uint8Array | undefined
    a.device.server.invent("account.append", (request) => {
      appended = request.body
      return {
        status: 200,
        contentType: "application/cbor",
        body: accountAppendReplyStruct.encode({
          outcome: 0,
          head: [9, randomBytes(32)],
          accountLinks: [],
          results: [],
          state: "active",
        }),
      }
    })
    const joining = device.kf.approvalReply(answer.reply.join(" "))
    must(await answer.done)
    a.device.server.honest()
    const link = accountAppendStruct.decode(appended ?? new Uint8Array(), 1e6)
    expect(link.ok).toBe(true)
    // The new device asks for the chain and is not in it.
    expect((await joining).ok).toBe(false)
    // The approver believes in a head that nobody else has; whatever the server serves now contradicts it, and is named.
    a.device.server.rewrite(
      "sync",
      inCbor(syncReplyStruct, (reply) => reply),
    )
    const removed = await a.device.kf.removeDevice({ id, reason: "unknown" })
    expect(removed.ok).toBe(false)
    await device.kf.close()
  })
})
