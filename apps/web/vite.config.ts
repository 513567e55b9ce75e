import { defineConfig } from "vite"

/** What browsers of the last two years understand; top-level await in the worker needs it too. */
const TARGET = "es2023"

export default defineConfig({
  root: import.meta.dirname,
  build: {
    target: TARGET,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    sourcemap: false,
  },
  worker: { format: "es" },
  oxc: { jsx: { runtime: "automatic" } },
})
