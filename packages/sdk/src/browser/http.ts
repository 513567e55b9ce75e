import { err, ok } from "@keyferry/base"

import type { Http, HttpReply, HttpRequest } from "../ports.ts"

/** The page's own server over `fetch`: no cookies, no cache, no referrer, and no redirect is followed. */
export const createFetchHttp = (): Http => {
  const start = (r: HttpRequest, signal: AbortSignal): Promise<Response> =>
    fetch(r.url, {
      method: r.method,
      headers: r.headers,
      ...(r.body === undefined ? {} : { body: new Uint8Array(r.body) }),
      signal,
      credentials: "omit",
      cache: "no-store",
      redirect: "error",
      referrerPolicy: "no-referrer",
    })

  const collect = async (response: Response): Promise<HttpReply> => ({
    status: response.status,
    contentType: response.headers.get("content-type") ?? "",
    body: new Uint8Array(await response.arrayBuffer()),
  })

  return Object.freeze<Http>({
    send: async (r) => {
      try {
        return await collect(await start(r, AbortSignal.timeout(r.timeoutMs)))
      } catch {
        // `fetch` throws for every way of getting no answer, and tells scripts no more than that.
        return undefined
      }
    },
    stream: async (r, onChunk) => {
      const abort = new AbortController()
      try {
        const response = await start(r, abort.signal)
        if (response.status !== 200 || response.body === null) return err(await collect(response))
        return ok({ close: () => abort.abort(), closed: read(response.body, onChunk) })
      } catch {
        return err(undefined)
      }
    },
  })
}

const read = async (body: ReadableStream<Uint8Array>, onChunk: (chunk: Uint8Array) => void): Promise<void> => {
  const reader = body.getReader()
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return
      onChunk(value)
    }
  } catch {
    // Cut off or closed by us: either way the stream has ended, which is what the caller waits for.
  }
}
