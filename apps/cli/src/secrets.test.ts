import { expect, test } from "vitest"

import { ok } from "@keyferry/base"

import type { Prompter } from "./prompt.ts"
import { createSecretIntake, parseSecretLines } from "./secrets.ts"

const bytes = (text: string) => () => new TextEncoder().encode(text)

const prompterSaying = (...answers: string[]): { prompter: Prompter; asked: string[] } => {
  const asked: string[] = []
  const answer = async (question: string) => {
    asked.push(question)
    return ok(answers.shift() ?? "")
  }
  return {
    asked,
    prompter: {
      text: answer,
      hidden: answer,
      confirm: async () => ok(true),
      choose: async () => ok(0),
      show: () => undefined,
    },
  }
}

test("lines give secrets by name; values keep their spaces and equals signs", () => {
  const parsed = parseSecretLines("# for ada\npassword= a=b \r\nfield:secret=x\n\n")
  expect(parsed.ok && [...parsed.value]).toEqual([
    ["password", " a=b "],
    ["field:secret", "x"],
  ])
})

test.each([
  ["hunter2-without-a-name"],
  ["pasword=hunter2-typo"],
  ["=hunter2-empty-name"],
  ["password=hunter2\npassword=hunter2"],
  ["password="],
])("a line that cannot be read is refused without repeating it: %j", (text) => {
  const parsed = parseSecretLines(text)
  expect(parsed.ok).toBe(false)
  expect(JSON.stringify(parsed)).not.toContain("hunter2")
})

test("the whole of stdin is the password, without its last line break", async () => {
  const intake = createSecretIntake({
    settings: { secrets: { form: "password", fd: 0 }, noInput: false },
    prompter: undefined,
    readFd: bytes("pass word \r\n"),
  })
  expect(await intake.ask("password", { prompt: "?" })).toEqual(ok("pass word "))
})

test("a secret that was given is not asked for, one that was not is", async () => {
  const { prompter, asked } = prompterSaying("123456")
  const intake = createSecretIntake({
    settings: { secrets: { form: "lines", fd: 5 }, noInput: false },
    prompter,
    readFd: bytes("password=p"),
  })
  expect(await intake.ask("password", { prompt: "Password?" })).toEqual(ok("p"))
  expect(await intake.ask("code", { prompt: "Code?", shown: true })).toEqual(ok("123456"))
  expect(asked).toEqual(["Code?"])
})

test("a new password is asked twice until both are the same", async () => {
  const { prompter, asked } = prompterSaying("one", "two", "same", "same")
  const intake = createSecretIntake({ settings: { secrets: undefined, noInput: false }, prompter })
  expect(await intake.ask("new-password", { prompt: "New?", twice: true })).toEqual(ok("same"))
  expect(asked).toEqual(["New?", "Once more:", "New?", "Once more:"])
})

test("with nobody to ask the answer is a failure that names the way, never a wait", async () => {
  const intake = createSecretIntake({ settings: { secrets: undefined, noInput: false }, prompter: undefined })
  const asked = await intake.ask("kit", { prompt: "Kit?" })
  expect(asked).toMatchObject({ ok: false, error: { code: "needs-terminal" } })
  expect(!asked.ok && asked.error.detail).toContain("kit=…")
})

test("--no-input silences a person who is there", async () => {
  const { prompter, asked } = prompterSaying("x")
  const intake = createSecretIntake({ settings: { secrets: undefined, noInput: true }, prompter })
  expect((await intake.ask("password", { prompt: "?" })).ok).toBe(false)
  expect(asked).toEqual([])
})

test("stdin belongs to one thing", () => {
  const intake = createSecretIntake({
    settings: { secrets: { form: "lines", fd: 0 }, noInput: false },
    prompter: undefined,
    readFd: bytes("password=p"),
  })
  expect(intake.given("password")).toEqual(ok("p"))
  expect(intake.stdin("secret=-")).toMatchObject({ ok: false, error: { code: "usage-wrong" } })
})

test("bytes that are not text are refused", () => {
  const intake = createSecretIntake({
    settings: { secrets: { form: "lines", fd: 0 }, noInput: false },
    prompter: undefined,
    readFd: () => Uint8Array.of(0x70, 0xff),
  })
  expect(intake.given("password").ok).toBe(false)
})
