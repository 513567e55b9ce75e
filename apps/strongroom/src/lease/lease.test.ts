import { base64urlToBytes, bytesToBase64url, bytesToHex, expectOk, formatId, lp } from "@keyferry/base"
import { blind, finalize, signLabel, signRetire, signUnlockOk } from "@keyferry/crypto"
import { leaseTokenStruct, signedLeaseTokenStruct } from "@keyferry/protocol"
import { secret } from "@keyferry/base"
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { afterEach, beforeEach, describe, expect, test } from "vitest"

import { allHandlers } from "../all-handlers.ts"
import {
  createWorld,
  enrolDevice,
  json,
  makeActive,
  must,
  p,
  type Person,
  random,
  type Reach,
  reachOf,
  send,
  signUp,
  type TestDevice,
  type World,
} from "../fixture.ts"
import { rotateLeaseKek } from "./rotation.ts"
import { MAX_ATTEMPTS } from "./store.ts"

let world: World
let reach: Reach
let person: Person
let leaseId: Uint8Array

beforeEach(async () => {
  world = await createWorld(allHandlers)
  reach = reachOf(world)
  person = await signUp(reach)
  leaseId = (await world.room().leases.read(person.device.deviceId))?.lease_id ?? new Uint8Array()
})
afterEach(() => world.close())

const leases = () => world.room().leases
const rowOf = (device: TestDevice = person.device) => leases().read(device.deviceId)
const leasePk = async (): Promise<Uint8Array> => (await rowOf())?.lease_pk ?? new Uint8Array()
const bytesIn = (value: unknown): Uint8Array => base64urlToBytes(String(value)) ?? new Uint8Array()

const evaluate = async (input = secret<"LeaseInput">(new Uint8Array(32).fill(7))) => {
  const blinded = blind(random, input)
  const answer = await send(reach, person.device, "lease.evaluate", {
    leaseId: formatId("lea", leaseId),
    blinded: bytesToBase64url(blinded.blinded),
  })
  return { answer, blinded }
}
const evaluated = async () => {
  const { answer, blinded } = await evaluate()
  const reply = await json(Promise.resolve(answer))
  const evaluation = { evaluated: bytesIn(reply["evaluated"]), proof: bytesIn(reply["proof"]) }
  return { reply, y: finalize(blinded, await leasePk(), evaluation) }
}
const unlocked = async (attempt: number) =>
  send(reach, person.device, "lease.unlocked", {
    leaseId: formatId("lea", leaseId),
    attempt,
    signature: bytesToBase64url(
      await signUnlockOk(p, person.device.sigSeed, { deviceId: person.device.deviceId, leaseId, attempt }),
    ),
  })
const tokenOf = (text: unknown) => {
  const signed = expectOk(signedLeaseTokenStruct.decode(bytesIn(text), 1024), "token")
  return { ...signed, token: expectOk(leaseTokenStruct.decode(signed.payload, 512), "token payload") }
}

describe("an evaluation", () => {
  test("[LS1] gives the same output for the same input, under the key that the chain names", async () => {
    const [first, second] = [await evaluated(), await evaluated()]
    expect(
      first.y.ok && second.y.ok && bytesToHex(first.y.value.reveal()) === bytesToHex(second.y.value.reveal()),
    ).toBe(true)
  })

  test("[LS1] an answer made with another key is refused by its proof", async () => {
    const { answer, blinded } = await evaluate()
    const reply = await json(Promise.resolve(answer))
    const evaluation = { evaluated: bytesIn(reply["evaluated"]), proof: bytesIn(reply["proof"]) }
    const other = await world.room().leases.reserve(random.bytes(16), world.clock.nowMs() + 1000)
    expect(finalize(blinded, other.leasePk, evaluation)).toEqual({ ok: false, error: "lease-key-wrong" })
  })

  test("[LS2] is signed as a lease request, and a device that waits may ask for one before its first link", async () => {
    const { blinded } = blind(random, secret<"LeaseInput">(new Uint8Array(32)))
    const body = { leaseId: formatId("lea", leaseId), blinded: bytesToBase64url(blinded) }
    expect((await send(reach, person.device, "lease.evaluate", body, { tag: "kf1-dev" })).code).toBe(
      "signature-invalid",
    )
    await makeActive(reach, person)
    const { device, answer } = await enrolDevice(reach, person)
    const waiting = { ...body, leaseId: formatId("lea", answer.lease.leaseId) }
    expect((await send(reach, device, "lease.evaluate", waiting)).status).toBe(200)
    expect((await rowOf(device))?.state).toBe("reserved")
  })

  test("[LS3] is counted before anything is evaluated, also if it then fails", async () => {
    const answer = await send(reach, person.device, "lease.evaluate", {
      leaseId: formatId("lea", leaseId),
      blinded: bytesToBase64url(new Uint8Array(32).fill(255)),
    })
    expect([answer.code, (await rowOf())?.attempts]).toEqual(["malformed", 1])
  })

  test("[LS3] another lease of the same device is refused and not counted", async () => {
    const answer = await send(reach, person.device, "lease.evaluate", {
      leaseId: formatId("lea", random.bytes(16)),
      blinded: bytesToBase64url(blind(random, secret<"LeaseInput">(new Uint8Array(32))).blinded),
    })
    expect([answer.code, (await rowOf())?.attempts]).toEqual(["lease-refused", 0])
  })

  test("[LS4] the eleventh in a row is refused, the device is locked and its stream closed", async () => {
    await makeActive(reach, person)
    for (let i = 0; i < MAX_ATTEMPTS; i++) expect((await evaluate()).answer.status).toBe(200)
    expect((await evaluate()).answer.code).toBe("lease-locked")
    expect((await rowOf())?.attempts).toBe(MAX_ATTEMPTS)
    expect(world.notices.at(-1)?.closed.map(bytesToHex)).toEqual([bytesToHex(person.device.deviceId)])
    expect((await evaluate()).answer.code).toBe("lease-locked")
  })

  test("[LS5] a removal between reading the key and answering discards the answer", async () => {
    const begun = await must(leases().beginEvaluation(person.device.deviceId, leaseId))
    expect(begun.row.sealed.length).toBeGreaterThan(0)
    await leases().kill([person.device.deviceId], [])
    expect(await leases().settle(person.device.deviceId, leaseId, 1)).toEqual({
      ok: false,
      error: { code: "lease-refused" },
    })
  })

  test("[LS5] so does a freeze, until it is taken back", async () => {
    await must(leases().beginEvaluation(person.device.deviceId, leaseId))
    await leases().setFrozen([person.device.deviceId], true)
    expect(await leases().settle(person.device.deviceId, leaseId, 1)).toEqual({
      ok: false,
      error: { code: "account-frozen" },
    })
    expect(await leases().beginEvaluation(person.device.deviceId, leaseId)).toEqual({
      ok: false,
      error: { code: "account-frozen" },
    })
    await leases().setFrozen([person.device.deviceId], false)
    expect((await leases().settle(person.device.deviceId, leaseId, 1)).ok).toBe(true)
  })

  test("[LS6] a reservation ends at its time and does not become live after it", async () => {
    const deviceId = random.bytes(16)
    const { leaseId: reserved } = await leases().reserve(deviceId, world.clock.nowMs() + 1000)
    expect((await leases().beginEvaluation(deviceId, reserved)).ok).toBe(true)
    world.clock.add(1000)
    expect((await leases().beginEvaluation(deviceId, reserved)).ok).toBe(false)
    expect(await leases().makeLive(deviceId)).toBe(false)
  })

  test("[LS6] asked again in time, a reservation is the same key; later it is another one", async () => {
    const deviceId = random.bytes(16)
    const first = await leases().reserve(deviceId, world.clock.nowMs() + 1000)
    expect(bytesToHex((await leases().reserve(deviceId, world.clock.nowMs() + 5000)).leaseId)).toBe(
      bytesToHex(first.leaseId),
    )
    world.clock.add(1000)
    expect(bytesToHex((await leases().reserve(deviceId, world.clock.nowMs() + 5000)).leaseId)).not.toBe(
      bytesToHex(first.leaseId),
    )
  })
})

describe("a token", () => {
  test("[LS7] says device, lease, times and the account's head, and is signed by the deployment", async () => {
    const { reply } = await evaluated()
    const { payload, signature, token } = tokenOf(reply["token"])
    const nowS = Math.floor(world.clock.nowMs() / 1000)
    expect(token).toMatchObject({
      issuedAtS: nowS,
      expiresAtS: nowS + 24 * 3600,
      graceS: 24 * 3600,
      maxOfflineUnlocks: 50,
      serial: 1,
    })
    expect([bytesToHex(token.deviceId), bytesToHex(token.leaseId)]).toEqual([
      bytesToHex(person.device.deviceId),
      bytesToHex(leaseId),
    ])
    expect([token.account[0], bytesToHex(token.account[1])]).toEqual([1, bytesToHex(person.chain.head.hash)])
    const { leaseTokenPk } = await must(reach.call("hello", {}))
    expect(await p.ed25519Verify(leaseTokenPk, lp("kf1/lease-token", payload), signature)).toBe(true)
    const next = tokenOf((await evaluated()).reply["token"])
    expect(next.token.serial).toBe(2)
  })
})

describe("a proven success", () => {
  test("[LS8] starts the count anew, once", async () => {
    const { reply } = await evaluated()
    expect((await unlocked(Number(reply["attempt"]))).status).toBe(200)
    expect((await rowOf())?.attempts).toBe(0)
    expect((await unlocked(Number(reply["attempt"]))).code).toBe("replay-rejected")
  })

  test("[LS8] numbers never repeat, so an old proof does not clear later guesses", async () => {
    const first = Number((await evaluated()).reply["attempt"])
    await unlocked(first)
    await evaluate()
    await evaluate()
    expect((await unlocked(first)).code).toBe("replay-rejected")
    expect((await rowOf())?.attempts).toBe(2)
  })

  test("[LS8] of an earlier evaluation leaves the later ones counted", async () => {
    const first = Number((await evaluated()).reply["attempt"])
    await evaluate()
    await evaluate()
    await unlocked(first)
    expect((await rowOf())?.attempts).toBe(2)
  })

  test("[LS8] is a signature by the chain key over exactly this device, lease and number", async () => {
    const { reply } = await evaluated()
    const attempt = Number(reply["attempt"])
    const wrong = await signUnlockOk(p, person.device.authSeed, { deviceId: person.device.deviceId, leaseId, attempt })
    const answer = await send(reach, person.device, "lease.unlocked", {
      leaseId: formatId("lea", leaseId),
      attempt,
      signature: bytesToBase64url(wrong),
    })
    expect([answer.code, (await rowOf())?.attempts]).toEqual(["signature-invalid", 1])
  })

  test("[LS8] makes an approved device active only where a second factor is set", async () => {
    const { store } = world.room().ctx
    const setApproved = () => store.transaction((tx) => tx.updateTable("device").set({ state: "approved" }).execute())
    await setApproved()
    const first = await json(unlocked(Number((await evaluated()).reply["attempt"])))
    expect(first["state"]).toBe("approved")
    await store.transaction((tx) => tx.updateTable("device").set({ state: "pending-first" }).execute())
    await makeActive(reach, person)
    await setApproved()
    const second = await json(unlocked(Number((await evaluated()).reply["attempt"])))
    expect(second["state"]).toBe("active")
  })
})

describe("a renewal", () => {
  const renew = async (createdS: number, seed = person.device.sigSeed) =>
    send(reach, person.device, "lease.renew", {
      leaseId: formatId("lea", leaseId),
      createdS,
      signature: bytesToBase64url(
        await signLabel(p, seed, "kf1/lease-renew", person.device.deviceId, leaseId, createdS),
      ),
    })
  const nowS = () => Math.floor(world.clock.nowMs() / 1000)

  test("[LS9] needs the chain key, a fresh time and a live lease, and counts nothing", async () => {
    await makeActive(reach, person)
    expect(tokenOf((await json(renew(nowS())))["token"]).token.serial).toBe(1)
    expect((await rowOf())?.attempts).toBe(0)
    expect((await renew(nowS(), person.device.authSeed)).code).toBe("signature-invalid")
    expect((await renew(nowS() - 61)).code).toBe("clock-skew")
    await leases().kill([person.device.deviceId], [])
    expect((await renew(nowS())).code).toBe("lease-refused")
  })
})

describe("after a removal", () => {
  const bytesOfFolder = (): string =>
    readdirSync(world.folder)
      .filter((name) => name.startsWith("leases.db"))
      .map((name) => readFileSync(join(world.folder, name)).toString("hex"))
      .join("")

  test("[LS10] nothing of the sealed lease key is left in the files of the lease store", async () => {
    const sealed = bytesToHex((await rowOf())?.sealed ?? new Uint8Array())
    expect(bytesOfFolder()).toContain(sealed.slice(-96))
    await leases().kill([person.device.deviceId], [])
    expect(bytesOfFolder()).not.toContain(sealed.slice(-96))
  })

  test("[LS11] the KEK is replaced, live leases go on, and the old version is gone", async () => {
    const other = await signUp(reach)
    const before = leases().kek.versions()
    await leases().kill([other.device.deviceId], [])
    expect(await must(rotateLeaseKek(leases()))).toBe(1)
    expect(leases().kek.versions()).not.toEqual(before)
    expect(existsSync(join(world.folder, "lease-kek-1"))).toBe(false)
    expect((await evaluated()).y.ok).toBe(true)
    await world.restart()
    expect((await evaluated()).y.ok).toBe(true)
  })

  test("[LS11] without a removal nothing is rotated", async () => {
    expect(await must(rotateLeaseKek(leases()))).toBe(0)
    expect(leases().kek.versions()).toEqual(["local-lease:1"])
  })

  test.each(["a new version was made", "half of the rows were wrapped anew"])(
    "[LS11] a rotation that ended when %s is finished by the next",
    async (when) => {
      const other = await signUp(reach)
      const third = await signUp(reach)
      await leases().kill([third.device.deviceId], [])
      await must(leases().kek.makeNext())
      if (when.startsWith("half")) {
        const row = await rowOf(other.device)
        const place = { deviceId: other.device.deviceId, leaseId: row?.lease_id ?? new Uint8Array() }
        const plain = await must(
          leases().kek.unwrap({ kekId: row?.kek_id ?? "", sealed: row?.sealed ?? new Uint8Array() }, place),
        )
        const wrapped = await must(leases().kek.wrap(plain, place))
        await leases().store.transaction((tx) =>
          tx
            .updateTable("lease")
            .set({ kek_id: wrapped.kekId, sealed: wrapped.sealed })
            .where("device_id", "=", other.device.deviceId)
            .execute(),
        )
      }
      await world.restart()
      await must(rotateLeaseKek(leases()))
      expect(leases().kek.versions()).toEqual(["local-lease:2"])
      expect((await evaluated()).y.ok).toBe(true)
    },
  )

  test("[LS11] a missing or another key file refuses to start", async () => {
    const { openLeaseStore } = await import("./store.ts")
    const { openLocalKek } = await import("./local-kek.ts")
    const { createLeaseKek } = await import("./kek.ts")
    const { mkdtempSync } = await import("node:fs")
    const { tmpdir } = await import("node:os")
    const folder = mkdtempSync(join(tmpdir(), "kf-other-"))
    const opened = await openLeaseStore({
      url: `sqlite:${join(world.folder, "leases.db")}`,
      clock: world.clock,
      random,
      openKek: (mayCreate) => {
        const versions = openLocalKek({ primitives: p, random, folder, mayCreate })
        return versions.ok
          ? {
              ok: true,
              value: createLeaseKek({ versions: versions.value, primitives: p, random, deploymentId: "dep" }),
            }
          : versions
      },
    })
    expect(opened.ok ? "opened" : opened.error.code).toBe("kms-wrong-key")
    expect(readdirSync(folder)).toEqual([])
  })
})

describe("a device that leaves", () => {
  const retire = async (
    over: { readonly head?: Uint8Array; readonly seed?: typeof person.device.sigSeed; readonly last?: boolean } = {},
  ) => {
    const { head, seq } = { seq: person.chain.head.seq, head: over.head ?? person.chain.head.hash }
    const retirement = { uid: person.accountId, deviceId: person.device.deviceId, seq, head }
    const signature = await signRetire(p, over.seed ?? person.device.sigSeed, retirement)
    return send(reach, person.device, "device.retire", {
      seq,
      head: bytesToBase64url(head),
      signature: bytesToBase64url(signature),
      lastDeviceConfirmed: over.last ?? true,
    })
  }

  test("[LS12] its lease key is destroyed and its signature kept for the removal", async () => {
    await makeActive(reach, person)
    expect((await retire()).status).toBe(200)
    expect(await rowOf()).toMatchObject({ state: "dead", sealed: null })
    const row = await world
      .room()
      .ctx.store.read((db) => db.selectFrom("device").select(["state", "retire_seq"]).executeTakeFirstOrThrow())
    expect(row).toEqual({ state: "retired", retire_seq: 1 })
    expect((await evaluate()).answer.code).toBe("device-retired")
    expect(await leases().isBuried("device", person.device.deviceId)).toBe(true)
  })

  test("[LS12] only with its chain key, over a head that the account had, and the last one only if the person was asked", async () => {
    await makeActive(reach, person)
    expect((await retire({ seed: person.device.authSeed })).code).toBe("signature-invalid")
    expect((await retire({ head: random.bytes(32) })).code).toBe("revision-conflict")
    expect((await retire({ last: false })).code).toBe("device-is-last")
    expect((await rowOf())?.state).toBe("live")
  })
})
