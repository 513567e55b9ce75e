import { spawn, spawnSync } from "node:child_process"
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir, userInfo } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"

import { equalBytes } from "@keyferry/base"
import { freePort } from "@keyferry/testkit"
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest"

import {
  type AgentKey,
  type AgentServer,
  createAgent,
  createAgentLock,
  generateSshKey,
  listenOnSocket,
  parsePrivateKey,
  parsePublicKeyLine,
  type SignRequest,
  signWithKey,
  type SshKeyType,
  type SshPrivateKey,
} from "./index.ts"

/*
 * The agent against the real OpenSSH programs, and real logins to an sshd on the loopback interface.
 * Where they cannot be installed the tests are skipped, and the reason is printed.
 */
const installed = spawnSync("sh", [new URL("../../../tools/install-openssh.sh", import.meta.url).pathname], {
  encoding: "utf8",
})
const missing =
  installed.status === 0
    ? undefined
    : `OpenSSH cannot be installed: ${installed.stderr.trim() || installed.error?.message}`

interface HeldKey {
  readonly type: SshKeyType
  readonly text: string
  readonly line: string
  readonly key: SshPrivateKey
}

const makeKey = (type: SshKeyType, comment: string): HeldKey => {
  const generated = generateSshKey(type, comment)
  const key = parsePrivateKey(generated.privateKey)
  if (!key.ok) throw new Error(key.error.code)
  return { type, text: generated.privateKey, line: generated.publicKey, key: key.value }
}

let folder = ""
let server: AgentServer | undefined
let held: HeldKey[] = []
let hostKeysOf = (_key: HeldKey): readonly Uint8Array[] => []
let asked: SignRequest[] = []
const defects: unknown[] = []

const startAgent = async (allowForwarding = false): Promise<void> => {
  const signer = {
    keys: async () =>
      held.map((entry): AgentKey => ({
        blob: entry.key.blob,
        comment: entry.key.comment,
        hostKeys: hostKeysOf(entry),
      })),
    sign: async (request: SignRequest) => {
      asked.push(request)
      const entry = held.find((candidate) => equalBytes(candidate.key.blob, request.key.blob))
      const signature = entry && signWithKey(entry.key, request.message, request.flags)
      return signature?.ok === true ? signature.value : undefined
    },
  }
  const agent = createAgent(
    signer,
    createAgentLock((ms) => sleep(Math.min(ms, 10))),
    { allowForwarding },
  )
  const listening = await listenOnSocket(join(folder, "run", "agent.sock"), agent, (defect) => defects.push(defect))
  if (!listening.ok) throw new Error(listening.error.code)
  server = listening.value
}

interface Ran {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

/** Never blocks this process: the agent that the program talks to lives in it. */
const run = (
  command: string,
  args: readonly string[],
  options: { input?: string; env?: Record<string, string> } = {},
): Promise<Ran> =>
  new Promise((resolve, reject) => {
    const env = { ...process.env, SSH_AUTH_SOCK: server?.path ?? "", ...options.env }
    const child = spawn(command, args, { cwd: folder, env, timeout: 30_000 })
    let out = ""
    let err = ""
    child.stdout.on("data", (chunk: Buffer) => (out += chunk.toString()))
    child.stderr.on("data", (chunk: Buffer) => (err += chunk.toString()))
    child.on("error", reject)
    child.on("close", (code) => resolve({ code, out, err }))
    // A program that ends without reading its input breaks the pipe; its exit code says what there is to say.
    child.stdin.on("error", () => {})
    child.stdin.end(options.input ?? "")
  })

beforeEach((context) => {
  if (missing !== undefined) {
    console.warn(`skipped: ${missing}`)
    context.skip(missing)
  }
  folder = mkdtempSync(join(tmpdir(), "ssh-"))
  held = []
  asked = []
  hostKeysOf = () => []
})

afterEach(async () => {
  await server?.close()
  server = undefined
  rmSync(folder, { recursive: true, force: true })
  if (defects.length > 0) throw new Error("the agent met a defect", { cause: defects[0] })
})

const TYPES: readonly SshKeyType[] = ["ed25519", "ecdsa-p256", "ecdsa-p384", "ecdsa-p521", "rsa-3072"]

describe("ssh-add and ssh-keygen", () => {
  test("ssh-keygen reads the keys that are generated here, and keys that it makes are read here", async () => {
    for (const type of TYPES) {
      const { text, line, key } = makeKey(type, "ada@example.com")
      writeFileSync(join(folder, type), text, { mode: 0o600 })
      const shown = await run("ssh-keygen", ["-y", "-f", type])
      expect(shown.out.trim()).toBe(line)
      expect((await run("ssh-keygen", ["-l", "-f", type])).out).toContain(key.fingerprint)
    }
    for (const [name, bits] of [
      ["ed25519", "256"],
      ["ecdsa", "256"],
      ["ecdsa", "384"],
      ["ecdsa", "521"],
      ["rsa", "2048"],
    ] as const) {
      const file = `made-${name}-${bits}`
      await run("ssh-keygen", ["-q", "-t", name, "-b", bits, "-N", "", "-C", "made there", "-f", file])
      const key = parsePrivateKey(readFileSync(join(folder, file), "utf8"))
      const line = parsePublicKeyLine(readFileSync(join(folder, `${file}.pub`), "utf8"))
      expect(key.ok && line.ok && equalBytes(key.value.blob, line.value.blob) && key.value.comment).toBe("made there")
      await run("ssh-keygen", ["-q", "-p", "-N", "", "-m", "PEM", "-f", file])
      expect(parsePrivateKey(readFileSync(join(folder, file), "utf8"))).toMatchObject({
        ok: true,
        value: { fingerprint: key.ok && key.value.fingerprint },
      })
    }
    await run("ssh-keygen", ["-q", "-t", "ed25519", "-N", "a passphrase", "-f", "locked"])
    expect(parsePrivateKey(readFileSync(join(folder, "locked"), "utf8"))).toMatchObject({
      error: { code: "key-encrypted" },
    })
  })

  test("ssh-add lists, removes, locks and unlocks, and is refused an addition", async () => {
    held = TYPES.map((type, i) => makeKey(type, `key ${i}`))
    await startAgent()
    const short = await run("ssh-add", ["-l"])
    for (const { key } of held) expect(short.out).toContain(`${key.fingerprint} ${key.comment}`)
    expect((await run("ssh-add", ["-L"])).out.trim().split("\n")).toEqual(held.map((entry) => entry.line))
    // For RSA some versions of ssh-add -T ask for SHA-1, which is refused.
    for (const { line } of held.filter((entry) => entry.type !== "rsa-3072")) {
      writeFileSync(join(folder, "k.pub"), line)
      expect(await run("ssh-add", ["-T", "k.pub"])).toMatchObject({ code: 0 })
    }
    writeFileSync(join(folder, "k.pub"), held[0]?.line ?? "")
    expect((await run("ssh-add", ["-d", "k.pub"])).code).toBe(0)
    expect((await run("ssh-add", ["-l"])).out).not.toContain("key 0")

    const askpass = join(folder, "askpass")
    writeFileSync(askpass, "#!/bin/sh\ncat word\n", { mode: 0o700 })
    const env = { SSH_ASKPASS: askpass, SSH_ASKPASS_REQUIRE: "force", DISPLAY: ":0" }
    writeFileSync(join(folder, "word"), "one\n")
    expect((await run("ssh-add", ["-x"], { env })).code).toBe(0)
    expect((await run("ssh-add", ["-l"])).out).toContain("no identities")
    writeFileSync(join(folder, "word"), "two\n")
    expect((await run("ssh-add", ["-X"], { env })).code).not.toBe(0)
    writeFileSync(join(folder, "word"), "one\n")
    expect((await run("ssh-add", ["-X"], { env })).code).toBe(0)
    expect((await run("ssh-add", ["-l"])).out).toContain("key 1")

    writeFileSync(join(folder, "foreign"), makeKey("ed25519", "").text, { mode: 0o600 })
    expect((await run("ssh-add", ["foreign"])).code).not.toBe(0)
    expect((await run("ssh-add", ["-D"])).code).toBe(0)
    expect((await run("ssh-add", ["-l"])).out).toContain("no identities")
  })

  test("ssh-keygen signs a document through the agent and verifies it", async () => {
    held = TYPES.map((type, i) => makeKey(type, `key ${i}`))
    await startAgent()
    writeFileSync(join(folder, "allowed"), held.map((entry) => `ada@example.com ${entry.line}\n`).join(""))
    for (const entry of held) {
      writeFileSync(join(folder, "k.pub"), entry.line)
      writeFileSync(join(folder, "text"), "a text")
      const signed = await run("ssh-keygen", ["-Y", "sign", "-n", "file", "-f", "k.pub", "text"])
      expect([entry.type, signed.code, signed.err]).toMatchObject([entry.type, 0, expect.any(String)])
      const verify = (input: string) =>
        run("ssh-keygen", ["-Y", "verify", "-f", "allowed", "-I", "ada@example.com", "-n", "file", "-s", "text.sig"], {
          input,
        })
      expect((await verify("a text")).code).toBe(0)
      expect((await verify("another text")).code).not.toBe(0)
      rmSync(join(folder, "text.sig"))
    }
    expect(asked.every((request) => request.purpose.kind === "document")).toBe(true)
  })

  test("git signs a commit through the agent and verifies it", async () => {
    held = [makeKey("ed25519", "git")]
    await startAgent()
    writeFileSync(join(folder, "k.pub"), held[0]?.line ?? "")
    writeFileSync(join(folder, "allowed"), `ada@example.com ${held[0]?.line}\n`)
    const settings = Object.entries({
      "user.name": "Ada",
      "user.email": "ada@example.com",
      "gpg.format": "ssh",
      "user.signingkey": join(folder, "k.pub"),
      "gpg.ssh.allowedSignersFile": join(folder, "allowed"),
    }).flatMap(([name, value]) => ["-c", `${name}=${value}`])
    const git = (...args: string[]) => run("git", [...settings, ...args])
    await git("init", "-q", ".")
    const commit = await git("commit", "-q", "--allow-empty", "-S", "-m", "signed")
    expect([commit.code, commit.err]).toEqual([0, ""])
    expect((await git("verify-commit", "HEAD")).err).toContain('Good "git" signature for ada@example.com')
  })
})

describe("logging in", () => {
  const me = userInfo().username
  let home = ""
  let port = 0
  let hostKey: HeldKey
  let stop = (): void => {}

  beforeAll(async () => {
    if (missing !== undefined) return
    // An absolute, private folder: sshd refuses keys below one that others may write to.
    home = mkdtempSync(join(tmpdir(), "sshd-"))
    chmodSync(home, 0o700)
    if (process.getuid?.() === 0) mkdirSync("/run/sshd", { recursive: true, mode: 0o755 })
    hostKey = makeKey("ed25519", "host")
    writeFileSync(join(home, "host"), hostKey.text, { mode: 0o600 })
    port = await freePort()
    writeFileSync(
      join(home, "config"),
      [
        `Port ${port}`,
        "ListenAddress 127.0.0.1",
        `HostKey ${join(home, "host")}`,
        `AuthorizedKeysFile ${join(home, "authorized")}`,
        `PidFile ${join(home, "pid")}`,
        "PasswordAuthentication no",
        "KbdInteractiveAuthentication no",
        "StrictModes no",
        "UsePAM no",
        "PermitRootLogin prohibit-password",
        "MaxAuthTries 2",
        "AllowAgentForwarding yes",
      ].join("\n"),
    )
    const sshd = existsSync("/usr/sbin/sshd") ? "/usr/sbin/sshd" : "sshd"
    const child = spawn(sshd, ["-D", "-e", "-f", join(home, "config")], { stdio: ["ignore", "ignore", "pipe"] })
    const ready = new Promise<void>((resolve, reject) => {
      let log = ""
      child.stderr.on("data", (chunk: Buffer) => {
        log += chunk.toString()
        if (log.includes("Server listening")) resolve()
      })
      child.on("exit", (code) => reject(new Error(`sshd ended with ${code}: ${log}`)))
    })
    stop = () => void child.kill()
    await ready
  })

  afterAll(() => {
    stop()
    if (home !== "") rmSync(home, { recursive: true, force: true })
  })

  const login = (...args: string[]): Promise<Ran> => {
    writeFileSync(join(folder, "known"), `[127.0.0.1]:${port} ${hostKey.line}\n`)
    const options = [
      "-F",
      "none",
      "-o",
      "BatchMode=yes",
      "-o",
      `UserKnownHostsFile=${join(folder, "known")}`,
      "-o",
      "IdentityFile=none",
    ]
    return run("ssh", [...options, "-p", String(port), ...args, `${me}@127.0.0.1`, "echo in"])
  }
  const authorize = (...keys: readonly (HeldKey | undefined)[]): void =>
    writeFileSync(join(home, "authorized"), keys.map((entry) => `${entry?.line}\n`).join(""), { mode: 0o600 })

  test.each(TYPES)("with %s", async (type) => {
    held = [makeKey(type, "login")]
    authorize(held[0])
    await startAgent()
    expect(await login()).toMatchObject({ code: 0, out: "in\n" })
    expect(asked).toHaveLength(1)
    expect(asked[0]).toMatchObject({ purpose: { kind: "login", user: me }, isForwarded: false })
    expect(equalBytes(asked[0]?.hostKey ?? new Uint8Array(0), hostKey.key.blob)).toBe(true)
  })

  test("eight keys in the vault, two tries at the server: the key of that host is offered first and alone", async () => {
    held = Array.from({ length: 8 }, (_x, i) => makeKey("ed25519", `key ${i}`))
    authorize(held[7])
    await startAgent()
    expect((await login()).code).not.toBe(0)
    hostKeysOf = (entry) => (entry === held[7] ? [hostKey.key.blob] : [])
    expect(await login()).toMatchObject({ code: 0, out: "in\n" })
  })

  test("a key that is taken away stops at once", async () => {
    held = [makeKey("ed25519", "login")]
    authorize(held[0])
    await startAgent()
    expect((await login()).code).toBe(0)
    held = []
    expect((await login()).code).not.toBe(0)
  })

  test("a forwarded agent shows nothing on the other side unless it was allowed", async () => {
    held = [makeKey("ed25519", "login")]
    authorize(held[0])
    const listThere = async (): Promise<Ran> => {
      writeFileSync(join(folder, "known"), `[127.0.0.1]:${port} ${hostKey.line}\n`)
      const options = ["-F", "none", "-A", "-o", "BatchMode=yes", "-o", `UserKnownHostsFile=${join(folder, "known")}`]
      return run("ssh", [...options, "-p", String(port), `${me}@127.0.0.1`, "ssh-add -l 2>&1; true"])
    }
    await startAgent()
    const refused = await listThere()
    expect([refused.code, refused.out]).toEqual([0, "The agent has no identities.\n"])
    await server?.close()
    await startAgent(true)
    expect((await listThere()).out).toContain(held[0]?.key.fingerprint)
  })
})
