import { type BrowserContext, chromium, type Route } from "playwright-core"
import puppeteer, { type KeyInput, type Page as FirefoxPage } from "puppeteer-core"

import { chromiumPath, firefoxPath } from "./installed.ts"

export type BrowserName = "chromium" | "firefox"

/** One tab of a real browser. */
export interface Tab {
  readonly goto: (url: string) => Promise<void>
  /** Runs a function in the page with plain values in and out. */
  readonly run: <A, T>(work: (input: A) => T | Promise<T>, input: A) => Promise<T>
  readonly reload: () => Promise<void>
  /** One key, such as `Tab` or `Enter`. */
  readonly key: (name: string) => Promise<void>
  readonly write: (text: string) => Promise<void>
  readonly click: (x: number, y: number) => Promise<void>
  readonly screenshot: (path: string) => Promise<void>
  /** Turns the phone, or narrows the window, under the page that is there. */
  readonly resize: (width: number, height: number) => Promise<void>
  /** Chromium only: an authenticator that verifies its person by itself. */
  readonly addAuthenticator: () => Promise<void>
  /** Chromium only: the next request for such an address never gets an answer. */
  readonly stallOnce: (address: RegExp) => Promise<void>
  /** Chromium only: scripts from such an address begin with these statements, until what comes back is called. */
  readonly spoil: (address: RegExp, statements: string) => Promise<() => Promise<void>>
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
/** What a reload broke off, or a server that is gone: NS_BINDING_ABORTED and NS_ERROR_CONNECTION_REFUSED for Firefox's fonts. */
const BROKEN_OFF =
  /Failed to load resource|ERR_CONNECTION|NetworkError|download failed.*status=(?:2152398850|2152398861)/i

/** What Firefox says of a script that was on its way when the page was left; at any other time it is an error. */
const LEFT_BEHIND = /error loading dynamically imported module|A ServiceWorker intercepted the request/

const noteLine = (watch: Watch, kind: string, text: string, isLeaving = false): void => {
  if (POLICY.test(text)) watch.policyReports.push(text)
  else if (kind === "error" && !BROKEN_OFF.test(text) && !(isLeaving && LEFT_BEHIND.test(text))) watch.errors.push(text)
}

export interface BrowserWish {
  /** Chromium only: a Y4M file that its camera shows, read anew whenever the camera is opened. Nobody is asked for leave. */
  readonly camera?: string
}

export const startBrowser = (
  name: BrowserName,
  profile: string,
  watch: Watch,
  wish: BrowserWish = {},
): Promise<BrowserProcess> => (name === "chromium" ? startChromium(profile, watch, wish) : startFirefox(profile, watch))

/** Notes every request, report and error of all pages of a Chromium. */
export const watchContext = (context: BrowserContext, watch: Watch): void => {
  context.on("request", (request) => noteRequest(watch, request.url()))
  context.on("console", (message) => noteLine(watch, message.type(), message.text()))
  context.on("weberror", (error) => noteLine(watch, "error", error.error().message))
}

const startChromium = async (profile: string, watch: Watch, { camera }: BrowserWish): Promise<BrowserProcess> => {
  const film = [
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
    `--use-file-for-fake-video-capture=${camera}`,
  ]
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: chromiumPath(),
    args: ["--no-sandbox", "--disable-dev-shm-usage", ...(camera === undefined ? [] : film)],
  })
  context.setDefaultTimeout(60_000)
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
        key: (key) => page.keyboard.press(key),
        write: (text) => page.keyboard.type(text),
        click: (x, y) => page.mouse.click(x, y),
        screenshot: async (path) => void (await page.screenshot({ path })),
        resize: (width, height) => page.setViewportSize({ width, height }),
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
        stallOnce: async (address) => void (await page.route(address, () => undefined, { times: 1 })),
        spoil: async (address, statements) => {
          const spoiled = async (route: Route): Promise<void> => {
            const response = await route.fetch()
            await route.fulfill({ response, body: `${statements}\n${await response.text()}` })
          }
          await page.route(address, spoiled)
          return () => page.unroute(address, spoiled)
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
    executablePath: firefoxPath(),
    headless: true,
    userDataDir: profile,
  })
  return {
    name: "firefox",
    profile,
    tab: async () => {
      const page = await browser.newPage()
      let isLeaving = false
      const leave = async (url: string | undefined): Promise<void> => {
        isLeaving = true
        await leaveFor(page, url)
        isLeaving = false
      }
      page.on("request", (request) => noteRequest(watch, request.url()))
      page.on("console", (message) => noteLine(watch, message.type(), message.text(), isLeaving))
      page.on("pageerror", (error) =>
        noteLine(watch, "error", error instanceof Error ? error.message : String(error), isLeaving),
      )
      return {
        goto: leave,
        run: (work, input) => page.evaluate(work as never, input as never),
        reload: () => leave(undefined),
        key: (key) => page.keyboard.press((key === "Space" ? " " : key) as KeyInput),
        write: (text) => page.keyboard.type(text),
        click: (x, y) => page.mouse.click(x, y),
        screenshot: async (path) => void (await page.screenshot({ path })),
        resize: (width, height) => resizeFirefox(page, width, height),
        addAuthenticator: () => Promise.reject(new Error("Firefox has no authenticator for tests over BiDi")),
        stallOnce: () => Promise.reject(new Error("BiDi holds up no single request here")),
        spoil: () => Promise.reject(new Error("BiDi changes no single answer here")),
        close: () => page.close(),
      }
    },
    close: () => browser.close(),
  }
}

interface Resizable {
  readonly browsingContext: {
    readonly setViewport: (wish: {
      readonly viewport: { readonly width: number; readonly height: number }
    }) => Promise<void>
  }
}

/** Puppeteer's own call asks for the turn of the screen as well, which Firefox does not know. */
const resizeFirefox = async (page: FirefoxPage, width: number, height: number): Promise<void> => {
  const frame: unknown = page.mainFrame()
  await (frame as Resizable).browsingContext.setViewport({ viewport: { width, height } })
}

declare const document: { readonly readyState: string }
declare const location: { readonly assign: (url: string) => void; readonly reload: () => void }

/**
 * Puppeteer misses the end of a navigation that a service worker answers, so all but the first are begun in the page, and
 * over when another document answers. What it shows is waited for where it matters.
 */
const leaveFor = async (page: FirefoxPage, url: string | undefined): Promise<void> => {
  if (page.url() === "about:blank" && url !== undefined) {
    await page.goto(url, { waitUntil: "domcontentloaded" })
    return
  }
  await page.evaluate((to) => {
    Object.assign(globalThis, { isLeft: true })
    setTimeout(() => (to === undefined ? location.reload() : location.assign(to)))
  }, url)
  for (let looks = 0; looks < 1200; looks++) {
    // Between two documents there is nobody to ask.
    const isOther = await page
      .evaluate(() => !("isLeft" in globalThis) && document.readyState === "complete")
      .catch(() => false)
    if (isOther) return
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new Error(`the page never became ${url ?? "itself again"}`)
}
