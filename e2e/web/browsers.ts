import { type BrowserContext, chromium } from "playwright-core"
import puppeteer from "puppeteer-core"

export type BrowserName = "chromium" | "firefox"

/** One tab of a real browser. */
export interface Tab {
  readonly goto: (url: string) => Promise<void>
  /** Runs a function in the page with plain values in and out. */
  readonly run: <A, T>(work: (input: A) => T | Promise<T>, input: A) => Promise<T>
  readonly reload: () => Promise<void>
  /** Chromium only: an authenticator that verifies its person by itself. */
  readonly addAuthenticator: () => Promise<void>
  readonly close: () => Promise<void>
}

/** One running browser on one profile folder. */
export interface BrowserProcess {
  readonly name: BrowserName
  readonly profile: string
  readonly tab: () => Promise<Tab>
  readonly close: () => Promise<void>
}

/** What all tabs of all browsers did that a page must not do. */
export interface Watch {
  readonly origins: Set<string>
  readonly policyReports: string[]
  readonly errors: string[]
}

const POLICY = /Content.Security.Policy|Trusted(?:Script|HTML|Types)/i

const noteRequest = (watch: Watch, url: string): void => {
  if (/^(?:https?|wss?):/.test(url)) watch.origins.add(new URL(url).origin)
}
const noteLine = (watch: Watch, kind: string, text: string): void => {
  if (POLICY.test(text)) watch.policyReports.push(text)
  else if (kind === "error" && !/Failed to load resource|ERR_CONNECTION|NetworkError/i.test(text))
    watch.errors.push(text)
}

export const startBrowser = (name: BrowserName, profile: string, watch: Watch): Promise<BrowserProcess> =>
  name === "chromium" ? startChromium(profile, watch) : startFirefox(profile, watch)

/** Notes every request, report and error of all pages of a Chromium. */
export const watchContext = (context: BrowserContext, watch: Watch): void => {
  context.on("request", (request) => noteRequest(watch, request.url()))
  context.on("console", (message) => noteLine(watch, message.type(), message.text()))
  context.on("weberror", (error) => noteLine(watch, "error", error.error().message))
}

const startChromium = async (profile: string, watch: Watch): Promise<BrowserProcess> => {
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: process.env["KF_CHROMIUM"] ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-dev-shm-usage"],
  })
  watchContext(context, watch)
  return {
    name: "chromium",
    profile,
    tab: async () => {
      const page = await context.newPage()
      return {
        goto: async (url) => void (await page.goto(url)),
        run: (work, input) => page.evaluate(work as never, input as never),
        reload: async () => void (await page.reload()),
        addAuthenticator: async () => {
          const session = await context.newCDPSession(page)
          await session.send("WebAuthn.enable")
          await session.send("WebAuthn.addVirtualAuthenticator", {
            options: {
              protocol: "ctap2",
              ctap2Version: "ctap2_1",
              transport: "internal",
              hasResidentKey: true,
              hasUserVerification: true,
              isUserVerified: true,
              automaticPresenceSimulation: true,
              hasPrf: true,
            },
          })
        },
        close: () => page.close(),
      }
    },
    close: () => context.close(),
  }
}

const startFirefox = async (profile: string, watch: Watch): Promise<BrowserProcess> => {
  const browser = await puppeteer.launch({
    browser: "firefox",
    executablePath: process.env["KF_FIREFOX"] ?? "/usr/bin/firefox-esr",
    headless: true,
    userDataDir: profile,
  })
  return {
    name: "firefox",
    profile,
    tab: async () => {
      const page = await browser.newPage()
      page.on("request", (request) => noteRequest(watch, request.url()))
      page.on("console", (message) => noteLine(watch, message.type(), message.text()))
      page.on("pageerror", (error) => noteLine(watch, "error", error instanceof Error ? error.message : String(error)))
      return {
        goto: async (url) => void (await page.goto(url)),
        run: (work, input) => page.evaluate(work as never, input as never),
        reload: async () => void (await page.reload()),
        addAuthenticator: () => Promise.reject(new Error("Firefox has no authenticator for tests over BiDi")),
        close: () => page.close(),
      }
    },
    close: () => browser.close(),
  }
}
