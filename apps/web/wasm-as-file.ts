import type { Plugin } from "vite"

/*
 * The OPAQUE library carries its WebAssembly as text in its script, which compresses a third worse than the bytes
 * themselves. In the bundle it is a file of its own, of this origin and in the manifest like any other, compiled as it arrives.
 */
const LIBRARY = "/@serenity-kit/opaque/esm/index.js"
const EMBEDDED = /_loadWasmModule\(0, null, '([A-Za-z0-9+/=]+)'(?:, \w+)?\)/

export const wasmAsFile = (): Plugin => ({
  name: "keyferry-wasm-as-file",
  transform(code, id) {
    if (!id.split("?")[0]?.replaceAll("\\", "/").endsWith(LIBRARY)) return undefined
    const text = EMBEDDED.exec(code)?.[1]
    if (text === undefined) throw new Error("the OPAQUE library no longer carries its WebAssembly where it did")
    const file = this.emitFile({ type: "asset", name: "opaque.wasm", source: Buffer.from(text, "base64") })
    return {
      code: code.replace(EMBEDDED, `WebAssembly.compileStreaming(fetch(import.meta.ROLLUP_FILE_URL_${file}))`),
      map: null,
    }
  },
})
