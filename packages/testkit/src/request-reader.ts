/**
 * Follows one direction of an HTTP/1.1 connection and tells each request when its head is complete. Bodies are stepped over,
 * so that nothing inside them is taken for a request. After an upgrade, or bytes that are no HTTP, it stays silent.
 */
export interface RequestLine {
  readonly method: string
  readonly path: string
}

type Mode = "head" | "body" | "chunk-size" | "chunk" | "chunk-end" | "trailer" | "deaf"

export const createRequestReader = (tell: (request: RequestLine) => void): ((bytes: Uint8Array) => void) => {
  let mode: Mode = "head"
  let line = ""
  let left = 0
  let request: RequestLine | undefined
  let headers = new Map<string, string>()

  const endOfHead = (): void => {
    if (request === undefined) {
      // Empty lines between requests are allowed (RFC 9112, section 2.2).
      return
    }
    tell(request)
    left = Number(headers.get("content-length") ?? 0)
    if (headers.has("upgrade")) mode = "deaf"
    else if (headers.get("transfer-encoding")?.toLowerCase().includes("chunked")) mode = "chunk-size"
    else mode = left > 0 ? "body" : "head"
    request = undefined
    headers = new Map()
  }

  const headLine = (text: string): void => {
    if (text === "") endOfHead()
    else if (request === undefined) {
      const match = text.match(/^([A-Z]+) (\S+) HTTP\/1\.[01]$/)
      if (match === null) mode = "deaf"
      else request = { method: match[1] ?? "", path: match[2] ?? "" }
    } else {
      const colon = text.indexOf(":")
      headers.set(text.slice(0, colon).toLowerCase(), text.slice(colon + 1).trim())
    }
  }

  const endOfLine = (text: string): void => {
    if (mode === "head") headLine(text)
    else if (mode === "chunk-size") {
      left = Number.parseInt(text, 16)
      mode = left > 0 ? "chunk" : "trailer"
    } else if (mode === "chunk-end") mode = "chunk-size"
    else if (mode === "trailer" && text === "") mode = "head"
  }

  return (bytes) => {
    for (let i = 0; i < bytes.length && mode !== "deaf";) {
      if (mode === "body" || mode === "chunk") {
        const taken = Math.min(left, bytes.length - i)
        left -= taken
        i += taken
        if (left === 0) mode = mode === "body" ? "head" : "chunk-end"
        continue
      }
      const byte = bytes[i++] ?? 0
      if (byte !== 0x0a) {
        line += String.fromCharCode(byte)
        continue
      }
      const text = line.endsWith("\r") ? line.slice(0, -1) : line
      line = ""
      endOfLine(text)
    }
  }
}
