import { type ChildProcess, spawn } from "node:child_process"
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

import type { Result } from "@keyferry/base"
import type { Failure } from "@keyferry/protocol"
import type { Keyferry, Kit } from "@keyferry/sdk"
import { createNodeHttp, type NodeOptions, openNodeKeyferry } from "@keyferry/sdk/node"
import { freePort } from "@keyferry/testkit"
import { TOTP, URI } from "otpauth"

import { createHostileServer, type HostileServer } from "./hostile-server.ts"
import { nextSecond } from "./next-second.ts"

/*
 * The product's real server and strongroom as processes on a clock that the test moves, and devices of the SDK, each in a
 * folder of its own with a network that may be hostile.
 */
export const PASSWORD = "correct horse battery"
export const ADDRESS = "ada@example.org"

export interface AttackedDevice {
  readonly kf: Keyferry
  /** Stands between this device and the server. */
  readonly server: HostileServer
  readonly folder: string
  /** The device's own clock against everybody else's. */
  readonly setClock: (aheadMs: number) => void
  /** Resolves when it has asked the server nothing for a moment: what it does by itself has come to its end. */
  readonly quiet: () => Promise<void>
  /** Closes it and opens the same folder again. */
  readonly reopen: () => Promise<AttackedDevice>
}

/** What a device has beside its folder and its network. */
export type DeviceHost = Pick<NodeOptions, "passkeys" | "secrets">

export interface AttackWorld {
  readonly origin: () => string
  readonly firstLink: () => string
  readonly folder: string
  /** The server's data folder. */
  readonly serverFolder: string
  /** Everything the two processes logged. */
  readonly logged: () => string
  /** Moves the clock of server, strongroom and devices. */
  readonly advance: (ms: number) => void
  readonly nowMs: () => number
  readonly start: () => Promise<void>
  readonly stop: () => Promise<void>
  readonly kill: () => Promise<void>
  readonly device: (name: string, host?: DeviceHost) => Promise<AttackedDevice>
  readonly mails: () => Promise<readonly Mail[]>
  /** The token of the newest mailed link that was not taken yet. */
  readonly takeToken: () => Promise<string>
  /** Whatever was mailed until now is taken. */
  readonly takeAllTokens: () => Promise<void>
  readonly confirm: (token: string, code: string) => Promise<number>
  readonly close: () => Promise<void>
}

export interface Mail {
  readonly id: string
  readonly to: string
  readonly subject: string
  readonly body: string
}

export const must = <T>(result: Result<T, Failure>): T => {
  if (result.ok) return result.value
  throw new Error(`${result.error.code}${result.error.detail === undefined ? "" : `: ${result.error.detail}`}`)
}

/** The code of a failure, `ok` for none. */
export const codeOf = (result: Result<unknown, Failure>): string => (result.ok ? "ok" : result.error.code)

const MAIN = join(import.meta.dirname, "server-process.ts")
const CLOCK = join(import.meta.dirname, "moved-clock.mjs")

export const createAttackWorld = async (
  serverArgs: readonly string[] = ["--limits-rate-scale", "100"],
): Promise<AttackWorld> => {
  const folder = mkdtempSync(join(tmpdir(), "kf-attack-"))
  const serverFolder = join(folder, "server")
  mkdirSync(join(serverFolder, "strongroom"), { recursive: true, mode: 0o700 })
  const clockFile = join(serverFolder, "strongroom", "clock-ahead")
  const port = await freePort()
  const used = new Set<string>()
  const opened: Keyferry[] = []
  let child: ChildProcess | undefined
  let aheadMs = 0
  let firstLink = ""
  let log = ""

  const writeClock = (): void => {
    writeFileSync(`${clockFile}.new`, String(aheadMs))
    renameSync(`${clockFile}.new`, clockFile)
  }
  writeClock()

  const start = async (): Promise<void> => {
    const args = ["--import", CLOCK, MAIN, "--data-dir", serverFolder, "--listen", `127.0.0.1:${port}`, ...serverArgs]
    const started = spawn(process.execPath, args, {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, KF_CLOCK_FILE: clockFile },
    })
    child = started
    let printed = ""
    started.stderr.on("data", (chunk: Buffer) => (log += chunk.toString()))
    await new Promise<void>((resolve, reject) => {
      started.stdout.on("data", (chunk: Buffer) => {
        printed += chunk.toString()
        if (!printed.includes("ready")) return
        firstLink = (JSON.parse(printed.split("\n")[0] ?? "") as { firstLink: string }).firstLink || firstLink
        resolve()
      })
      started.once("exit", (code) => reject(new Error(`the server ended with ${code}: ${log.slice(-3000)}`)))
    })
    await nextSecond()
  }
  const ended = (signal: NodeJS.Signals): Promise<void> =>
    new Promise((resolve) => {
      if (child === undefined || child.exitCode !== null || child.signalCode !== null) {
        resolve()
        return
      }
      child.once("exit", () => resolve())
      child.kill(signal)
    })
  const origin = (): string => `http://localhost:${port}`
  const nowMs = (): number => Date.now() + aheadMs

  const openDevice = async (name: string, server: HostileServer, host: DeviceHost): Promise<AttackedDevice> => {
    let ownAheadMs = 0
    const home = join(folder, name)
    const kf = must(
      await openNodeKeyferry({
        ...host,
        folder: home,
        http: server.http,
        clock: { nowMs: () => nowMs() + ownAheadMs, monotonicMs: () => performance.now() + aheadMs },
      }),
    )
    opened.push(kf)
    return {
      kf,
      server,
      folder: home,
      setClock: (ms) => {
        ownAheadMs = ms
      },
      quiet: async () => {
        // Several looks: between two of its requests a busy machine may let a device wait longer than one of them.
        for (let looks = 0, before = -1; looks < 4; looks++) {
          if (server.isBusy() || before !== server.exchanges().length) looks = 0
          before = server.exchanges().length
          await new Promise((resolve) => setTimeout(resolve, 40))
        }
      },
      reopen: async () => {
        await kf.close()
        return openDevice(name, server, host)
      },
    }
  }
  const mails = async (): Promise<readonly Mail[]> => {
    const answer = (await (await fetch(`${origin()}/dev/mailbox.json`)).json()) as { mails: Mail[] }
    return answer.mails
  }
  const tokens = async (): Promise<readonly string[]> =>
    (await mails()).flatMap((mail) => [...mail.body.matchAll(/\/v\/#([A-Za-z0-9_-]{43})/g)].map((m) => m[1] ?? ""))
  await start()

  return {
    origin,
    firstLink: () => firstLink,
    folder,
    serverFolder,
    logged: () => log,
    advance: (ms) => {
      aheadMs += ms
      writeClock()
    },
    nowMs,
    start,
    stop: () => ended("SIGINT"),
    kill: () => ended("SIGKILL"),
    device: (name, host = {}) => openDevice(name, createHostileServer(createNodeHttp()), host),
    mails,
    takeToken: async () => {
      for (let tries = 0; tries < 600; tries++) {
        const token = (await tokens()).find((t) => !used.has(t))
        if (token !== undefined) {
          used.add(token)
          return token
        }
        await new Promise((resolve) => setTimeout(resolve, 50))
      }
      throw new Error("no mail came")
    },
    takeAllTokens: async () => {
      for (const token of await tokens()) used.add(token)
    },
    confirm: async (token, code) => (await post(`${origin()}/api/v1/confirm`, { token, code })).status,
    close: async () => {
      for (const kf of opened) await kf.close()
      await ended("SIGINT")
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** What a browser of the same site sends. */
export const post = (url: string, body: unknown, headers: Readonly<Record<string, string>> = {}): Promise<Response> =>
  fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json", "sec-fetch-site": "same-origin", ...headers },
    body: JSON.stringify(body),
  })

export interface Settled {
  readonly device: AttackedDevice
  readonly kit: Kit
  /** A fresh code of the authenticator; time goes on by one step for each. */
  readonly code: () => string
  /** Six digits that are no code of it, of no step near now. */
  readonly wrong: () => string
}

/** An account with a second factor, one device in sync, and its kit. */
export const settleAccount = async (world: AttackWorld, name = "a", host?: DeviceHost): Promise<Settled> => {
  const device = await world.device(name, host)
  const kit = must(
    await device.kf.signUp({ link: world.firstLink(), address: ADDRESS, password: PASSWORD, deviceName: "Laptop" }),
  )
  const { otpauth } = must(await device.kf.twoFactorStart())
  const totp = URI.parse(otpauth)
  if (!(totp instanceof TOTP)) throw new Error("not a TOTP")
  const code = (): string => {
    world.advance(30_000)
    return totp.generate({ timestamp: world.nowMs() })
  }
  const wrong = (): string => {
    const near = [-2, -1, 0, 1, 2].map((step) => totp.generate({ timestamp: world.nowMs() + step * 30_000 }))
    return ["000000", "111111", "222222", "333333", "444444", "555555"].find((one) => !near.includes(one)) ?? ""
  }
  must(await device.kf.twoFactorConfirm(code()))
  must(await device.kf.syncOn({ items: "all", autoNew: true }))
  return { device, kit, code, wrong }
}

/** Signs a device in, confirms it by the mailed link and the code it shows, and stops before the keys. */
export const enrolUpToKeys = async (
  world: AttackWorld,
  device: AttackedDevice,
  account: Settled,
  password = PASSWORD,
): Promise<void> => {
  must(await device.kf.loginStart({ server: world.origin(), address: ADDRESS, password, deviceName: "Desk" }))
  const waiting = must(await device.kf.loginSecondFactor("totp", account.code()))
  const status = await world.confirm(await world.takeToken(), waiting.code ?? "")
  if (status !== 200) throw new Error(`confirm answered ${status}`)
  must(await device.kf.confirmation())
}

/** The same, and takes the keys with the kit. */
export const enrolByKit = async (world: AttackWorld, device: AttackedDevice, account: Settled): Promise<void> => {
  await enrolUpToKeys(world, device, account)
  must(await device.kf.finishWithKit(account.kit.code))
  must(await device.kf.syncOn({ items: "none", autoNew: true }))
}

export const login = (title: string, password = `p-${title}`) => ({
  kind: "login",
  title,
  fields: [
    { name: "username", value: "ada", secret: false },
    { name: "password", value: password, secret: true },
    { name: "url", value: "https://shop.example", secret: false },
  ],
})

export const exchangeKey = (title: string, secret = "abcdefghijklmnopqrstuvwxyz0123456789") => ({
  kind: "exchange-key",
  title,
  fields: [
    { name: "exchange", value: "bybit", secret: false },
    { name: "key", value: "abcdEFGH1234abcdEF", secret: false },
    { name: "secret", value: secret, secret: true },
  ],
})

export const fieldOf = async (kf: Keyferry, id: string, name: string): Promise<string | undefined> =>
  must(await kf.get(id)).fields.find((f) => f.name === name)?.value

export const titlesOf = async (kf: Keyferry): Promise<readonly string[]> => must(await kf.list()).map((i) => i.title)

/** Every byte below a folder, for comparing before and after. */
export const bytesOfFile = (path: string): string => {
  try {
    return readFileSync(path).toString("hex")
  } catch {
    return ""
  }
}
