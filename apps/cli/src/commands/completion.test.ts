import { execFileSync } from "node:child_process"

import { expect, test } from "vitest"

import { ok } from "@keyferry/base"

import { FAKE_STATUS, fakeDevice, fakeItem, fakeKeyferry } from "../test/fake-keyferry.ts"
import { runCommand } from "../test/run-command.ts"

const keyferry = fakeKeyferry({
  list: async () => ok([fakeItem({ title: "Bybit main" }), fakeItem({ title: "Bank\u001b[2J" })]),
  devices: async () => ok([fakeDevice()]),
})

const complete = async (
  words: readonly string[],
  over: Parameters<typeof runCommand>[1] = { keyferry, place: "agent" },
) => {
  const ran = await runCommand(["__complete", "--", ...words], over)
  expect(ran.exit).toBe(0)
  expect(ran.stderr).toBe("")
  return ran.stdout.split("\n").filter(Boolean)
}

test("commands, subcommands, flags, kinds and fields are completed", async () => {
  expect(await complete(["sy"])).toEqual(["synced", "sync"])
  expect(await complete(["device", "re"])).toEqual(["rename", "remove"])
  expect(await complete(["device", "remove", "phone", "--reason", ""])).toEqual(["retired", "lost", "unknown"])
  expect(await complete(["get", "--re"])).toEqual(["--reveal"])
  expect(await complete(["add", "exch"])).toEqual(["exchange-key"])
  expect(await complete(["add", "login", "Shop", "user"])).toEqual(["username="])
  expect(await complete(["no-such-command", ""])).toEqual([])
})

test("names of items and devices come from the agent, printable", async () => {
  expect(await complete(["read", "b"])).toEqual(["Bybit main", "Bank [2J"])
  expect(await complete(["device", "remove", ""])).toEqual(["phone"])
})

test("a locked vault, or no agent, completes no names", async () => {
  const locked = fakeKeyferry({
    status: async () => ({ ...FAKE_STATUS, lock: "locked" }),
    list: async () => ok([fakeItem()]),
  })
  expect(await complete(["read", ""], { keyferry: locked, place: "agent" })).toEqual([])
  expect(await complete(["read", ""], { keyferry, place: "process" })).toEqual([])
})

test("the script for bash is one that bash reads", async () => {
  const { stdout } = await runCommand(["completion", "bash"], { keyferry })
  expect(() => execFileSync("bash", ["-n"], { input: stdout })).not.toThrow()
  const completed = execFileSync(
    "bash",
    [
      "-c",
      `${stdout}\nkf() { printf '%s\\n' "$@" "two words"; }\nCOMP_WORDS=(kf get By); COMP_CWORD=2; _kf; printf '%s|' "\${COMPREPLY[@]}"`,
    ],
    { encoding: "utf8" },
  )
  expect(completed).toBe("__complete|--|get|By|two\\ words|")
})
