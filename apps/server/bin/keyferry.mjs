#!/usr/bin/env node
// Runs the server's program on the runtime that this checkout brings, whatever Node started this file.
import { spawnSync } from "node:child_process"
import { existsSync } from "node:fs"
import { join } from "node:path"

const root = join(import.meta.dirname ?? new URL(".", import.meta.url).pathname, "..", "..", "..")
const own = join(root, "node_modules", ".bin", "node")
const main = join(root, "apps", "server", "src", "main.ts")
const { status, signal } = spawnSync(existsSync(own) ? own : process.execPath, [main, ...process.argv.slice(2)], {
  stdio: "inherit",
})
process.exit(status ?? (signal === "SIGINT" ? 130 : 143))
