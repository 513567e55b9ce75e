import { spawn } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

import { afterEach, beforeEach, expect, test } from "vitest"

import { isPrivate, readAgentFile } from "./places.ts"

/* The command as a person runs it: its own processes, its own agent. */

const KF = join(import.meta.dirname, "..", "bin", "kf.mjs")
const PASSWORD = "correct horse battery staple"
let home = ""

interface Ended {
  readonly exit: number | null
  readonly stdout: string
  readonly stderr: string
}

const kf = (args: readonly string[], stdin = "", env: Readonly<Record<string, string>> = {}): Promise<Ended> =>
  new Promise((resolve) => {
    const child = spawn(process.execPath, [KF, ...args], {
      stdio: ["pipe", "pipe", "pipe"],
      env: { PATH: process.env["PATH"], HOME: home, TZ: "UTC", ...env },
    })
    let stdout = ""
    let stderr = ""
    child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()))
    child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()))
    child.stdin.on("error", () => undefined)
    child.stdin.end(stdin)
    child.once("close", (exit) => resolve({ exit, stdout, stderr }))
  })

const folder = (): string => join(home, ".local", "share", "keyferry", "default")
const agentPid = (): number => readAgentFile(folder())?.pid ?? 0

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "kf-process-"))
})

afterEach(async () => {
  await kf(["agent", "stop"])
  rmSync(home, { recursive: true, force: true })
})

test("commands that start at the same moment share one agent", async () => {
  const ended = await Promise.all([
    kf(["agent", "start", "--json"]),
    kf(["status"]),
    kf(["agent", "start", "--json"]),
    kf(["status"]),
  ])
  expect(ended.map(({ exit }) => exit)).toEqual([0, 0, 0, 0])
  const pids = [ended[0], ended[2]].map((one) => (JSON.parse(one?.stdout ?? "") as { pid: number }).pid)
  expect(new Set(pids)).toEqual(new Set([agentPid()]))
  expect(isPrivate(folder())).toBe(true)
})

test("a killed agent is replaced, and the vault is locked then", async () => {
  expect((await kf(["add", "note", "Text", "--from-stdin", "--secrets-fd", "0"], "")).exit).toBe(2)
  expect(
    (await kf(["add", "note", "Text", "text=-", "--secrets-stdin"], `password=${PASSWORD}\nfield:text=hello\n`)).exit,
  ).toBe(0)
  expect((await kf(["read", "Text", "text"])).stdout).toBe("hello\n")
  const before = agentPid()
  process.kill(before, "SIGKILL")
  await expect.poll(async () => (await kf(["agent", "status"])).exit, { timeout: 30_000 }).toBe(3)
  const locked = await kf(["read", "Text", "text"])
  expect(locked).toMatchObject({ exit: 4, stdout: "" })
  expect(agentPid()).not.toBe(before)
  expect((await kf(["unlock", "--password-stdin"], PASSWORD)).exit).toBe(0)
  expect((await kf(["read", "Text", "text"])).stdout).toBe("hello\n")
  expect((await kf(["lock"])).exit).toBe(0)
  expect((await kf(["read", "Text", "text"])).exit).toBe(4)
})

test("--no-agent works alone, and not beside an agent", async () => {
  const secrets = `password=${PASSWORD}\nfield:text=hello\n`
  expect((await kf(["add", "note", "Text", "text=-", "--secrets-stdin", "--no-agent"], secrets)).exit).toBe(0)
  expect(agentPid()).toBe(0)
  expect((await kf(["read", "Text", "text", "--no-agent", "--password-stdin"], PASSWORD)).stdout).toBe("hello\n")
  await kf(["agent", "start"])
  const beside = await kf(["ls", "--no-agent", "--password-stdin"], PASSWORD)
  expect(beside.exit).toBe(1)
  expect(beside.stderr).toContain("kf agent stop")
})

test("nothing secret is in the agent's log, its file, or the environment it was given", async () => {
  await kf(["add", "note", "Text", "text=-", "--secrets-stdin"], `password=${PASSWORD}\nfield:text=hello-secret\n`, {
    KF_PROFILE: "default",
  })
  for (const name of ["agent.log", "agent.json"]) {
    const text = readFileSync(join(folder(), name), "utf8")
    expect(text).not.toContain("hello-secret")
    expect(text).not.toContain(PASSWORD)
  }
})

test("an early end of the pipe is no defect", async () => {
  const ended = await new Promise<string>((resolve) => {
    const child = spawn(
      "sh",
      [
        "-c",
        `"${process.execPath}" "${KF}" --help 2>&1 >/dev/null | head -1; "${process.execPath}" "${KF}" --help | head -1`,
      ],
      {
        env: { PATH: process.env["PATH"], HOME: home },
      },
    )
    let out = ""
    child.stdout.on("data", (chunk: Buffer) => (out += chunk.toString()))
    child.stderr.on("data", (chunk: Buffer) => (out += chunk.toString()))
    child.once("close", () => resolve(out))
  })
  expect(ended).not.toMatch(/EPIPE|at /)
  expect(ended).toContain("kf")
})
