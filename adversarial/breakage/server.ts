import {
  chmodSync,
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"

import { childrenOf, isAlive, startSmtpCatcher } from "@keyferry/testkit"

import {
  type Breakage,
  check,
  checkSame,
  codeOf,
  contentsOf,
  fillDisk,
  must,
  PASSWORD,
  ruinPages,
  rowsOf,
  sentenceOf,
  type Stage,
} from "./stage.ts"
import { serverClockJumps } from "./server-clock.ts"

/*
 * A server whose disk, files, port, mail or other half is broken: what it says, its exit code, and that its stores are as
 * they were.
 */
const STORES = [
  { name: "server", file: "server.db" },
  { name: "strongroom", file: "strongroom/strongroom.db" },
  { name: "leases", file: "strongroom/leases.db" },
] as const

/** Starts a server that cannot start, and looks at what is left. */
const refuses = async (
  stage: Stage,
  folder: string,
  expected: { readonly exit: number; readonly sentence: RegExp },
): Promise<{ exit: number; sentence: string }> => {
  const before = contentsOf(folder)
  const done = await stage.runServer(folder)
  check(done.code === expected.exit, `it ended with ${done.code}, not ${expected.exit}: ${done.stderr.slice(-700)}`)
  const sentence = sentenceOf(done, expected.sentence)
  checkSame(before, contentsOf(folder), "the data folder")
  return { exit: done.code, sentence }
}

/** The folder's server starts, and the account that was there is there. */
const startsAgain = async (stage: Stage, folder: string): Promise<void> => {
  const server = stage.startServer(folder)
  await server.waitForLine(/^data kept: 1 account$/)
  await stage.ready(server)
  const code = await stage.stop(server)
  check(
    code === 0,
    `it did not stop cleanly afterwards: ${code} ${server.stdout().slice(-200)} ${server.stderr().slice(-900)}`,
  )
}

const keyFile = (folder: string, pattern: RegExp): string => {
  const strongroom = join(folder, "strongroom")
  const found = readdirSync(strongroom, { recursive: true, encoding: "utf8" }).find(
    (name) => pattern.test(name) && lstatSync(join(strongroom, name)).isFile(),
  )
  if (found === undefined) throw new Error(`no ${pattern} in ${readdirSync(strongroom).join(", ")}`)
  return join(strongroom, found)
}

const corrupt: readonly Breakage[] = STORES.map(({ name, file }) => ({
  name: `corrupt-pages-${name}`,
  run: async (stage) => {
    const folder = stage.server()
    ruinPages(join(folder, file))
    return refuses(stage, folder, { exit: 11, sentence: /damaged|not a database/i })
  },
}))

const tornStores: readonly Breakage[] = STORES.flatMap(({ name, file }) =>
  (["empty-head", "half"] as const).map((how) => ({
    name: `torn-${name}-${how}`,
    run: async (stage: Stage) => {
      const folder = stage.server()
      const path = join(folder, file)
      if (how === "half") truncateSync(path, Math.floor(lstatSync(path).size / 2))
      else writeFileSync(path, Buffer.concat([Buffer.alloc(100), readFileSync(path).subarray(100)]))
      return refuses(stage, folder, { exit: 11, sentence: /damaged|not a database/i })
    },
  })),
)

const newer: readonly Breakage[] = STORES.map(({ name, file }) => ({
  name: `newer-schema-${name}`,
  run: async (stage) => {
    const folder = stage.server()
    const db = new DatabaseSync(join(folder, file))
    db.exec("INSERT INTO schema_version (version, name, applied_ms) VALUES (99, 'from the future', 1)")
    db.close()
    return refuses(stage, folder, { exit: 12, sentence: /newer version/i })
  },
}))

const keys: readonly Breakage[] = [
  { key: "main", pattern: /^main\.kek$/ },
  { key: "lease", pattern: /^lease.*kek/ },
].flatMap(({ key, pattern }) =>
  (["wrong", "torn", "missing"] as const).map((how) => ({
    name: `${how}-${key}-key`,
    run: async (stage: Stage) => {
      const folder = stage.server()
      const path = keyFile(folder, pattern)
      if (how === "missing") renameSync(path, join(folder, "kept-elsewhere"))
      else if (how === "torn") truncateSync(path, Math.floor(lstatSync(path).size / 2))
      else {
        const bytes = readFileSync(path)
        bytes[bytes.length - 1] = (bytes[bytes.length - 1] ?? 0) ^ 1
        writeFileSync(path, bytes)
      }
      const found = await refuses(stage, folder, {
        exit: 12,
        sentence: /key does not belong|key file|lease store needs the key/i,
      })
      if (how === "missing") {
        renameSync(join(folder, "kept-elsewhere"), path)
        chmodSync(path, 0o600)
        await startsAgain(stage, folder)
      }
      return found
    },
  })),
)

export const breakages: readonly Breakage[] = [
  {
    name: "server-full-disk",
    run: async (stage) => {
      const folder = stage.folder("small")
      stage.mountSmall(folder, 64)
      copyInto(stage.server(), folder)
      const server = stage.startServer(folder)
      await stage.ready(server)
      const { profile } = stage.device()
      const device = await stage.open(profile)
      must(await device.unlock(PASSWORD))
      fillDisk(folder)
      must(
        await device.add({
          kind: "note",
          title: "While full",
          fields: [{ name: "text", value: "x".repeat(40_000), secret: true }],
        }),
      )
      let code = "ok"
      let before = ""
      // What SQLite had room for in files that exist already may still go; what does not fit is refused as a whole.
      for (let i = 0; i < 40 && code === "ok"; i++) {
        must(
          await device.add({
            kind: "note",
            title: `More ${i}`,
            fields: [{ name: "text", value: "x".repeat(40_000), secret: true }],
          }),
        )
        before = vaultsOf(folder)
        code = codeOf(await device.syncNow())
      }
      check(code === "store-full", `sync on a full server answered ${code}`)
      check(!server.hasExited(), "the server ended")
      check(before.includes("vault_link") && vaultsOf(folder) === before, "something of the refused change is there")
      rmSync(join(folder, "filler"))
      must(await device.syncNow())
      const list = must(await device.list())
      check(
        list.every((item) => item.custody === "synced"),
        "something was lost between full and free",
      )
      check((await stage.stop(server)) === 0, "it did not stop cleanly")
      return {
        exit: code,
        sentence: "The disk is full; nothing of the refused change was kept, and it went through once there was room.",
      }
    },
  },
  {
    name: "server-full-disk-at-start",
    run: async (stage) => {
      const folder = stage.folder("small")
      stage.mountSmall(folder, 4)
      fillDisk(folder)
      const done = await stage.runServer(folder)
      check(done.code === 1, `it ended with ${done.code}: ${done.stderr.slice(-500)}`)
      return { exit: done.code, sentence: sentenceOf(done, /disk.*full/i) }
    },
  },
  {
    name: "server-read-only",
    run: async (stage) => {
      const folder = stage.server()
      stage.mountReadOnly(folder)
      const found = await refuses(stage, folder, { exit: 1, sentence: /read-only|cannot be written/i })
      stage.mountWritable(folder)
      await startsAgain(stage, folder)
      return found
    },
  },
  {
    name: "port-in-use",
    run: async (stage) => {
      const taken = createServer().listen(stage.port, "localhost")
      await new Promise((resolve) => taken.once("listening", resolve))
      const folder = stage.server()
      const before = contentsOf(folder)
      const rowsBefore = rowsOf(join(folder, "strongroom", "leases.db"))
      const done = await stage.runServer(folder)
      await new Promise((resolve) => taken.close(resolve))
      check(done.code === 1, `it ended with ${done.code}`)
      const sentence = sentenceOf(done, /Cannot listen on .*EADDRINUSE/)
      // A start brings the heads of the lease store up to date by itself; nothing else may have changed.
      const own = /server\.db|lock|leases\.db/
      checkSame(without(before, own), without(contentsOf(folder), own), "the data folder")
      checkNothingLost(rowsBefore, rowsOf(join(folder, "strongroom", "leases.db")))
      await startsAgain(stage, folder)
      return { exit: done.code, sentence }
    },
  },
  {
    name: "second-server-on-the-folder",
    run: async (stage) => {
      const folder = stage.server()
      const first = stage.startServer(folder)
      await stage.ready(first)
      const done = await stage.runServer(folder, { port: 0 })
      check(done.code === 1, `it ended with ${done.code}`)
      const sentence = sentenceOf(done, /is in use by: server, process \d+/)
      check(!first.hasExited(), "the first one ended")
      check((await stage.stop(first)) === 0, "the first one did not stop cleanly")
      return { exit: done.code, sentence }
    },
  },
  ...corrupt,
  ...tornStores,
  ...newer,
  ...keys,
  {
    name: "leftovers-of-a-killed-server",
    run: async (stage) => {
      const folder = stage.server()
      const first = stage.startServer(folder)
      await stage.ready(first)
      await first.killHard()
      // Besides what a kill leaves: drafts of files that were being written, and names of processes that are gone.
      writeFileSync(join(folder, "lock.holder"), "\u0000\u0000half")
      writeFileSync(join(folder, "strongroom", "main.kek.0badc0de"), "half a key")
      writeFileSync(join(folder, "strongroom", "strongroom.db.before-1.db.draft"), "half a copy")
      const before = rowsOf(join(folder, "strongroom", "strongroom.db"))
      await eventually(async () => !childAlive(first.pid), "the strongroom outlives its server")
      await startsAgain(stage, folder)
      checkNothingLost(before, rowsOf(join(folder, "strongroom", "strongroom.db")))
      return { exit: 0, sentence: "starts as if nothing lay there" }
    },
  },
  {
    name: "torn-operator-pointer",
    run: async (stage) => {
      const folder = stage.server()
      const server = stage.startServer(folder)
      await stage.ready(server)
      const pointer = join(folder, "operator.path")
      const whole = readFileSync(pointer)
      const ask = () => stage.operator(folder, ["user", "ls"])
      check((await ask()).code === 0, "the operator's command fails before anything is broken")
      writeFileSync(pointer, whole.subarray(0, Math.floor(whole.length / 2)))
      const torn = await ask()
      check(torn.code === 7, `the operator's command ended with ${torn.code}: ${torn.stderr}`)
      const sentence = sentenceOf(torn, /cannot be reached|No server runs on/i)
      check((await stage.stop(server)) === 0, "it did not stop cleanly")
      writeFileSync(pointer, "")
      // What a killed server left is written anew by the next one.
      const next = stage.startServer(folder)
      await stage.ready(next)
      check((await ask()).code === 0, "the operator's command fails after the next start")
      check((await stage.stop(next)) === 0, "it did not stop cleanly afterwards")
      return { exit: torn.code, sentence }
    },
  },
  serverClockJumps,
  {
    name: "mail-server-that-hangs",
    run: async (stage) => {
      const sockets = new Set<{ destroy: () => void }>()
      const hung = createServer((socket) => void sockets.add(socket)).listen(0, "127.0.0.1")
      await new Promise((resolve) => hung.once("listening", resolve))
      const address = hung.address()
      const port = typeof address === "object" && address !== null ? address.port : 0
      const folder = stage.server()
      const server = stage.startServer(folder, { environment: { KF_MAIL_URL: `smtp://127.0.0.1:${port}` } })
      await stage.ready(server)
      const device = await stage.open(stage.device().profile)
      must(await device.unlock(PASSWORD))
      must(await device.syncNow())
      // A notice to the account's owner is queued, and the mail server takes the connection and says nothing.
      const startedMs = performance.now()
      const reset = await stage.operator(folder, ["user", "reset-2fa", "ada@example.org"])
      check(
        reset.code === 0 && performance.now() - startedMs < 10_000,
        `a request waited for the mail server: ${reset.stderr}`,
      )
      await eventually(async () => sockets.size > 0, "the mail is tried")
      const asked = performance.now()
      check((await device.devices()).ok, "the server does not answer while a mail hangs")
      check(performance.now() - asked < 5_000, "a request waited for the mail server")
      const stopped = performance.now()
      const code = await stage.stop(server)
      const tookMs = performance.now() - stopped
      for (const socket of sockets) socket.destroy()
      hung.close()
      check(code === 0 && tookMs < 20_000, `it took ${Math.round(tookMs)} ms to stop, with ${code}`)
      // What waited leaves once there is a mail server.
      await using catcher = await startSmtpCatcher()
      const next = stage.startServer(folder, { environment: { KF_MAIL_URL: catcher.url } })
      await stage.ready(next)
      const mail = await catcher.waitForMail(({ to }) => to.includes("ada@example.org"), 60_000)
      check(mail.subject !== "", "a mail without a subject")
      check((await stage.stop(next)) === 0, "it did not stop cleanly")
      return { exit: code, sentence: `answers at once, stops in ${(tookMs / 1000).toFixed(1)} s` }
    },
  },
  {
    name: "strongroom-dies-in-mid-call",
    run: async (stage) => {
      const folder = stage.server()
      const server = stage.startServer(folder)
      await stage.ready(server)
      const device = await stage.open(stage.device().profile)
      must(await device.unlock(PASSWORD))
      const codes = new Set<string>()
      for (let i = 0; i < 5; i++) {
        must(
          await device.add({
            kind: "note",
            title: `Between ${i}`,
            fields: [{ name: "text", value: "x".repeat(20_000), secret: true }],
          }),
        )
        const sending = device.syncNow()
        const child = await strongroomOf(server.pid)
        process.kill(child, "SIGKILL")
        codes.add(codeOf(await sending))
        await eventually(async () => codeOf(await device.syncNow()) === "ok", "sync after the restart")
      }
      check(
        [...codes].every((code) => ["ok", "strongroom-unavailable", "busy", "internal", "timed-out"].includes(code)),
        `answered ${[...codes].join()}`,
      )
      check(!codes.has("internal"), "a strongroom that went away was told as a defect")
      check(!server.hasExited(), "the server ended with its strongroom")
      const list = must(await device.list())
      check(
        list.filter((item) => item.title.startsWith("Between")).length === 5 &&
          list.every((item) => item.custody === "synced"),
        "not each edit exactly once",
      )
      check((await stage.stop(server)) === 0, "it did not stop cleanly")
      await startsAgain(stage, folder)
      return { exit: [...codes].sort().join(", "), sentence: "started again by itself; every edit there exactly once" }
    },
  },
  {
    name: "server-dies-between-commit-and-publish",
    run: async (stage) => {
      const folder = stage.server()
      const server = stage.startServer(folder, {
        runtimeArgs: ["--import", join(import.meta.dirname, "die-at-notice.mjs")],
        environment: { KF_DIE_FILE: join(folder, "die") },
      })
      await stage.ready(server)
      const writer = await stage.open(stage.device().profile)
      must(await writer.unlock(PASSWORD))
      must(await writer.syncNow())
      must(await writer.add({ kind: "note", title: "Committed", fields: [{ name: "text", value: "1", secret: true }] }))
      writeFileSync(join(folder, "die"), "")
      const lost = codeOf(await writer.syncNow())
      const exit = await server.exited
      check(exit.signal === "SIGKILL", "it did not die at the notice")
      rmSync(join(folder, "die"))
      await eventually(async () => !childAlive(server.pid), "the strongroom outlives its server")
      const next = stage.startServer(folder)
      await stage.ready(next)
      // Nobody was told of the commit; whoever asks next sees it, and the writer's own retry stores nothing twice.
      const reader = await stage.open(stage.device().profile)
      must(await reader.unlock(PASSWORD))
      must(await reader.syncNow())
      const seen = must(await reader.list())
      check(seen.filter((item) => item.title === "Committed").length === 1, "the committed item is not there once")
      must(await writer.syncNow())
      const own = must(await writer.list())
      check(
        own.filter((item) => item.title === "Committed").length === 1 && own.every((item) => item.custody === "synced"),
        "the writer does not agree",
      )
      check((await stage.stop(next)) === 0, "it did not stop cleanly")
      return { exit: lost, sentence: "committed, not published, seen by the next to ask; stored once" }
    },
  },
]

const copyInto = (from: string, to: string): void => {
  for (const name of readdirSync(from)) renameOrCopy(join(from, name), join(to, name))
}
const renameOrCopy = (from: string, to: string): void => {
  if (lstatSync(from).isDirectory()) {
    if (!existsSync(to)) mkdirSync(to, { mode: 0o700 })
    copyInto(from, to)
  } else if (lstatSync(from).isFile()) writeFileSync(to, readFileSync(from), { mode: 0o600 })
}

/** Everything that a push writes: chains, leaves, records. Read from a copy, beside the running server. */
const vaultsOf = (folder: string): string => {
  const copy = mkdtempSync(join(tmpdir(), "kf-look-"))
  try {
    for (const suffix of ["", "-wal"])
      copyFileSync(join(folder, "strongroom", `strongroom.db${suffix}`), join(copy, `x.db${suffix}`))
    const tables = rowsOf(join(copy, "x.db")).split("\n\n")
    return tables.filter((table) => /^(vault|vault_link|leaf|trie_node|record)\n/.test(table)).join("\n\n")
  } finally {
    rmSync(copy, { recursive: true, force: true })
  }
}

const without = (contents: ReadonlyMap<string, string>, own: RegExp): ReadonlyMap<string, string> =>
  new Map([...contents].filter(([name]) => !own.test(name)))

const checkNothingLost = (before: string, after: string): void => {
  const rows = new Set(after.split("\n"))
  const lost = before.split("\n").filter((row) => !rows.has(row))
  check(lost.length === 0, `rows are gone: ${lost.join("; ").slice(0, 300)}`)
}

const strongroomOf = async (pid: number): Promise<number> => {
  let found: number | undefined
  await eventually(async () => {
    found = childrenOf(pid).find(({ command }) => command.includes("strongroom"))?.pid
    return found !== undefined
  }, "a strongroom")
  return found ?? 0
}
const childAlive = (pid: number): boolean => childrenOf(pid).some((child) => isAlive(child.pid))

const eventually = async (holds: () => Promise<boolean>, what: string, timeoutMs = 60_000): Promise<void> => {
  const end = performance.now() + timeoutMs
  while (!(await holds())) {
    check(performance.now() < end, `${what}: not within ${timeoutMs / 1000} s`)
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}
