import { defineConfig } from "vitest/config"

// A default export because the tool demands one.
export default defineConfig({
  test: {
    root: new URL("..", import.meta.url).pathname,
    include: ["adversarial/**/*.test.ts"],
    exclude: ["**/node_modules/**"],
    pool: "forks",
    maxWorkers: 2,
    testTimeout: 120_000,
    hookTimeout: 180_000,
    expect: { poll: { timeout: 20_000 } },
  },
})
