import { type ChildProcess, spawn } from "node:child_process"
import { mkdtempSync, realpathSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"

import {
  type ByteChannel,
  type CommitNotice,
  createStrongroomClient,
  type StrongroomClient,
} from "@keyferry/strongroom-api"

import type { Reach } from "../../apps/strongroom/src/fixture.ts"
import { nextSecond } from "./next-second.ts"

/*
 * The strongroom's real process, spoken to by a server that is hostile: whoever holds this channel says what it likes.
 */
const ROOT = join(import.meta.dirname, "..", "..")
const ENTRY = join(ROOT, "apps", "strongroom", "src", "main.ts")

export interface StrongroomUnderAttack {
  readonly folder: string
  readonly client: () => StrongroomClient
  /** What the product's own test devices speak through. */
  readonly reach: Reach
  readonly notices: () => readonly CommitNotice[]
  readonly advance: (ms: number) => void
  /** Raw bytes into its input. */
  readonly write: (bytes: Uint8Array) => void
  readonly logged: () => string
  readonly start: () => Promise<void>
  readonly stop: () => Promise<number>
  readonly kill: () => Promise<void>
  readonly close: () => Promise<void>
}

export const startStrongroomUnderAttack = async (given?: string): Promise<StrongroomUnderAttack> => {
  const folder = given ?? mkdtempSync(join(tmpdir(), "kf-room-"))
  const notices: CommitNotice[] = []
  let aheadMs = 0
  let child: ChildProcess | undefined
  let client: StrongroomClient | undefined
  let ended: Promise<number> = Promise.resolve(0)
  let log = ""
  const writeClock = (): void => {
    writeFileSync(join(folder, "clock-ahead.new"), String(aheadMs))
    renameSync(join(folder, "clock-ahead.new"), join(folder, "clock-ahead"))
  }
  writeClock()

  const start = async (): Promise<void> => {
    const readable = ["apps/strongroom", "packages", "node_modules", "package.json", "adversarial/world"].map((path) =>
      join(ROOT, path),
    )
    readable.push(dirname(realpathSync(join(ROOT, "node_modules", "typebox"))))
    const started = spawn(
      process.execPath,
      [
        "--permission",
        ...[...readable, folder].map((path) => `--allow-fs-read=${path}`),
        `--allow-fs-write=${folder}`,
        "--disable-warning=SecurityWarning",
        "--import",
        join(import.meta.dirname, "moved-clock.mjs"),
        ENTRY,
        "--data-dir",
        folder,
      ],
      { stdio: ["pipe", "pipe", "pipe"], env: {}, cwd: folder },
    )
    child = started
    started.stdin.on("error", () => undefined)
    started.stderr.on("data", (chunk: Buffer) => (log += chunk.toString()))
    ended = new Promise((resolve) =>
      started.once("close", (code, signal) => resolve(code ?? (signal === "SIGKILL" ? 137 : 1))),
    )
    const channel: ByteChannel = {
      send: (bytes) => void started.stdin.write(bytes),
      onReceive: (listener) => void started.stdout.on("data", listener),
      onClose: (listener) => void ended.then(listener),
    }
    client = createStrongroomClient(channel)
    client.onNotice((notice) => notices.push(notice))
    const hello = await client.call("hello", {})
    if (!hello.ok) throw new Error(`${hello.error.code}: ${log.slice(-2000)}`)
    await nextSecond()
  }
  const current = (): StrongroomClient => {
    if (client === undefined) throw new Error("not started")
    return client
  }
  await start()
  return {
    folder,
    client: current,
    reach: { call: (name, params) => current().call(name, params), nowMs: () => Date.now() + aheadMs },
    notices: () => notices,
    advance: (ms) => {
      aheadMs += ms
      writeClock()
    },
    write: (bytes) => void child?.stdin?.write(bytes),
    logged: () => log,
    start,
    stop: () => {
      child?.stdin?.end()
      return ended
    },
    kill: async () => {
      child?.kill("SIGKILL")
      await ended
    },
    close: async () => {
      child?.stdin?.end()
      await ended
      if (given === undefined) rmSync(folder, { recursive: true, force: true })
    },
  }
}
