import { defineConfig } from "vite"

import { makeFonts } from "./gallery/fonts.ts"
import { wasmAsFile } from "./wasm-as-file.ts"

/** What browsers of the last two years understand; top-level await in the worker needs it too. */
const TARGET = "es2023"

/** A page's own script stays a script of its own: another page that shares a module with it must not run it. */
const isNoEntry = (id: string): boolean => !/\.html|\/src\/(?:main\.tsx|device-frame\.ts)$|\/apps\/web\/test\//.test(id)

await makeFonts()

export default defineConfig({
  root: import.meta.dirname,
  build: {
    target: TARGET,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    sourcemap: false,
    rolldownOptions: {
      // What the first page imports is one script: each request more costs it a thousand bytes of headers.
      output: { codeSplitting: { groups: [{ name: "first", tags: ["$initial"], test: isNoEntry }] } },
    },
  },
  resolve: {
    // React has it by itself; a router that also serves older versions of React brings it once more.
    alias: { "use-sync-external-store/shim/index.js": "react" },
  },
  worker: { format: "es", plugins: () => [wasmAsFile()] },
  oxc: { jsx: { runtime: "automatic" } },
})
