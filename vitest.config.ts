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
    // Long enough that only a hang meets them: how fast something is, the bench says. Processes start slowly on a machine that is busy.
    testTimeout: 90_000,
    hookTimeout: 120_000,
    expect: { poll: { timeout: 20_000 } },
  },
})
