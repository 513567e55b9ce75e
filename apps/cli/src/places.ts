import { readFileSync, statSync } from "node:fs"
import { join } from "node:path"
import process from "node:process"

import type { Environment } from "./settings.ts"

/** What a running agent writes about itself into the profile's folder. */
export interface AgentFile {
  readonly pid: number
  readonly version: string
  readonly socket: string
  readonly sshSocket: string
}

export const agentFilePath = (folder: string): string => join(folder, "agent.json")
export const agentLogPath = (folder: string): string => join(folder, "agent.log")
export const agentLockPath = (folder: string): string => join(folder, "agent.lock")

/** `undefined` when no agent has announced itself, or the file cannot be trusted. */
export const readAgentFile = (folder: string): AgentFile | undefined => {
  try {
    if (!isPrivate(folder)) return undefined
    const parsed: unknown = JSON.parse(readFileSync(agentFilePath(folder), "utf8"))
    return parseAgentFile(parsed)
  } catch {
    // Not there, or half written by an agent that died: both mean that there is none to talk to.
    return undefined
  }
}

const parseAgentFile = (value: unknown): AgentFile | undefined => {
  if (typeof value !== "object" || value === null) return undefined
  const { pid, version, socket, sshSocket } = value as Record<string, unknown>
  if (typeof pid !== "number" || typeof version !== "string") return undefined
  if (typeof socket !== "string" || typeof sshSocket !== "string") return undefined
  return { pid, version, socket, sshSocket }
}

/**
 * Belongs to this user and nobody else may look in. A password is sent only into a socket inside such a folder:
 * Node cannot ask for the peer's user, so the folder is what keeps a stranger's socket out.
 */
export const isPrivate = (folder: string): boolean => {
  const found = statSync(folder, { throwIfNoEntry: false })
  if (found === undefined || !found.isDirectory()) return false
  return process.getuid === undefined || (found.uid === process.getuid() && (found.mode & 0o077) === 0)
}

// A Unix socket's path has room for 107 bytes on Linux and 103 on macOS.
const MAX_SOCKET_PATH = 103

/** The private folder for sockets of one profile; the caller makes it with mode 0700. */
export const socketFolder = (profileFolder: string, env: Environment, temporary: string): string => {
  const name = hashOf(profileFolder)
  const runtime = env["XDG_RUNTIME_DIR"]
  const candidates = [
    ...(runtime?.startsWith("/") === true && isPrivate(runtime) ? [join(runtime, `keyferry-${name}`)] : []),
    join(profileFolder, "run"),
  ]
  const fits = candidates.find((candidate) => Buffer.byteLength(join(candidate, "agent.sock")) <= MAX_SOCKET_PATH)
  return fits ?? join(temporary, `keyferry-${process.getuid?.() ?? 0}-${name}`)
}

/** FNV-1a, twice: tells profiles apart in names of folders. Nothing is protected by it. */
const hashOf = (text: string): string => {
  let a = 0x811c9dc5
  let b = 0x01000193
  for (const byte of Buffer.from(text)) {
    a = Math.imul(a ^ byte, 0x01000193) >>> 0
    b = Math.imul(b ^ byte, 0x811c9dc5) >>> 0
  }
  return a.toString(16).padStart(8, "0") + b.toString(16).padStart(8, "0")
}
