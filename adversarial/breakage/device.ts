import { lstatSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs"
import { createServer } from "node:net"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"

import type { FinishedProcess, Home } from "@keyferry/testkit"

import {
  type Breakage,
  check,
  checkSame,
  codeOf,
  contentsOf,
  fillDisk,
  PASSWORD,
  ruinPages,
  SECRET,
  sentenceOf,
  type Stage,
} from "./stage.ts"

/*
 * A device whose disk, files or clock are broken: what `kf` says, its exit code, and that nothing was lost or half written.
 */
const ADD = ["add", "note", "New"] as const
const addInput = `password=${PASSWORD}\nfield:text=a new secret\n`

const add = (stage: Stage, home: Home): Promise<FinishedProcess> =>
  stage.kf(home, [...ADD, "text=-"], { input: addInput })
const list = (stage: Stage, home: Home): Promise<FinishedProcess> => stage.kf(home, ["ls"])

const checkExit = (done: FinishedProcess, code: number, what: string): void =>
  check(done.code === code, `${what} ended with ${done.code}, not ${code}: ${done.stderr.slice(0, 500)}`)

/** The device is as it was, and works again. */
const checkWhole = async (stage: Stage, home: Home, titles: readonly string[]): Promise<void> => {
  const shown = await list(stage, home)
  checkExit(shown, 0, "kf ls afterwards")
  for (const title of titles) check(shown.stdout.includes(title), `${title} is gone: ${shown.stdout}`)
  check(!shown.stdout.includes("New"), "the item that was refused is there")
}

/** A file in every state in which a power cut can leave it: empty, half, and with a ruined middle. */
const torn = (
  name: string,
  file: string,
  expected: { readonly exit: number; readonly sentence: RegExp },
): readonly Breakage[] =>
  (["empty", "half"] as const).map((how) => ({
    name: `torn-${name}-${how}`,
    run: async (stage) => {
      const { home, profile } = stage.device()
      const path = join(profile, file)
      truncateSync(path, how === "empty" ? 0 : Math.floor(lstatSync(path).size / 2))
      const before = contentsOf(profile)
      const done = await list(stage, home)
      checkExit(done, expected.exit, "kf ls")
      const sentence = sentenceOf(done, expected.sentence)
      checkSame(before, contentsOf(profile), "the profile")
      return { exit: done.code, sentence }
    },
  }))

export const breakages: readonly Breakage[] = [
  {
    name: "device-full-disk",
    run: async (stage) => {
      const { home, profile } = stage.localDevice()
      const kept = [...contentsOf(profile).keys()].map((name) => [name, readFileSync(join(profile, name))] as const)
      stage.mountSmall(profile, 4)
      for (const [name, bytes] of kept) writeFileSync(join(profile, name), bytes, { mode: 0o600 })
      // The lock files of a first run exist before the disk is full; the rest is taken.
      await checkWhole(stage, home, ["Wi-Fi"])
      fillDisk(profile)
      const before = contentsOf(profile, /^filler$/)
      const refused = await add(stage, home)
      checkExit(refused, 1, "kf add")
      const sentence = sentenceOf(refused, /disk is full/i)
      // Without room for the index of its log SQLite does not even read; it is said, and nothing is changed.
      const read = await stage.kf(home, ["ls"])
      checkExit(read, 1, "kf ls on a full disk")
      sentenceOf(read, /disk is full/i)
      checkSame(before, contentsOf(profile, /^filler$/), "the profile")
      rmSync(join(profile, "filler"))
      await checkWhole(stage, home, ["Wi-Fi"])
      checkExit(await add(stage, home), 0, "kf add with room again")
      return { exit: refused.code, sentence }
    },
  },
  {
    name: "device-read-only",
    run: async (stage) => {
      const { home, profile } = stage.localDevice()
      const before = contentsOf(profile)
      stage.mountReadOnly(profile)
      const refused = await add(stage, home)
      checkExit(refused, 1, "kf add")
      const sentence = sentenceOf(refused, /cannot be written/i)
      const json = await stage.kf(home, ["ls", "--json"])
      check(
        json.stdout.includes("store-read-only") || json.stderr.includes("store-read-only"),
        `not the code: ${json.stdout}${json.stderr}`,
      )
      stage.mountWritable(profile)
      checkSame(before, contentsOf(profile), "the profile")
      await checkWhole(stage, home, ["Wi-Fi"])
      return { exit: refused.code, sentence }
    },
  },
  {
    name: "device-corrupt-pages",
    run: async (stage) => {
      const { home, profile } = stage.device()
      ruinPages(join(profile, "device.db"))
      const before = contentsOf(profile)
      const done = await list(stage, home)
      checkExit(done, 11, "kf ls")
      const sentence = sentenceOf(done, /damaged/i)
      checkSame(before, contentsOf(profile), "the profile")
      return { exit: done.code, sentence }
    },
  },
  {
    name: "device-changed-row",
    run: async (stage) => {
      const { home, profile } = stage.localDevice()
      const db = new DatabaseSync(join(profile, "device.db"))
      const row = db.prepare("SELECT key, value FROM rows WHERE tbl = 'page' AND key <> 'index'").get()
      const value = row?.["value"] as Uint8Array
      value[value.length - 20] = (value[value.length - 20] ?? 0) ^ 1
      db.prepare("UPDATE rows SET value = ? WHERE tbl = 'page' AND key = ?").run(value, String(row?.["key"]))
      db.close()
      const before = contentsOf(profile)
      const done = await list(stage, home)
      checkExit(done, 11, "kf ls")
      const sentence = sentenceOf(done, /damaged/i)
      checkSame(before, contentsOf(profile), "the profile")
      return { exit: done.code, sentence }
    },
  },
  {
    name: "device-newer-schema",
    run: async (stage) => {
      const { home, profile } = stage.device()
      const db = new DatabaseSync(join(profile, "device.db"))
      db.exec("PRAGMA user_version = 99")
      db.close()
      const before = contentsOf(profile)
      const done = await list(stage, home)
      checkExit(done, 12, "kf ls")
      const sentence = sentenceOf(done, /newer version/i)
      checkSame(before, contentsOf(profile), "the profile")
      return { exit: done.code, sentence }
    },
  },
  {
    name: "device-wrong-secret",
    run: async (stage) => {
      const { home, profile } = stage.localDevice()
      const other = stage.device()
      writeFileSync(join(profile, "device.secret"), readFileSync(join(other.profile, "device.secret")))
      const before = contentsOf(profile)
      const done = await list(stage, home)
      checkExit(done, 4, "kf ls")
      const sentence = sentenceOf(done, /does not open/i)
      checkSame(before, contentsOf(profile), "the profile")
      return { exit: done.code, sentence }
    },
  },
  ...torn("device-db", "device.db", { exit: 11, sentence: /damaged/i }),
  ...torn("device-secret", "device.secret", { exit: 11, sentence: /secret is damaged/i }),
  {
    name: "torn-device-wal",
    run: async (stage) => {
      const { home, profile } = stage.localDevice()
      // A write that was on its way when the power went: SQLite takes whole commits of the log and nothing else.
      const path = join(profile, "device.db")
      const writer = new DatabaseSync(path)
      writer.exec("PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=0")
      writer.exec("INSERT INTO rows (tbl, key, value) VALUES ('old', 'x', zeroblob(9000))")
      const log = readFileSync(`${path}-wal`)
      writer.close()
      writeFileSync(`${path}-wal`, log.subarray(0, Math.floor(log.length * 0.6)))
      await checkWhole(stage, home, ["Wi-Fi"])
      return { exit: 0, sentence: "opens as of the last whole write" }
    },
  },
  {
    name: "torn-agent-file",
    run: async (stage) => {
      const { home, profile } = stage.localDevice()
      const agent = { environment: { KF_NO_AGENT: "" } }
      const first = await stage.kf(home, ["ls"], agent)
      checkExit(first, 0, "kf ls with an agent")
      const path = join(profile, "agent.json")
      const whole = readFileSync(path)
      writeFileSync(path, whole.subarray(0, Math.floor(whole.length / 2)))
      // Its agent lives, holds the lock, and cannot be found by half a file: that is said, or it is found again.
      const second = await stage.kf(home, ["ls"], agent)
      const sentence = second.code === 0 ? "found again" : sentenceOf(second, /holds this profile|does not answer/i)
      writeFileSync(path, whole)
      checkExit(await stage.kf(home, ["agent", "stop"], agent), 0, "kf agent stop")
      // Left over from an agent that is gone: the next one takes its place.
      writeFileSync(path, whole.subarray(0, 10))
      checkExit(await stage.kf(home, ["ls"], agent), 0, "kf ls beside a leftover")
      checkExit(await stage.kf(home, ["agent", "stop"], agent), 0, "kf agent stop")
      await checkWhole(stage, home, ["Wi-Fi"])
      return { exit: second.code, sentence }
    },
  },
  {
    name: "torn-replacement-of-the-store",
    run: async (stage) => {
      // A new store was being filled when the power went: the old one is the vault, and the half one is never opened.
      const { home, profile } = stage.device()
      const bytes = readFileSync(join(profile, "device.db"))
      writeFileSync(join(profile, "device.db.new"), bytes.subarray(0, Math.floor(bytes.length / 2)))
      writeFileSync(join(profile, "device.db.new-wal"), "half a log")
      writeFileSync(join(profile, "device.secret.new"), "half")
      const shown = await list(stage, home)
      checkExit(shown, 0, "kf ls")
      check(shown.stdout.includes("Shop"), "the items are gone")
      return { exit: shown.code, sentence: "the old store is the vault" }
    },
  },
  {
    name: "torn-archive",
    run: async (stage) => {
      const { home, profile } = stage.localDevice()
      const path = join(stage.folder("away"), "keys.age")
      const input = `password=${PASSWORD}\narchive-passphrase=five words in a row\n`
      checkExit(await stage.kf(home, ["export", "archive", "-o", path], { input }), 0, "kf export archive")
      const whole = readFileSync(path)
      const other = stage.device()
      const before = contentsOf(profile)
      let last = { exit: 0, sentence: "" }
      for (const bytes of [0, 100, Math.floor(whole.length / 2), whole.length - 1]) {
        writeFileSync(path, whole.subarray(0, bytes))
        const torn = await stage.kf(home, ["import", "archive", path], { input })
        check(torn.code !== 0, `an archive cut to ${bytes} bytes was taken`)
        last = { exit: torn.code, sentence: sentenceOf(torn, /^kf: .*(archive|file|passphrase)/i) }
        checkSame(before, contentsOf(profile), "the profile")
      }
      // Cut while it is written: the old file stays, since the new one gets its name last.
      const away = stage.folder("small")
      stage.mountSmall(away, 1)
      writeFileSync(join(away, "keys.age"), whole)
      fillDisk(away)
      const refused = await stage.kf(home, ["export", "archive", "-o", join(away, "keys.age")], { input })
      check(refused.code !== 0, "an archive was written to a full disk")
      check(readFileSync(join(away, "keys.age")).equals(whole), "the archive that was there is another")
      writeFileSync(path, whole)
      checkExit(
        await stage.kf(other.home, ["import", "archive", path], { input }),
        0,
        "kf import archive of the whole one",
      )
      return last
    },
  },
  {
    name: "device-clock-ahead",
    run: async (stage) => {
      const folder = stage.server()
      const { home } = stage.device()
      const server = stage.startServer(folder)
      await stage.ready(server)
      // Three days ahead: requests are signed once more with the server's time, and everything goes on.
      const done = await stage.kf(home, ["sync"], clockOf(3 * 86_400_000))
      checkExit(done, 0, "kf sync with a clock three days ahead")
      const sentence = sentenceOf(done, /Sent 0, received 0/)
      check((await stage.stop(server)) === 0, "the server did not stop cleanly")
      return { exit: done.code, sentence }
    },
  },
  {
    name: "device-clock-back-offline",
    run: async (stage) => {
      const { home, profile } = stage.device()
      // Without a server: what the grace allows opens now, and not after the clock was set back.
      const now = await stage.kf(home, ["ls"])
      checkExit(now, 0, "kf ls offline")
      const before = contentsOf(profile, /^device\.db$/)
      const back = await stage.kf(home, ["ls"], clockOf(-2 * 86_400_000))
      checkExit(back, 4, "kf ls with a clock two days back")
      const sentence = sentenceOf(back, /clock of this device went back/i)
      checkSame(before, contentsOf(profile, /^device\.db$/), "the profile")
      checkExit(await stage.kf(home, ["ls"]), 0, "kf ls with the right clock again")
      return { exit: back.code, sentence }
    },
  },
  {
    name: "device-clock-past-the-grace",
    run: async (stage) => {
      const { home } = stage.device()
      const late = await stage.kf(home, ["ls"], clockOf(30 * 86_400_000))
      checkExit(late, 4, "kf ls a month later, offline")
      const sentence = sentenceOf(late, /offline longer than its grace/i)
      // Set back afterwards it stays closed: the end was seen.
      checkExit(await stage.kf(home, ["ls"]), 4, "kf ls with the clock set back")
      const server = stage.startServer(stage.server())
      await stage.ready(server)
      const shown = await stage.kf(home, ["ls"])
      checkExit(shown, 0, "kf ls once the server answers")
      check(shown.stdout.includes("Shop"), "the items are gone")
      await stage.stop(server)
      return { exit: late.code, sentence }
    },
  },
  {
    name: "server-that-hangs",
    run: async (stage) => {
      const { home, profile } = stage.device()
      const hung = createServer(() => undefined).listen(stage.port, "127.0.0.1")
      await new Promise((resolve) => hung.once("listening", resolve))
      const before = contentsOf(profile, /^device\.db$/)
      const done = await stage.kf(home, ["sync", "--timeout", "3"])
      hung.close()
      hung.unref()
      checkExit(done, 124, "kf sync with --timeout 3")
      const sentence = sentenceOf(done, /did not answer in time/i)
      checkSame(before, contentsOf(profile, /^device\.db$/), "the profile")
      const again = await stage.kf(home, ["read", "Shop", "password"])
      checkExit(again, 0, "kf read offline")
      check(again.stdout.trim() === SECRET, "the secret is another")
      return { exit: done.code, sentence }
    },
  },
  {
    name: "answer-lost",
    run: async (stage) => {
      // The server takes the change and dies before it says so: sent once more, it is there once.
      const folder = stage.server()
      const server = stage.startServer(folder)
      await stage.ready(server)
      const { profile } = stage.device()
      const device = await stage.open(profile)
      check((await device.unlock(PASSWORD)).ok, "does not open")
      check(
        (await device.add({ kind: "note", title: "Once", fields: [{ name: "text", value: "1", secret: true }] })).ok,
        "not added",
      )
      const sending = device.syncNow()
      await server.killHard()
      const lost = codeOf(await sending)
      const next = stage.startServer(folder)
      await stage.ready(next)
      const settled = codeOf(await device.syncNow())
      check(settled === "ok", `sync after the restart: ${settled}`)
      const shown = await device.list()
      check(shown.ok && shown.value.filter((item) => item.title === "Once").length === 1, "not exactly once")
      check(
        shown.value.every((item) => item.custody === "synced"),
        "something still waits",
      )
      await stage.stop(next)
      return { exit: lost, sentence: "sent again, stored once" }
    },
  },
]

const CLOCK = join(import.meta.dirname, "moved-clock.mjs")
const clockOf = (aheadMs: number) => ({
  environment: { KF_CLOCK_AHEAD_MS: String(aheadMs), NODE_OPTIONS: `--import ${CLOCK}` },
})
