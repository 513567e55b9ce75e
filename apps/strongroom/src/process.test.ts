import { type ChildProcess, spawn } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

import { bytesToBase64url, formatId, secret, u32be } from "@keyferry/base"
import { blind, signUnlockOk } from "@keyferry/crypto"
import { nodePrimitives } from "@keyferry/crypto/node"
import { type ByteChannel, createStrongroomClient, type StrongroomClient } from "@keyferry/strongroom-api"
import { afterEach, describe, expect, it } from "vitest"

import {
  addDevice,
  type EnrolledDevice,
  enrolDevice,
  json,
  makeActive,
  must,
  NO_LIMITS,
  type Reach,
  random,
  send,
  signIn,
  signUp,
  tokenHashOf,
} from "./fixture.ts"

/*
 * The process itself: started as the server starts it, spoken to over its standard streams.
 */
const ROOT = join(import.meta.dirname, "..", "..", "..")
const ENTRY = join(import.meta.dirname, "main.ts")

interface Running {
  readonly child: ChildProcess
  readonly client: StrongroomClient
  readonly reach: Reach
  readonly lines: () => readonly Record<string, unknown>[]
  readonly ended: Promise<number | string>
}

const folders: string[] = []
const children: ChildProcess[] = []
afterEach(() => {
  for (const child of children.splice(0)) child.kill("SIGKILL")
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
})

const newFolder = (): string => {
  const folder = mkdtempSync(join(tmpdir(), "kf-process-"))
  folders.push(folder)
  return folder
}

const confined = (folder: string): readonly string[] => [
  "--permission",
  ...["apps/strongroom", "packages", "node_modules", "package.json"].map(
    (path) => `--allow-fs-read=${join(ROOT, path)}`,
  ),
  `--allow-fs-read=${folder}`,
  `--allow-fs-write=${folder}`,
  "--disable-warning=SecurityWarning",
]

const start = (
  folder: string,
  options: { readonly flags?: readonly string[]; readonly args?: readonly string[] } = {},
): Running => {
  const { flags = confined(folder), args = [] } = options
  const child = spawn(process.execPath, [...flags, ENTRY, "--data-dir", folder, ...args], {
    stdio: ["pipe", "pipe", "pipe"],
    env: {},
    cwd: folder,
  })
  children.push(child)
  let said = ""
  child.stderr?.on("data", (chunk: Buffer) => {
    said += chunk.toString("utf8")
  })
  child.stdin?.on("error", () => undefined)
  const ended = new Promise<number | string>((resolve) =>
    child.once("close", (code, signal) => resolve(code ?? signal ?? "")),
  )
  const channel: ByteChannel = {
    send: (bytes) => void child.stdin?.write(bytes),
    onReceive: (listener) => void child.stdout?.on("data", listener),
    onClose: (listener) => void ended.then(listener),
  }
  const client = createStrongroomClient(channel)
  return {
    child,
    client,
    // A second ahead: what was signed in the second in which the process started is refused, and nobody here signs twice.
    reach: { call: client.call, nowMs: () => Date.now() + 1000 },
    // The runtime's own warnings are not JSON.
    lines: () =>
      said
        .split("\n")
        .filter((line) => line.startsWith("{"))
        .map((line) => JSON.parse(line) as Record<string, unknown>),
    ended,
  }
}

/** One blind evaluation, and the proof that its answer opened the bundle. */
const unlock = async (reach: Reach, { device, answer }: EnrolledDevice): Promise<unknown> => {
  const leaseId = formatId("lea", answer.lease.leaseId)
  const blinded = blind(random, secret<"LeaseInput">(random.bytes(32)))
  const { attempt } = await json(
    send(reach, device, "lease.evaluate", { leaseId, blinded: bytesToBase64url(blinded.blinded) }),
  )
  const about = { deviceId: device.deviceId, leaseId: answer.lease.leaseId, attempt: Number(attempt) }
  const signature = bytesToBase64url(await signUnlockOk(nodePrimitives, device.sigSeed, about))
  return (await json(send(reach, device, "lease.unlocked", { leaseId, attempt, signature })))["state"]
}

const stop = async (running: Running): Promise<number | string> => {
  running.child.stdin?.end()
  return running.ended
}

describe("the process", () => {
  it("[ST1] tries every way out, is denied each, and says so", async () => {
    const running = start(newFolder())
    expect((await must(running.client.call("hello", {}))).deploymentId).toMatch(/^dep_[a-z2-7]{26}$/)
    expect(await stop(running)).toBe(0)
    const tried = running.lines().filter((line) => line["what"] === "way-out")
    expect(tried.map((line) => line["way"])).toEqual([
      "TCP connection",
      "listening for TCP",
      "looking a name up (DNS)",
      "another process",
      "worker thread",
      "reading a foreign file",
      "writing a foreign file",
      "attaching another database",
    ])
    expect(tried.every((line) => line["denied"] === true)).toBe(true)
  })

  it("[ST1] does not start when a way out is open, and has made no key then", async () => {
    for (const extra of [
      [],
      ["--allow-net"],
      ["--allow-child-process"],
      ["--allow-fs-read=/etc/passwd"],
      ["--allow-worker"],
    ]) {
      const folder = newFolder()
      const flags = extra.length === 0 ? [] : [...confined(folder), ...extra]
      const running = start(folder, { flags })
      expect(await running.ended).toBe(12)
      const last = running.lines().at(-1)
      expect(last).toMatchObject({ level: "error", what: "isolation-broken" })
      expect(() => statSync(join(folder, "main.kek"))).toThrow(/ENOENT/)
      expect(await running.client.call("hello", {})).toMatchObject({
        ok: false,
        error: { code: "strongroom-unavailable" },
      })
    }
  })

  it("[ST2] a second one on the same folder says who holds it", async () => {
    const folder = newFolder()
    const first = start(folder)
    await must(first.client.call("hello", {}))
    const second = start(folder)
    expect(await second.ended).toBe(1)
    expect(second.lines().at(-1)).toMatchObject({
      what: "store-in-use",
      detail: `Held by the strongroom with process id ${first.child.pid}.`,
    })
    expect(await stop(first)).toBe(0)
    const third = start(folder)
    await must(third.client.call("hello", {}))
    expect(await stop(third)).toBe(0)
  })

  it("[ST3] finishes what is running when its channel ends", async () => {
    const running = start(newFolder())
    await must(running.client.call("hello", {}))
    const calls = Array.from({ length: 50 }, () => running.client.call("health", {}))
    running.child.stdin?.end()
    const answers = await Promise.all(calls)
    expect(answers.every((answer) => answer.ok)).toBe(true)
    expect(await running.ended).toBe(0)
  })

  it("[ST3] ends with its input also when asked by a signal, and at bytes that are no frame", async () => {
    const signalled = start(newFolder())
    await must(signalled.client.call("hello", {}))
    signalled.child.kill("SIGTERM")
    expect(await signalled.ended).toBe(0)
    const garbled = start(newFolder())
    await must(garbled.client.call("hello", {}))
    garbled.child.stdin?.write(Uint8Array.from([...u32be(3), 1, 2, 3]))
    expect(await garbled.ended).toBe(1)
    const huge = start(newFolder())
    await must(huge.client.call("hello", {}))
    huge.child.stdin?.write(Uint8Array.of(255, 255, 255, 255))
    expect(await huge.ended).toBe(1)
  })

  it("[ST8] with a wrong, damaged or missing key it refuses, writes nothing and makes no other", async () => {
    const folder = newFolder()
    const first = start(folder)
    const { deploymentId } = await must(first.client.call("hello", {}))
    expect(await stop(first)).toBe(0)
    const path = join(folder, "main.kek")
    const key = readFileSync(path)
    expect([key.length, statSync(path).mode & 0o777]).toEqual([32, 0o600])
    const store = readFileSync(join(folder, "strongroom.db"))
    const refused = async (): Promise<void> => {
      const running = start(folder)
      expect(await running.ended).toBe(12)
      expect(running.lines().at(-1)).toMatchObject({ what: "kms-wrong-key" })
      expect(readFileSync(join(folder, "strongroom.db")).equals(store)).toBe(true)
    }
    writeFileSync(path, Buffer.alloc(32, 7))
    await refused()
    writeFileSync(path, key.subarray(0, 31))
    await refused()
    rmSync(path)
    await refused()
    expect(() => statSync(path)).toThrow(/ENOENT/)
    writeFileSync(path, key, { mode: 0o600 })
    const again = start(folder)
    expect((await must(again.client.call("hello", {}))).deploymentId).toBe(deploymentId)
    expect(await stop(again)).toBe(0)
  })

  it("[ST8] the same for the lease store's own key", async () => {
    const folder = newFolder()
    const first = start(folder)
    await signUp(first.reach)
    expect(await stop(first)).toBe(0)
    const path = join(folder, "lease-kek-1")
    const key = readFileSync(path)
    rmSync(path)
    const without = start(folder)
    expect(await without.ended).toBe(12)
    expect(without.lines().at(-1)).toMatchObject({ what: "kms-wrong-key" })
    writeFileSync(path, key, { mode: 0o600 })
    const again = start(folder)
    expect((await must(again.client.call("health", {}))).accounts).toBe(1)
    expect(await stop(again)).toBe(0)
  })

  it("[ST9] keeps its ids and keys over a restart, and answers the accounts it made", async () => {
    const folder = newFolder()
    const first = start(folder)
    const hello = await must(first.client.call("hello", {}))
    const person = await signUp(first.reach, "correct horse battery staple")
    expect(await stop(first)).toBe(0)
    const second = start(folder)
    expect(await must(second.client.call("hello", {}))).toEqual({ ...hello, accounts: 1 })
    const done = await must(signIn(second.reach, person.accountUuid, person.password, person.device.keys.authPk))
    expect(done.factors).toEqual([])
    expect(await stop(second)).toBe(0)
  })

  it("[ST7] sign-up to second device, end to end, with notices in commit order", async () => {
    const running = start(newFolder())
    const { reach } = running
    const commits: number[] = []
    running.client.onNotice((notice) => commits.push(notice.commit))
    const person = await signUp(reach, "correct horse battery staple")
    await makeActive(reach, person)
    await must(signIn(reach, person.accountUuid, person.password, person.device.keys.authPk))
    const second = await enrolDevice(reach, person)
    await must(reach.call("confirmCode", { tokenHash: tokenHashOf(second.token), code: second.answer.code }))
    const added = await addDevice(person.chain, person.device, second, person.accountSeed, Date.now())
    const answer = await send(
      reach,
      person.device,
      "account.append",
      { link: added.link, wraps: added.wraps, rotations: [] },
      { limits: NO_LIMITS },
    )
    expect([answer.status, answer.code]).toEqual([200, undefined])
    expect(await json(send(reach, second.device, "account.status"))).toMatchObject({ state: "approved", seq: 2 })
    expect(await unlock(reach, second)).toBe("active")
    expect(await json(send(reach, second.device, "devices.list"))).toMatchObject({
      devices: [{ state: "active" }, { state: "active" }],
    })
    const { events } = await must(reach.call("events", { after: 0, max: 100 }))
    expect(events.map((event) => event.n)).toEqual(events.map((_, i) => i + 1))
    expect(commits).toEqual(commits.map((_, i) => i + 1))
    expect(await stop(running)).toBe(0)
    expect(running.lines().filter((line) => line["level"] === "error")).toEqual([])
  })
})
