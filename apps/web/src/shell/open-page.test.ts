import { expect, test } from "vitest"

import { createPages } from "./open-page.ts"

/** Waits end at once where the server says nothing, and never where it does. */
const open = (after: (ms: number) => Promise<void>) => createPages({ nowMs: () => 0, after })
const never = <T>(): Promise<T> => new Promise(() => undefined)
const soon = (): Promise<void> => new Promise((resolve) => setTimeout(resolve))
const own = async () => new Response("own")
const textOf = async (page: Promise<Response>): Promise<string> => (await page).text()

test("with a server that answers the page is the server's, also where it refuses", async () => {
  expect(await textOf(open(never)(async () => new Response("theirs"), own))).toBe("theirs")
  expect((await open(never)(async () => new Response("no", { status: 403 }), own)).status).toBe(403)
})

test("a server that is gone, one behind a proxy that says so, and one that says nothing leave the own copy", async () => {
  expect(await textOf(open(never)(() => Promise.reject(new Error("gone")), own))).toBe("own")
  for (const status of [502, 503, 504])
    expect(await textOf(open(never)(async () => new Response("bad gateway", { status }), own))).toBe("own")
  expect(await textOf(open(soon)(never, own))).toBe("own")
})

test("a server that said nothing is not waited for again within half a minute, and then it is", async () => {
  let nowMs = 0
  const waits: number[] = []
  const after = async (ms: number): Promise<void> => {
    waits.push(ms)
    nowMs += ms
  }
  const pages = createPages({ nowMs: () => nowMs, after })
  for (let n = 0; n < 2; n++) expect(await textOf(pages(never, own))).toBe("own")
  nowMs += 31_000
  expect(await textOf(pages(never, own))).toBe("own")
  expect(waits).toEqual([4000, 0, 4000])
})

test("where there is no copy the page is the server's, however late and whatever it says", async () => {
  for (const copy of [undefined, async () => undefined]) {
    expect((await open(never)(async () => new Response("", { status: 502 }), copy)).status).toBe(502)
    const late = () => soon().then(() => new Response("late"))
    expect(await textOf(open(async () => undefined)(late, copy))).toBe("late")
    await expect(open(never)(() => Promise.reject(new Error("gone")), copy)).rejects.toThrow("gone")
  }
})
