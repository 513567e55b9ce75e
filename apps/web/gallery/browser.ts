import { createServer } from "node:http"
import { readFile } from "node:fs/promises"
import type { AddressInfo } from "node:net"
import { extname, join } from "node:path"

import { type Browser, chromium, type Page } from "playwright-core"
import { build } from "vite"

import { takeSteps } from "./browser-steps.ts"
import { makeFonts } from "./fonts.ts"
import { NOW_MS } from "./fixtures.ts"
import type { GalleryState } from "./gallery-state.ts"

export type Theme = "light" | "dark"

export interface Gallery extends AsyncDisposable {
  readonly browser: Browser
  readonly origin: string
}

/** The policy of the real app, with the one style that React Aria writes. */
const CSP = [
  "default-src 'none'",
  "script-src 'self' 'wasm-unsafe-eval'",
  "style-src 'self' 'sha256-38RhXrc7EdReTKsOm23ZPOCUgniTUUcjky8QOOrQx6o='",
  "font-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join("; ")

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".css": "text/css",
  ".woff2": "font/woff2",
}

/** Builds the gallery's page once, serves it under the real policy, and starts a browser. */
export const openGallery = async (): Promise<Gallery> => {
  await makeFonts()
  const built = join(import.meta.dirname, "built")
  await build({
    root: import.meta.dirname,
    logLevel: "warn",
    build: {
      outDir: built,
      emptyOutDir: true,
      assetsInlineLimit: 0,
      modulePreload: { polyfill: false },
      target: "es2023",
      minify: false,
    },
    oxc: { jsx: { runtime: "automatic" } },
  })
  const server = createServer((request, response) => {
    const path = new URL(request.url ?? "/", "http://localhost").pathname
    const file = path.startsWith("/assets/") ? path : "/index.html"
    readFile(join(built, file)).then(
      (bytes) => {
        response.writeHead(200, {
          "content-type": TYPES[extname(file)] ?? "application/octet-stream",
          "content-security-policy": CSP,
        })
        response.end(bytes)
      },
      () => {
        response.writeHead(404)
        response.end()
      },
    )
  })
  await new Promise<void>((resolve) => server.listen(0, "localhost", resolve))
  const browser = await chromium.launch({
    executablePath: process.env["KF_CHROMIUM"] ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-dev-shm-usage"],
  })
  return {
    browser,
    origin: `http://localhost:${(server.address() as AddressInfo).port}`,
    [Symbol.asyncDispose]: async () => {
      await browser.close()
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

export interface ShowOptions {
  readonly locale?: string
  readonly width?: number
  readonly forcedColors?: boolean
  /** Where the steps of this state were done before, in English. */
  readonly places?: readonly (string | undefined)[]
}

export interface Shown {
  readonly page: Page
  /** Errors of the page, and what its content policy refused. */
  readonly complaints: string[]
  readonly places: readonly (string | undefined)[]
}

/** Opens a page in one state, in the light theme, and does its steps. */
export const showState = async (gallery: Gallery, state: GalleryState, options: ShowOptions = {}): Promise<Shown> => {
  const width = options.width ?? state.width ?? 1280
  const page = await gallery.browser.newPage({
    viewport: { width, height: width < 720 ? 780 : 860 },
    reducedMotion: "reduce",
    locale: "en-GB",
    timezoneId: "UTC",
    ...(width < 720 ? { hasTouch: true, isMobile: true, deviceScaleFactor: 2 } : {}),
    ...(options.forcedColors === true ? { forcedColors: "active" as const } : {}),
    permissions: ["clipboard-read", "clipboard-write"],
  })
  const complaints: string[] = []
  let places: readonly (string | undefined)[] = []
  page.on("pageerror", (error) => complaints.push(error.stack?.split("\n").slice(0, 4).join(" ") ?? error.message))
  page.on("console", (message) => {
    if (message.type() === "error") complaints.push(message.text())
  })
  await page.clock.setFixedTime(NOW_MS)
  const asked = new URLSearchParams({ state: state.id, locale: options.locale ?? "en" })
  try {
    await page.goto(`${gallery.origin}/?${asked.toString()}`)
    await page.locator("main, h1").first().waitFor()
    await page.waitForFunction(() => document.querySelector(".waiting") === null)
    await page.evaluate("document.fonts.ready.then(() => undefined)")
    places = await takeSteps(page, state.steps ?? [], options.places)
    await page.waitForTimeout(60)
  } catch (error) {
    complaints.push(error instanceof Error ? (error.message.split("\n")[0] ?? "") : String(error))
  }
  return { page, complaints, places }
}

/** Puts the other theme on the page as it stands. */
export const putTheme = (page: Page, theme: Theme): Promise<unknown> =>
  page.evaluate(`document.documentElement.dataset.theme = ${JSON.stringify(theme)}`)
