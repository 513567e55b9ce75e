import { spawnSync } from "node:child_process"
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"

/*
 * Programs of others, at fixed versions, in a folder that git ignores. What cannot be installed is said in its rows; nothing
 * is measured in its place.
 */
export const PEERS: string = join(import.meta.dirname, "..", ".peers")

const VERSIONS: Readonly<Record<string, string>> = {
  cojson: "0.20.19",
  "cojson-transport-ws": "0.20.19",
  ws: "8.21.1",
  "@actual-app/sync-server": "25.6.0",
  "@bitwarden/cli": "2026.9.0",
  lighthouse: "13.5.0",
}

const tried = new Map<string, boolean>()

/** Installs these packages if they are not there. False: they cannot be had here. */
export const havePeers = (...names: readonly string[]): boolean => names.every((name) => havePeer(name))

const havePeer = (name: string): boolean => {
  const known = tried.get(name)
  if (known !== undefined) return known
  const has = isInstalled(name) || install(name)
  tried.set(name, has)
  return has
}

const isInstalled = (name: string): boolean => {
  const path = join(PEERS, "node_modules", name, "package.json")
  return existsSync(path) && (JSON.parse(readFileSync(path, "utf8")) as { version: string }).version === VERSIONS[name]
}

const install = (name: string): boolean => {
  mkdirSync(PEERS, { recursive: true })
  const manifest = join(PEERS, "package.json")
  if (!existsSync(manifest)) writeFileSync(manifest, '{ "private": true }\n')
  process.stderr.write(`installing ${name} ${VERSIONS[name]} into ${PEERS}\n`)
  const { status } = spawnSync(
    "npm",
    ["install", "--no-audit", "--no-fund", "--save-exact", `${name}@${VERSIONS[name]}`],
    {
      cwd: PEERS,
      stdio: "ignore",
      timeout: 300_000,
    },
  )
  return status === 0 && isInstalled(name)
}

/** A command of the system, or of Debian's package of the same name where we may install it. */
export const haveCommand = (name: string): boolean => {
  const isThere = (): boolean => spawnSync("sh", ["-c", `command -v ${name}`]).status === 0
  if (isThere()) return true
  if (process.getuid?.() !== 0) return false
  spawnSync("apt-get", ["install", "-y", name], { stdio: "ignore", timeout: 120_000 })
  return isThere()
}
