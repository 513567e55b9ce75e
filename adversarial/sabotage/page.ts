import type { Sabotage } from "./definition.ts"

/* The page in a browser: its policy, its keys, and what is left on screen, clipboard and paper. */
const TESTS = "adversarial/browser/page.slow.test.ts"
const POLICY = "apps/server/src/http/web-app.ts"

export const sabotages: readonly Sabotage[] = [
  {
    name: "page-connects-home-only",
    protects: "a script in the page has nowhere to send what it reads",
    changes: [
      {
        file: POLICY,
        search: `  "connect-src": "'self'",\n  "frame-src"`,
        replace: `  "connect-src": "*",\n  "frame-src"`,
      },
    ],
    killer: { file: TESTS, title: "WB-02" },
    fast: true,
  },
  {
    name: "page-makes-no-markup-of-text",
    protects: "no text becomes markup or a script",
    changes: [
      {
        file: POLICY,
        search: `  "require-trusted-types-for": "'script'",\n  "trusted-types": "'none'",\n} as const\n\n/**\n * Of the empty`,
        replace: `} as const\n\n/**\n * Of the empty`,
      },
    ],
    killer: { file: TESTS, title: "WB-02" },
  },
  {
    name: "page-no-eval",
    protects: "nothing that was text is run",
    changes: [
      {
        file: POLICY,
        search: `const PAGE_POLICY = {\n  "default-src": "'none'",\n  "script-src": "'self' 'wasm-unsafe-eval'",`,
        replace: `const PAGE_POLICY = {\n  "default-src": "'none'",\n  "script-src": "'self' 'unsafe-eval'",`,
      },
      {
        file: POLICY,
        search: `  "require-trusted-types-for": "'script'",\n  "trusted-types": "'none'",\n} as const\n\n/**\n * Of the empty`,
        replace: `} as const\n\n/**\n * Of the empty`,
      },
    ],
    killer: { file: TESTS, title: "WB-02" },
  },
  {
    name: "browser-keys-stay-objects",
    protects: "a script that finds the keys of a browser cannot carry them away",
    changes: [
      {
        file: "packages/sdk/src/browser/secret-store.ts",
        search: `generateKey({ name: "AES-GCM", length: 256 }, false,`,
        replace: `generateKey({ name: "AES-GCM", length: 256 }, true,`,
      },
    ],
    killer: { file: TESTS, title: "WB-02" },
  },
  {
    name: "clipboard-cleared",
    protects: "a copied secret does not stay on the clipboard",
    changes: [
      {
        file: "apps/web/src/ui/model/clipboard.ts",
        search: "timer = setTimeout(() => void clearNow(), CLEAR_AFTER_S * 1000)",
        replace: "timer = undefined",
      },
    ],
    killer: { file: TESTS, title: "WB-05" },
  },
  {
    name: "rest-locks",
    protects: "a screen that its owner left locks by itself",
    changes: [
      {
        file: "apps/web/src/worker/idle.ts",
        search: "if (resting || nowMs() - lastMs < IDLE_LOCK_MS) return",
        replace: "if (resting || nowMs() - lastMs > 0) return",
      },
    ],
    killer: { file: TESTS, title: "WB-05" },
  },
]
