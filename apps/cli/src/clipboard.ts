import { spawn, spawnSync } from "node:child_process"
import { createHmac, randomBytes } from "node:crypto"
import { accessSync, constants } from "node:fs"
import { join } from "node:path"
import process from "node:process"
import { setTimeout as sleep } from "node:timers/promises"

import type { Environment } from "./settings.ts"

export interface Clipboard {
  readonly name: string
  readonly copy: readonly string[]
  readonly paste: readonly string[]
  readonly clear: readonly string[]
}

const CLIPBOARDS: readonly (Clipboard & { readonly when: (env: Environment) => boolean })[] = [
  {
    name: "wl-copy",
    when: (env) => Boolean(env["WAYLAND_DISPLAY"]),
    // Clipboard managers that heed the hint do not keep it in their history.
    copy: ["wl-copy", "--sensitive"],
    paste: ["wl-paste", "--no-newline"],
    clear: ["wl-copy", "--clear"],
  },
  {
    name: "xclip",
    when: (env) => Boolean(env["DISPLAY"]),
    copy: ["xclip", "-selection", "clipboard", "-in"],
    paste: ["xclip", "-selection", "clipboard", "-out"],
    clear: ["xclip", "-selection", "clipboard", "-in", "/dev/null"],
  },
  {
    name: "xsel",
    when: (env) => Boolean(env["DISPLAY"]),
    copy: ["xsel", "--clipboard", "--input"],
    paste: ["xsel", "--clipboard", "--output"],
    clear: ["xsel", "--clipboard", "--clear"],
  },
  {
    name: "pbcopy",
    when: () => process.platform === "darwin",
    copy: ["pbcopy"],
    paste: ["pbpaste"],
    clear: ["pbcopy"],
  },
]

export const findClipboard = (env: Environment): Clipboard | undefined =>
  CLIPBOARDS.find((clipboard) => clipboard.when(env) && isOnPath(clipboard.copy[0] ?? "", env))

/** `false` when the program failed. */
export const copyToClipboard = (clipboard: Clipboard, value: string): Promise<boolean> =>
  new Promise((resolve) => {
    const [program = "", ...args] = clipboard.copy
    const child = spawn(program, args, { stdio: ["pipe", "ignore", "ignore"] })
    child.once("error", () => resolve(false))
    // xclip stays behind to serve the selection, so its exit is the parent's only.
    child.once("exit", (code) => resolve(code === 0))
    child.stdin.on("error", () => resolve(false))
    child.stdin.end(value)
  })

/**
 * Leaves a small process that clears the clipboard later if it still holds this value. It is given a keyed hash on its
 * stdin, not the value, and nothing in its arguments.
 */
export const startClearing = (program: readonly string[], name: string, afterMs: number, value: string): void => {
  const key = randomBytes(32)
  const order = { name, afterMs, key: key.toString("base64"), mac: macOf(key, value) }
  const child = spawn(process.execPath, [...process.execArgv, ...program, "__clear-clipboard"], {
    detached: true,
    stdio: ["pipe", "ignore", "ignore"],
  })
  child.once("error", () => undefined)
  child.stdin.on("error", () => undefined)
  child.stdin.end(JSON.stringify(order))
  child.unref()
}

/** What that process does. */
export const clearLater = async (text: string): Promise<void> => {
  const { name, afterMs, key, mac } = JSON.parse(text) as Record<string, unknown>
  const clipboard = CLIPBOARDS.find((candidate) => candidate.name === name)
  if (clipboard === undefined || typeof afterMs !== "number" || typeof key !== "string") return
  await sleep(afterMs)
  const [paste = "", ...pasteArgs] = clipboard.paste
  const now = spawnSync(paste, pasteArgs, { encoding: "utf8", timeout: 5_000 })
  if (now.status !== 0 || macOf(Buffer.from(key, "base64"), now.stdout) !== mac) return
  const [clear = "", ...clearArgs] = clipboard.clear
  spawnSync(clear, clearArgs, { input: "", timeout: 5_000 })
}

const macOf = (key: Uint8Array, value: string): string => createHmac("sha256", key).update(value).digest("base64")

const isOnPath = (program: string, env: Environment): boolean =>
  (env["PATH"] ?? "").split(":").some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK)
      return true
    } catch {
      return false
    }
  })
