import { mkdtempSync } from "node:fs"
import { connect, createServer, type Server } from "node:net"
import { join } from "node:path"

import { type Browser, type CDPSession, chromium, type Page } from "playwright-core"

import { chromiumPath } from "../../e2e/web/installed.ts"
import { createWorld, type World } from "../../e2e/web/world.ts"
import { createAuthenticator } from "../../e2e/devices/world.ts"
import { buildWebBundle, WEB_FOLDER } from "../../tools/web-bundle.ts"
import { itemSize, itemText } from "./items.ts"

/* The shipped web app in a real Chromium, on a real server with its strongroom, with a page beside it for the anchors. */
export const PASSWORD = "correct horse battery"

export interface WebWorld {
  readonly world: World
  readonly browser: Browser
  readonly close: () => Promise<void>
}

export const openWebWorld = async (folder: string): Promise<WebWorld> => {
  const bundle = mkdtempSync(join(folder, "bundle-"))
  await buildWebBundle({ folder: bundle, pages: [join(WEB_FOLDER, "test", "bench.html")] })
  const world = await createWorld(bundle, { origins: new Set(), policyReports: [], errors: [] })
  const browser = await chromium.launch({
    executablePath: chromiumPath(),
    args: ["--no-sandbox", "--disable-dev-shm-usage"],
  })
  return {
    world,
    browser,
    close: async () => {
      await browser.close()
      await world.close()
    },
  }
}

/** Asks again and again, from outside: the page's policy lets nothing be made from text in it. */
export const waitFor = async (page: Page, isTrue: string): Promise<void> => {
  while ((await page.evaluate(isTrue)) !== true) await page.waitForTimeout(5)
}

interface Hook {
  readonly call: (method: string, args: readonly unknown[]) => Promise<{ readonly ok: boolean; readonly value: never }>
}
interface Beside {
  readonly kdfMs: () => Promise<number>
  readonly decryptAndParseMs: (texts: readonly string[]) => Promise<number>
  readonly searchMs: (texts: readonly string[], word: string) => number
}
declare const hook: Hook
declare const beside: Beside

/** The page with the bridge and the anchors, without screens. */
export interface BesidePage {
  readonly page: Page
  readonly must: <T = unknown>(method: string, ...args: readonly unknown[]) => Promise<T>
  readonly kdfMs: () => Promise<number>
  readonly decryptAndParseMs: (count: number) => Promise<number>
  readonly searchMs: (count: number, word: string) => Promise<number>
}

export const openBeside = async (page: Page, origin: string): Promise<BesidePage> => {
  await page.goto(`${origin}/test/bench.html`)
  await waitFor(page, "globalThis.beside !== undefined")
  const texts = (count: number): readonly string[] => Array.from({ length: count }, (_, n) => itemText(n))
  return {
    page,
    must: async (method, ...args) => {
      const done = await page.evaluate(([name, given]) => hook.call(name, given), [method, args] as const)
      if (!done.ok) throw new Error(`${method}: ${JSON.stringify(done)}`)
      return done.value
    },
    kdfMs: () => page.evaluate(() => beside.kdfMs()),
    decryptAndParseMs: (count) => page.evaluate((given) => beside.decryptAndParseMs(given), texts(count)),
    searchMs: (count, word) =>
      page.evaluate(([given, wanted]) => beside.searchMs(given, wanted), [texts(count), word] as const),
  }
}

/** An account with a second factor, sync on, and this many items of the fixed mix, all acknowledged. */
export const fillAccount = async (world: World, at: BesidePage, items: number): Promise<void> => {
  await at.must("signUp", {
    link: world.firstLink(),
    address: "ada@example.com",
    password: PASSWORD,
    deviceName: "Bench",
  })
  const { otpauth } = await at.must<{ readonly otpauth: string }>("twoFactorStart")
  await at.must("twoFactorConfirm", await createAuthenticator(otpauth)())
  await at.must("syncOn", { items: "all", autoNew: true })
  await addItems(at, 0, items)
}

const IN_CALL = 500

/** Titles are `item N`; what is inside has the sizes of the mix. */
export const addItems = async (at: BesidePage, from: number, to: number): Promise<void> => {
  for (let n = from; n < to; n += IN_CALL) {
    const inputs = Array.from({ length: Math.min(IN_CALL, to - n) }, (_, i) => inputOf(n + i))
    await at.must("addMany", inputs)
  }
  await at.must("syncNow")
}

const inputOf = (n: number): object => {
  const size = itemSize(n)
  const text = itemText(n).slice(10)
  if (size > 1000) return { kind: "note", title: `item ${n}`, fields: [{ name: "text", value: text, secret: true }] }
  if (size < 300)
    return { kind: "api-token", title: `item ${n}`, fields: [{ name: "token", value: text, secret: true }] }
  return {
    kind: "login",
    title: `item ${n}`,
    fields: [
      { name: "username", value: `ada${n}@example.com`, secret: false },
      { name: "password", value: text.slice(0, 32), secret: true },
      { name: "url", value: `https://${n}.example.com/${text.slice(32, 200)}`, secret: false },
    ],
  }
}

/** Every byte that a server sends, headers and all, to a browser through a port of its own. */
export interface Counted {
  readonly port: number
  readonly bytes: () => number
  /** Those that had come at this time of the clock, in ms. */
  readonly bytesUntil: (ms: number) => number
  readonly close: () => void
}

export const countBytes = async (port: number): Promise<Counted> => {
  let bytes = 0
  const steps: (readonly [number, number])[] = []
  const server: Server = createServer((client) => {
    const upstream = connect(port, "127.0.0.1")
    upstream.on("data", (chunk) => {
      bytes += chunk.length
      steps.push([Date.now(), bytes])
    })
    client.pipe(upstream).pipe(client)
    client.on("error", () => upstream.destroy())
    upstream.on("error", () => client.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const address = server.address()
  return {
    port: typeof address === "object" && address !== null ? address.port : 0,
    bytes: () => bytes,
    bytesUntil: (ms) => steps.findLast(([at]) => at <= ms)?.[1] ?? 0,
    close: () => void server.close(),
  }
}

/** Heap in use of a page's tab, its worker included, after a collection: MiB. */
export const heapMiB = async (browser: Browser, page: Page): Promise<number> => {
  const own = await page.context().newCDPSession(page)
  await own.send("HeapProfiler.collectGarbage")
  const { usedSize } = await own.send("Runtime.getHeapUsage")
  await own.detach()
  return (usedSize + (await workersHeap(browser, new URL(page.url()).origin))) / 2 ** 20
}

const workersHeap = async (browser: Browser, origin: string): Promise<number> => {
  const session = await browser.newBrowserCDPSession()
  const { targetInfos } = await session.send("Target.getTargets")
  let sum = 0
  for (const { targetId, type, url } of targetInfos)
    if (type === "worker" && url.startsWith(origin)) sum += await heapOf(session, targetId)
  await session.detach()
  return sum
}

const heapOf = async (session: CDPSession, targetId: string): Promise<number> => {
  const { sessionId } = await session.send("Target.attachToTarget", { targetId, flatten: false })
  let last = 0
  const ask = (method: string): Promise<{ readonly usedSize?: number }> =>
    new Promise((resolve) => {
      const id = ++last
      const listen = (event: { readonly sessionId: string; readonly message: string }): void => {
        const answer = JSON.parse(event.message) as { readonly id?: number; readonly result?: object }
        if (event.sessionId !== sessionId || answer.id !== id) return
        session.off("Target.receivedMessageFromTarget", listen)
        resolve(answer.result ?? {})
      }
      session.on("Target.receivedMessageFromTarget", listen)
      void session.send("Target.sendMessageToTarget", { sessionId, message: JSON.stringify({ id, method }) })
    })
  await ask("HeapProfiler.collectGarbage")
  const { usedSize } = await ask("Runtime.getHeapUsage")
  await session.send("Target.detachFromTarget", { sessionId })
  return usedSize ?? 0
}
