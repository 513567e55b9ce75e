import { defineConfig } from "vite"

import { makeFonts } from "./gallery/fonts.ts"
import { wasmAsFile } from "./wasm-as-file.ts"

/** What browsers of the last two years understand; top-level await in the worker needs it too. */
const TARGET = "es2023"

await makeFonts()

export default defineConfig({
  root: import.meta.dirname,
  build: {
    target: TARGET,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    sourcemap: false,
  },
  worker: { format: "es", plugins: () => [wasmAsFile()] },
  oxc: { jsx: { runtime: "automatic" } },
})
