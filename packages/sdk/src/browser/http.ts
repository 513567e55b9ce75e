import { concatBytes, err, ok } from "@keyferry/base"

import type { Http, HttpReply, HttpRequest } from "../ports.ts"

const MAX_REPLY_BYTES = 80 * 1024 * 1024

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
    body: await readWhole(response),
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
      // A server that takes the request and says nothing opens no stream; one that is open may last.
      const late = setTimeout(() => abort.abort(), r.timeoutMs)
      try {
        const response = await start(r, abort.signal)
        if (response.status !== 200 || response.body === null) return err(await collect(response))
        return ok({ close: () => abort.abort(), closed: read(response.body, onChunk) })
      } catch {
        return err(undefined)
      } finally {
        clearTimeout(late)
      }
    },
  })
}

/** Throws where it is longer than any answer of ours: a server must not fill the memory of the page. */
const readWhole = async (response: Response): Promise<Uint8Array> => {
  const chunks: Uint8Array[] = []
  let size = 0
  const reader = response.body?.getReader()
  for (;;) {
    const { done, value } = (await reader?.read()) ?? { done: true, value: undefined }
    if (done || value === undefined) return concatBytes(...chunks)
    size += value.length
    if (size > MAX_REPLY_BYTES) {
      await reader?.cancel()
      throw new RangeError("reply too large")
    }
    chunks.push(value)
  }
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
