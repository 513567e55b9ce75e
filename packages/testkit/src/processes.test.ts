import { rmSync } from "node:fs"
import process from "node:process"
import { afterAll, expect, test, vi } from "vitest"
import { childrenOf, createHome, isAlive, runProcess, startProcess } from "./processes.ts"

const home = createHome("processes")
afterAll(() => rmSync(home.path, { recursive: true }))
const node = (code: string, rest: object = {}) => ({ command: process.execPath, args: ["-e", code], home, ...rest })

test("a process has its own home and nothing of ours", async () => {
  process.env["KF_PLANTED"] = "ours"
  const finished = await runProcess(
    node("console.log(process.env.HOME, process.env.KF_PLANTED, process.env.KF_GIVEN)", {
      environment: { KF_GIVEN: "given" },
    }),
  )
  delete process.env["KF_PLANTED"]
  expect(finished).toEqual({ code: 0, signal: undefined, stdout: `${home.path} undefined given\n`, stderr: "" })
})

test("a printed line is waited for, and stdin is fed", async () => {
  await using running = startProcess(
    node(
      "process.stdin.on('data', (d) => { console.error('got ' + d); process.exit(3) })\nconsole.log('ready in 1 s')",
      { keepStdin: true },
    ),
  )
  expect((await running.waitForLine(/^ready in (\d)/))[1]).toBe("1")
  running.write("hello")
  await running.waitForLine(/^got hello/)
  await running.expectExit(3)
})

test("without input stdin is empty, so that nothing waits for a person", async () => {
  expect((await runProcess(node("process.stdin.on('end', () => process.exit(4)).resume()"))).code).toBe(4)
})

test("a line that never comes fails with the output, at the end or after the time", async () => {
  await using ends = startProcess(node("console.log('only this')"))
  await expect(ends.waitForLine(/never/)).rejects.toThrow(/ended without a line like \/never\/[\s\S]*only this/)
  await using stays = startProcess(node("setInterval(() => {}, 1000)"))
  await expect(stays.waitForLine(/never/, 100)).rejects.toThrow("within 100 ms")
})

test("a hard kill takes the children along", async () => {
  const running = startProcess(
    node(
      "require('child_process').spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'])\nconsole.log('up')\nsetInterval(() => {}, 1000)",
    ),
  )
  await running.waitForLine(/up/)
  const children = childrenOf(running.pid)
  expect(children.map((child) => child.command).join()).toContain("setInterval")
  expect(children.map((child) => isAlive(child.pid))).toEqual([true])
  expect(await running.killHard()).toEqual({ code: 137, signal: "SIGKILL" })
  await vi.waitFor(() => expect(children.filter((child) => isAlive(child.pid))).toEqual([]), 20_000)
})

test("another exit code, a missing program and a process that stays are errors", async () => {
  await expect(startProcess(node("process.exit(2)")).expectExit(0)).rejects.toThrow("ended with 2, not 0")
  await expect(runProcess({ command: "/nowhere/kf", home })).rejects.toThrow("could not start")
  await expect(runProcess(node("setInterval(() => {}, 1000)"), 200)).rejects.toThrow("still ran after 200 ms")
})
