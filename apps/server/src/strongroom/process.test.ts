import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

import { pino } from "pino"
import { afterAll, beforeEach, describe, expect, test } from "vitest"

import { readConfig } from "../config/config.ts"
import { parseOperatorCommand, runOperatorCommand } from "../operator/commands.ts"
import { type RunningServer, type StartFailure, startServer, systemRandom } from "../start.ts"
import { startStrongroom } from "./process.ts"

const root = mkdtempSync(join(tmpdir(), "kf-process-"))
afterAll(() => rmSync(root, { recursive: true, force: true }))
let folder = ""
let n = 0
beforeEach(() => {
  folder = join(root, `d${++n}`)
  mkdirSync(folder)
})
const repository = join(import.meta.dirname, "..", "..", "..", "..")
const log = pino({ level: "silent" })
const program = {
  entry: join(import.meta.dirname, "..", "testing", "fake-strongroom-main.ts"),
  programFolders: ["apps", "packages", "node_modules", "package.json"].map((name) => join(repository, name)),
}
const startChild = () => startStrongroom({ ...program, folder, args: ["--data-dir", folder], log })

const start = (args: readonly string[] = []) => {
  const config = readConfig({ args: ["--listen", "localhost:0", ...args], env: {} })
  if (!config.ok) throw new Error(config.error.join())
  return startServer({
    settings: config.value.values,
    folder,
    version: "0.0.0",
    clock: { nowMs: () => Date.now() },
    random: systemRandom,
    log,
    strongroom: program,
  })
}
const running = async (started: ReturnType<typeof start>): Promise<RunningServer> => {
  const result = await started
  if (!result.ok) throw new Error(result.error.detail)
  return result.value
}
const failure = async (started: ReturnType<typeof start>): Promise<StartFailure> => {
  const result = await started
  if (result.ok) throw new Error("it started")
  return result.error
}

describe("the strongroom's process", () => {
  test("answers over its pipes and ends with its channel", async () => {
    const started = await startChild()
    if (!started.ok) throw new Error(String(started.error.exitCode))
    expect(started.value.hello().deploymentId).toBe("dep-test")
    expect((await started.value.call("health", {})).ok).toBe(true)
    expect(await started.value.stop()).toBe(0)
    expect(await started.value.call("health", {})).toMatchObject({
      ok: false,
      error: { code: "strongroom-unavailable" },
    })
  })

  test("a child that refuses to start is reported with its exit code and not started again", async () => {
    writeFileSync(join(folder, "refuse"), "")
    expect(await startChild()).toEqual({
      ok: false,
      error: { exitCode: 12, reason: "The key is not the right one. Put it in place." },
    })
  })

  test("a folder that its predecessor is about to leave is waited for", async () => {
    writeFileSync(join(folder, "busy"), "")
    const starting = startChild()
    setTimeout(() => rmSync(join(folder, "busy")), 600)
    const started = await starting
    expect(started.ok).toBe(true)
    if (started.ok) await started.value.stop()
  })

  test("a child that is killed again and again while the server stops does not keep it", async () => {
    const started = await startChild()
    if (!started.ok) throw new Error(started.error.reason)
    process.kill(started.value.pid() ?? 0, "SIGKILL")
    await new Promise((resolve) => setTimeout(resolve, 150))
    expect(await started.value.stop()).toBe(0)
  })

  test("a killed child is started again; what waited for it fails at once", async () => {
    const started = await startChild()
    if (!started.ok) throw new Error(String(started.error.exitCode))
    const strongroom = started.value
    let restarts = 0
    strongroom.onRestart(() => restarts++)
    process.kill(strongroom.pid() ?? 0, "SIGKILL")
    const waiting = await strongroom.call("events", { after: 0, max: 1 })
    expect(waiting.ok ? "answered" : waiting.error.code).toMatch(/answered|strongroom-unavailable/)
    const end = performance.now() + 60_000
    while (restarts === 0 && performance.now() < end) await new Promise((resolve) => setTimeout(resolve, 10))
    expect(restarts).toBe(1)
    expect((await strongroom.call("health", {})).ok).toBe(true)
    expect(await strongroom.stop()).toBe(0)
  })
})

describe("the server as a whole", () => {
  test("starts, serves, keeps its data, and stops both", async () => {
    const one = await running(start())
    expect(one.isNew).toBe(true)
    expect(one.origin).toMatch(/^http:\/\/localhost:\d+$/)
    expect(one.firstLink).toMatch(new RegExp(`^${one.origin}/setup#t=[A-Za-z0-9_-]{43}$`))
    expect(one.mailbox).toBe(`${one.origin}/dev/mailbox`)
    expect(await (await fetch(`${one.origin}/readyz`)).text()).toBe("ok\n")
    expect((await fetch(one.mailbox ?? "")).status).toBe(200)
    expect(statSync(folder).mode & 0o777).toBe(0o700)
    expect(readFileSync(join(folder, ".gitignore"), "utf8")).toBe("*\n")
    expect(await one.stop()).toBe(0)
    await expect(fetch(`${one.origin}/healthz`)).rejects.toThrow()
    const two = await running(start())
    expect([two.isNew, two.accounts]).toEqual([false, 0])
    await two.stop()
  })

  test("a second start on the same folder says who holds it", async () => {
    const one = await running(start())
    const second = await failure(start())
    expect(second.code).toBe("store-in-use")
    expect(second.detail).toContain(`process ${process.pid}`)
    await one.stop()
  })

  test("a port that is taken is named, and nothing keeps running", async () => {
    const one = await running(start())
    const port = new URL(one.origin).port
    folder = join(root, "other")
    const second = await failure(start(["--listen", `localhost:${port}`]))
    expect(second.detail).toContain(`localhost:${port}`)
    const third = await running(start())
    await Promise.all([one.stop(), third.stop()])
  })

  test("a strongroom that does not start stops the server with its exit code", async () => {
    mkdirSync(join(folder, "strongroom"))
    writeFileSync(join(folder, "strongroom", "refuse"), "")
    expect(await failure(start())).toMatchObject({
      exitCode: 12,
      detail: "The strongroom did not start. The key is not the right one. Put it in place.",
    })
    rmSync(join(folder, "strongroom", "refuse"))
    await (await running(start())).stop()
  })

  test("a store of a newer version is left alone", async () => {
    const one = await running(start())
    await one.context.store.transaction((tx) =>
      tx
        .insertInto("schema_version" as never)
        .values({ version: 99, name: "later", applied_ms: 1 } as never)
        .execute(),
    )
    await one.stop()
    expect(await failure(start())).toMatchObject({ code: "schema-newer", exitCode: 12 })
  })
})

describe("the operator's commands", () => {
  const run = (words: string, json = false) => {
    const request = parseOperatorCommand(words.split(" "))
    if (request === undefined) throw new Error(`not understood: ${words}`)
    return runOperatorCommand(folder, request, json)
  }

  test("ask the running server over a socket that only its owner can use", async () => {
    const server = await running(start())
    expect(statSync(join(folder, "operator.sock")).mode & 0o777).toBe(0o600)
    const invited = await run("invite")
    expect(invited.out).toContain(`${server.origin}/setup#t=`)
    expect((await run("user ls")).out).toBe("No accounts yet.\n")
    expect(JSON.parse((await run("user ls", true)).out)).toEqual([])
    const unknown = await run("user reset-2fa nobody@example.org")
    expect([unknown.exitCode, unknown.error]).toEqual([
      3,
      expect.stringContaining("No account has confirmed this address."),
    ])
    expect((await run("device confirm 12")).error).toContain("six digits")
    expect((await run("device confirm 123456")).exitCode).toBe(8)
    const rotated = await run("kek rotate")
    expect([rotated.exitCode, rotated.out]).toEqual([
      0,
      "3 data keys are wrapped under a new key; the old one is destroyed.\nBack up strongroom/main.kek and the databases now: older copies of one no longer open with newer ones of the other.\n",
    ])
    const audit = await server.context.store.read((db) => db.selectFrom("audit").select("kind").execute())
    expect(audit.map((line) => line.kind)).toContain("operator-rotated-kek")
    await server.stop()
  })

  test("say so when no server runs", async () => {
    const none = await run("invite")
    expect([none.exitCode, none.error]).toEqual([7, `No server runs on ${folder}.\nStart it first: keyferry serve\n`])
  })

  test.each([
    "",
    "invite now",
    "user",
    "user reset-2fa",
    "device confirm",
    "device confirm 1 2",
    "kek",
    "kek rotate now",
    "nonsense",
  ])("%j is not one of them", (words) => expect(parseOperatorCommand(words.split(" "))).toBeUndefined())
})
