import { isScreenPath } from "@keyferry/sdk/web-manifest"

import { fetchVerified } from "./fetch-verified.ts"
import { createPages } from "./open-page.ts"

/*
 * The app without a server: its own files, each checked against the digest it was built with, and nothing else. No answer of
 * the API is ever kept here. From a server that answers comes the page; files whose names are their content come from
 * here. A newer version waits until every tab of the older one is closed, so that no tab ever has parts of two.
 */
declare const KF_SHELL: Readonly<Record<string, string>>
declare const KF_SHELL_ID: string
declare const clients: { readonly claim: () => Promise<void> }

interface WaitingEvent extends Event {
  readonly waitUntil: (work: Promise<unknown>) => void
}
interface AskedEvent extends Event {
  readonly request: Request
  readonly respondWith: (response: Promise<Response>) => void
}

const PREFIX = "keyferry-shell-"
const CACHE = `${PREFIX}${KF_SHELL_ID}`

const fill = async (): Promise<void> => {
  const cache = await caches.open(CACHE)
  for (const [path, sha256] of Object.entries(KF_SHELL))
    await cache.put(path, await fetchVerified(path, sha256, (url, init) => fetch(url, init)))
}

const dropOlder = async (): Promise<void> => {
  for (const name of await caches.keys()) if (name.startsWith(PREFIX) && name !== CACHE) await caches.delete(name)
}

const kept = async (path: string): Promise<Response | undefined> => (await caches.open(CACHE)).match(path)

/** What a screen's address leads to is the app itself. */
const copyOf = (path: string): string | undefined =>
  Object.hasOwn(KF_SHELL, path) ? path : isScreenPath(path) ? "/" : undefined

const pages = createPages({
  nowMs: () => performance.now(),
  after: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
})

const page = (request: Request, path: string): Promise<Response> => {
  const own = copyOf(path)
  return pages(() => fetch(request), own === undefined ? undefined : () => kept(own))
}

const file = async (request: Request, path: string): Promise<Response> => (await kept(path)) ?? fetch(request)

addEventListener("install", (event) => (event as WaitingEvent).waitUntil(fill()))
addEventListener("activate", (event) =>
  (event as WaitingEvent).waitUntil(
    // The tab that brought this one is served from now on: it loads its later parts also when the server is gone by then.
    dropOlder().then(() => clients.claim()),
  ),
)
addEventListener("fetch", (event) => {
  const { request, respondWith } = event as AskedEvent
  const { origin, pathname } = new URL(request.url)
  if (request.method !== "GET" || origin !== location.origin) return
  const answer = respondWith.bind(event)
  if (request.mode === "navigate") answer(page(request, pathname))
  else if (Object.hasOwn(KF_SHELL, pathname)) answer(file(request, pathname))
})
