import { defineConfig } from "vitest/config"

// A default export because the tool demands one.
export default defineConfig({
  test: {
    include: [
      "packages/**/*.test.ts",
      "apps/**/*.test.ts",
      "tools/**/*.test.ts",
      "bench/**/*.test.ts",
      "spec/**/*.test.ts",
      "adversarial/**/*.test.ts",
      "e2e/**/*.test.ts",
    ],
    exclude: ["**/node_modules/**", "**/dist/**", "**/*.pg.test.ts", "**/*.slow.test.ts"],
    pool: "forks",
    testTimeout: 20_000,
  },
})
