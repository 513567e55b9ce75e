import { type ChildProcess, spawn } from "node:child_process"
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

import type { Result } from "@keyferry/base"
import type { Failure } from "@keyferry/protocol"
import type { Keyferry } from "@keyferry/sdk"
import { type NodeOptions, openNodeKeyferry } from "@keyferry/sdk/node"
import { freePort } from "@keyferry/testkit"
import { TOTP, URI } from "otpauth"

/*
 * A real server with its strongroom, and devices of the SDK, each in a folder of its own. The development mailbox is
 * where the mails are read. One wall clock, which a test moves, for all of them: nobody waits for an authenticator's next code.
 */
const WORLD = join(import.meta.dirname, "..", "..", "adversarial", "world")
const MAIN = join(WORLD, "server-process.ts")
const CLOCK = join(WORLD, "moved-clock.mjs")

export const PASSWORD = "correct horse battery"
export const ADDRESS = "ada@example.org"

/** The time of an authenticator, and how it gets to its next code. */
export interface AuthenticatorTime {
  readonly nowMs: () => number
  readonly nextStep: () => Promise<void>
}

const ownTime: AuthenticatorTime = {
  nowMs: () => Date.now(),
  nextStep: () => new Promise((resolve) => setTimeout(resolve, 250)),
}

export interface World extends AuthenticatorTime {
  readonly origin: () => string
  readonly firstLink: () => string
  readonly start: () => Promise<void>
  readonly stop: () => Promise<number>
  readonly kill: () => Promise<void>
  readonly device: (name: string, host?: Pick<NodeOptions, "http" | "clock" | "passkeys">) => Promise<Keyferry>
  readonly folderOf: (name: string) => string
  /** The token of a mailed link to this page that was not taken yet; newest mail first. */
  readonly takeToken: (page?: "v" | "freeze" | "address") => Promise<string>
  readonly confirm: (token: string, code: string) => Promise<number>
  readonly close: () => Promise<void>
}

export const must = <T>(result: Result<T, Failure>): T => {
  if (result.ok) return result.value
  throw new Error(`${result.error.code}${result.error.detail === undefined ? "" : `: ${result.error.detail}`}`)
}

const STEP_MS = 30_000
/** What a slow machine takes from a code to the server's look at it. */
const TO_ARRIVE_MS = 20_000

/** Codes of an authenticator: each step once, from the step before now to the one after. */
export const createAuthenticator = (otpauth: string, time: AuthenticatorTime = ownTime): (() => Promise<string>) => {
  const totp = URI.parse(otpauth)
  if (!(totp instanceof TOTP)) throw new Error("not a TOTP")
  let step = 0
  return async () => {
    for (;;) {
      const nowMs = time.nowMs()
      const now = Math.floor(nowMs / STEP_MS)
      // The step before is taken until this one ends: not where the code might arrive after that.
      step = Math.max(step + 1, STEP_MS - (nowMs % STEP_MS) >= TO_ARRIVE_MS ? now - 1 : now)
      if (step <= now + 1) return totp.generate({ timestamp: step * STEP_MS })
      step--
      await time.nextStep()
    }
  }
}

export const createWorld = async (): Promise<World> => {
  const folder = mkdtempSync(join(tmpdir(), "kf-world-"))
  const port = await freePort()
  const used = new Set<string>()
  const open: Keyferry[] = []
  // Where the strongroom, which reads only its own folder, finds it too.
  const clockFile = join(folder, "server", "strongroom", "clock-ahead")
  mkdirSync(join(folder, "server", "strongroom"), { recursive: true, mode: 0o700 })
  let aheadMs = 0
  const moveBy = (ms: number): void => {
    aheadMs += ms
    writeFileSync(`${clockFile}.new`, String(aheadMs))
    renameSync(`${clockFile}.new`, clockFile)
  }
  moveBy(0)
  const nowMs = (): number => Date.now() + aheadMs
  let server: ChildProcess | undefined
  let printed = ""

  const start = async (): Promise<void> => {
    printed = ""
    const child = spawn(
      process.execPath,
      [
        "--import",
        CLOCK,
        MAIN,
        "--data-dir",
        join(folder, "server"),
        "--listen",
        `127.0.0.1:${port}`,
        "--limits-rate-scale",
        "100",
      ],
      {
        stdio: ["ignore", "pipe", "pipe"],
        env: { ...process.env, KF_CLOCK_FILE: clockFile },
      },
    )
    server = child
    let errors = ""
    child.stderr.on("data", (chunk: Buffer) => (errors = (errors + chunk.toString()).slice(-4000)))
    await new Promise<void>((resolve, reject) => {
      child.stdout.on("data", (chunk: Buffer) => {
        printed += chunk.toString()
        if (/^ready$/m.test(printed)) resolve()
      })
      child.once("exit", (code) => reject(new Error(`the server ended with ${code}: ${errors}`)))
    })
  }
  const ended = (signal: NodeJS.Signals): Promise<number> =>
    new Promise((resolve) => {
      const child = server
      if (child === undefined || child.exitCode !== null) {
        resolve(0)
        return
      }
      child.once("exit", (code) => resolve(code ?? -1))
      child.kill(signal)
    })
  const origin = (): string => `http://localhost:${port}`
  await start()

  return {
    nowMs,
    nextStep: () => Promise.resolve(moveBy(30_000)),
    origin,
    firstLink: () => /http[^\s"]+#t=[^\s"]+/.exec(printed)?.[0] ?? "",
    start,
    stop: () => ended("SIGINT"),
    kill: async () => void (await ended("SIGKILL")),
    folderOf: (name) => join(folder, name),
    device: async (name, host = {}) => {
      const kf = must(
        await openNodeKeyferry({
          folder: join(folder, name),
          clock: { nowMs, monotonicMs: () => performance.now() + aheadMs },
          ...host,
        }),
      )
      open.push(kf)
      return kf
    },
    takeToken: async (wanted = "v") => {
      for (let tries = 0; tries < 300; tries++) {
        const page = await (await fetch(`${origin()}/dev/mailbox`)).text()
        const token = [...page.matchAll(/\/(\w+)\/#([A-Za-z0-9_-]{43})/g)]
          .filter((m) => m[1] === wanted)
          .map((m) => m[2] ?? "")
          .find((t) => !used.has(t))
        if (token !== undefined) {
          used.add(token)
          return token
        }
        await new Promise((resolve) => setTimeout(resolve, 100))
      }
      throw new Error("no mail came")
    },
    confirm: async (token, code) => {
      const reply = await fetch(`${origin()}/api/v1/confirm`, {
        method: "POST",
        headers: {
          "content-type": "application/json",
          "sec-fetch-site": "same-origin",
          "idempotency-key": `req_${"a".repeat(26)}`,
        },
        body: JSON.stringify({ token, code }),
      })
      return reply.status
    },
    close: async () => {
      for (const kf of open) await kf.close()
      await ended("SIGINT")
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** The first device of the account, with a second factor, and sync on. */
export const signUpWithSync = async (
  world: World,
  kf: Keyferry,
): Promise<{ readonly kit: string; readonly code: () => Promise<string> }> => {
  must(await kf.createLocal(PASSWORD))
  const kit = must(
    await kf.signUp({ link: world.firstLink(), address: ADDRESS, password: PASSWORD, deviceName: "First" }),
  )
  const code = createAuthenticator(must(await kf.twoFactorStart()).otpauth, world)
  must(await kf.twoFactorConfirm(await code()))
  must(await kf.syncOn({ items: "all", autoNew: true }))
  return { kit: kit.code, code }
}

/** Signs a device in to the account, confirms it by the mailed link and its code, and takes the keys with the kit. */
export const enrolByKit = async (
  world: World,
  kf: Keyferry,
  input: {
    readonly password: string
    readonly kit: string
    readonly code: string
    readonly name: string
    readonly factor?: "totp" | "recovery-code"
  },
): Promise<void> => {
  must(
    await kf.loginStart({ server: world.origin(), address: ADDRESS, password: input.password, deviceName: input.name }),
  )
  const waiting = must(await kf.loginSecondFactor(input.factor ?? "totp", input.code))
  const status = await world.confirm(await world.takeToken(), waiting.code ?? "")
  if (status !== 200) throw new Error(`confirm answered ${status}`)
  must(await kf.confirmation())
  must(await kf.finishWithKit(input.kit))
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

export const exchangeKey = (title: string) => ({
  kind: "exchange-key",
  title,
  fields: [
    { name: "exchange", value: "bybit", secret: false },
    { name: "key", value: "abcdEFGH1234abcdEF", secret: false },
    { name: "secret", value: "abcdefghijklmnopqrstuvwxyz0123456789", secret: true },
  ],
})

export const until = async (holds: () => Promise<boolean>, what: string): Promise<void> => {
  // Only what never happens meets the end of it: a busy machine takes its time.
  for (let tries = 0; tries < 600; tries++) {
    if (await holds()) return
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new Error(`never: ${what}`)
}
