import { createContext, runInContext } from "node:vm"

/** A page as a browser holds it: its script has run, and a person (or a scanner) types and clicks. */
export interface Page {
  readonly status: number
  readonly forms: number
  /** What is said under the element's id. */
  readonly text: (id: string) => string
  readonly type: (id: string, text: string) => void
  /** Clicks and waits until the page is quiet. */
  readonly click: (id: string) => Promise<void>
}

type Listener = (event: { readonly preventDefault: () => void }) => void

interface Element {
  hidden: boolean
  disabled: boolean
  value: string
  textContent: string
  readonly listeners: Map<string, Listener[]>
  readonly addEventListener: (name: string, listener: Listener) => void
  readonly focus: () => void
}

/**
 * Opens a mailed link: fetches the page and everything that it refers to, and runs its scripts over as much of a document
 * as they touch. The part behind `#` stays here, as in a browser.
 */
export const openPage = async (link: string): Promise<Page> => {
  const url = new URL(link)
  const reply = await fetch(url, { redirect: "follow" })
  const html = await reply.text()
  const elements = new Map<string, Element>()
  let waiting = 0

  const quiet = async (): Promise<void> => {
    do await new Promise((resolve) => setTimeout(resolve, 10))
    while (waiting > 0)
  }
  const context = createContext({
    location: { hash: url.hash, href: url.href, origin: url.origin, pathname: url.pathname },
    document: {
      getElementById: (id: string) => {
        if (!html.includes(`id="${id}"`)) return null
        const known = elements.get(id) ?? createElement()
        elements.set(id, known)
        return known
      },
    },
    fetch: async (path: string, init: RequestInit) => {
      waiting++
      try {
        const headers = {
          ...Object.fromEntries(new Headers(init.headers)),
          origin: url.origin,
          "sec-fetch-site": "same-origin",
        }
        const answer = await fetch(new URL(path, url), { ...init, headers })
        // The whole of it, so that "quiet" means that the script could read it.
        return new Response(await answer.text(), { status: answer.status })
      } finally {
        setTimeout(() => (waiting -= 1), 5)
      }
    },
  })
  for (const path of referredTo(html)) {
    const text = await (await fetch(new URL(path, url))).text()
    if (path.endsWith(".js")) runInContext(text, context)
  }
  await quiet()

  /** A button that sends the form around it does so by the form's own event. */
  const formOf = (id: string): string | undefined =>
    [...html.matchAll(/<form id="([^"]+)"[^]*?<\/form>/g)].find(([form]) =>
      new RegExp(`<button id="${id}"[^>]*type="submit"`).test(form),
    )?.[1]

  const element = (id: string): Element => {
    const found = elements.get(id)
    if (found === undefined) throw new Error(`the page has no ${id}`)
    return found
  }
  return Object.freeze({
    status: reply.status,
    forms: html.match(/<form\b/gi)?.length ?? 0,
    text: (id: string) => element(id).textContent,
    type: (id: string, text: string) => void (element(id).value = text),
    click: async (id: string) => {
      const form = formOf(id)
      const heard = form === undefined ? element(id).listeners.get("click") : element(form).listeners.get("submit")
      for (const listener of heard ?? []) listener({ preventDefault: () => undefined })
      await quiet()
    },
  })
}

const createElement = (): Element => {
  const listeners = new Map<string, Listener[]>()
  return {
    hidden: true,
    disabled: false,
    value: "",
    textContent: "",
    listeners,
    addEventListener: (name, listener) => void listeners.set(name, [...(listeners.get(name) ?? []), listener]),
    focus: () => undefined,
  }
}

const referredTo = (html: string): readonly string[] =>
  [...html.matchAll(/\b(?:src|href)="([^"#]+)"/g)].map((match) => match[1] ?? "")

/**
 * What a mail scanner does with a link before its reader sees it: GET, HEAD, an empty POST, the page's script, every form, and
 * every door that the script names with nothing typed. Gives how often it asked and what was answered.
 */
export const scanLink = async (
  link: string,
): Promise<readonly { readonly what: string; readonly status: number }[]> => {
  const seen: { what: string; status: number }[] = []
  const ask = async (what: string, url: URL, init: RequestInit): Promise<string> => {
    const reply = await fetch(url, init)
    seen.push({ what, status: reply.status })
    return reply.text()
  }
  const url = new URL(link)
  const token = url.hash.slice(1)
  const html = await ask("GET", url, {})
  await ask("HEAD", url, { method: "HEAD" })
  await ask("empty POST", url, { method: "POST" })
  for (const [form, attributes = "", inside = ""] of html.matchAll(/<form\b([^>]*)>([^]*?)<\/form>/gi)) {
    const action = /action="([^"]*)"/i.exec(attributes)?.[1] ?? ""
    const names = [...inside.matchAll(/name="([^"]*)"/g)].map((match) => match[1] ?? "")
    const body = new URLSearchParams(names.map((name) => [name, token]))
    await ask(`form ${form.length}`, new URL(action, url), { method: "POST", body })
  }
  const page = await openPage(link)
  seen.push({ what: "script", status: page.status })
  await page.click("confirm")
  seen.push({ what: "click without a code", status: page.status })
  for (const path of ["/api/v1/confirm", "/api/v1/confirm/describe"]) {
    const json = { "content-type": "application/json" }
    await ask(`empty POST ${path}`, new URL(path, url), { method: "POST", headers: json })
    await ask(`POST ${path} {}`, new URL(path, url), { method: "POST", headers: json, body: "{}" })
    await ask(`POST ${path} token`, new URL(path, url), {
      method: "POST",
      headers: json,
      body: JSON.stringify({ token }),
    })
  }
  return seen
}
