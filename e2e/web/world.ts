import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import process from "node:process"

import {
  createHome,
  freePort,
  type RunningProcess,
  type SmtpCatcher,
  startProcess,
  startSmtpCatcher,
} from "@keyferry/testkit"

import { buildWebBundle, WEB_FOLDER } from "../../tools/web-bundle.ts"
import { createProfile, type Profile } from "../story/profile.ts"
import { type BrowserName, type BrowserProcess, type BrowserWish, startBrowser, type Watch } from "./browsers.ts"

const CLOCK = join(import.meta.dirname, "..", "..", "adversarial", "world", "moved-clock.mjs")

/** A real server with its strongroom and a mail server, browsers on profiles of their own, and `kf` beside them. */
export interface World {
  readonly folder: string
  readonly origin: string
  readonly smtp: SmtpCatcher
  readonly firstLink: () => string
  readonly start: () => Promise<void>
  readonly killServer: () => Promise<void>
  /** The clocks of server and strongroom go ahead; those of the browsers stay. */
  readonly moveBy: (ms: number) => void
  readonly nowMs: () => number
  readonly stopMail: () => Promise<void>
  /** At the same address as before. */
  readonly startMail: () => Promise<void>
  readonly browser: (name: BrowserName, profile: string, wish?: BrowserWish) => Promise<BrowserProcess>
  readonly kf: (name: string) => Profile
  /** Posts the confirmation as the page behind the mailed link does; gives the HTTP status. */
  readonly confirm: (code: string) => Promise<number>
  readonly close: () => Promise<void>
}

/** Once for all stories: the shipped sources, and one page more. */
export const buildTestBundle = async (): Promise<string> => {
  const folder = mkdtempSync(join(tmpdir(), "kf-web-bundle-"))
  await buildWebBundle({ folder, pages: [join(WEB_FOLDER, "test", "hook.html")] })
  return folder
}

export const createWorld = async (bundle: string, watch: Watch): Promise<World> => {
  const folder = mkdtempSync(join(tmpdir(), "kf-e2e-"))
  let smtp = await startSmtpCatcher()
  const port = await freePort()
  const origin = `http://localhost:${port}`
  const home = createHome("server", folder)
  const browsers: BrowserProcess[] = []
  const profiles: Profile[] = []
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
  let server: RunningProcess | undefined
  let firstLink = ""

  const start = async (): Promise<void> => {
    server = startProcess({
      command: process.execPath,
      args: [
        "--import",
        CLOCK,
        join(import.meta.dirname, "server-process.ts"),
        "serve",
        "--data-dir",
        join(folder, "server"),
        "--listen",
        `localhost:${port}`,
        "--limits-rate-scale",
        "100",
      ],
      home,
      environment: { KF_TEST_WEB: bundle, KF_MAIL_URL: smtp.url, KF_CLOCK_FILE: clockFile },
    })
    await server.waitForLine(/ready in/)
    firstLink = /first (http\S+)/.exec(server.stdout())?.[1] ?? firstLink
  }
  const killServer = async (): Promise<void> => {
    if (server !== undefined && !server.hasExited()) await server.killHard()
  }
  await start()

  return {
    folder,
    origin,
    get smtp() {
      return smtp
    },
    moveBy,
    nowMs: () => Date.now() + aheadMs,
    stopMail: () => smtp.stop(),
    startMail: async () => {
      smtp = await startSmtpCatcher(smtp.port)
    },
    firstLink: () => firstLink,
    start,
    killServer,
    browser: async (name, profile, wish) => {
      const browser = await startBrowser(name, join(folder, `${name}-${profile}`), watch, wish)
      browsers.push(browser)
      return browser
    },
    kf: (name) => {
      const profile = createProfile(name, folder)
      profiles.push(profile)
      return profile
    },
    confirm: async (code) => {
      const mail = await smtp.waitForMail(({ links }) => links.some((link) => link.includes("/v/#")))
      const token = mail.links.map((link) => /#t?=?([\w-]{43})/.exec(link)?.[1]).find((one) => one !== undefined)
      smtp.clear()
      const reply = await fetch(`${origin}/api/v1/confirm`, {
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
      for (const browser of browsers) await browser.close().catch(() => undefined)
      for (const profile of profiles) await profile.run(["agent", "stop"])
      await killServer()
      await smtp.stop()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
