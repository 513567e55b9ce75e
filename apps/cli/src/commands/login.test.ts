import { err, ok } from "@keyferry/base"
import { failure } from "@keyferry/sdk/errors"
import { expect, test } from "vitest"

import type { Keyferry } from "../keyferry.ts"
import { FAKE_KIT, FAKE_STATUS, fakeEnrolment, NO_ACCOUNT, SCAN } from "../test/fake-keyferry.ts"
import { calls, run } from "../test/run-fake.ts"

const NONE = {
  status: async () => ({ ...FAKE_STATUS, mode: "none", lock: "no-vault" }) as const,
} satisfies Partial<Keyferry>

test("joining goes second factor, confirmation, kit; each asked once", async () => {
  const states = [
    fakeEnrolment({ step: "confirm", code: "123456", mail: "queued", mailedTo: "a…@e….com" }),
    fakeEnrolment({ step: "keys" }),
  ]
  const joined = await run(
    ["login", "https://keys.example.com/some/path?x=1", "--address", "ada@example.com"],
    {
      ...NONE,
      status: async () => NO_ACCOUNT,
      loginStart: async (input) => {
        expect(input.server).toBe("https://keys.example.com")
        return ok(fakeEnrolment())
      },
      loginSecondFactor: async (kind, code) =>
        kind === "totp" && code === "111222"
          ? ok(fakeEnrolment({ step: "confirm" }))
          : err(failure("second-factor-wrong")),
      requestMail: async () => ok({ mail: "queued", mailedTo: "a…@e….com", code: "123456", nextInS: 60 }),
      confirmation: async () => ok(states.shift() ?? fakeEnrolment({ step: "keys" })),
      finishWithKit: async (code) => (code === FAKE_KIT.code ? ok(undefined) : err(failure("kit-code-wrong"))),
    },
    { answers: ["password", "111 222", "KF1-WRONG", FAKE_KIT.code] },
  )
  expect(joined.exit).toBe(0)
  expect(joined.stderr).toContain("123 456")
  expect(joined.stderr).toContain("This is not the kit code")
  expect(joined.stdout).toContain("in the account ada@example.com")
})

test("without a person joining stops at the confirmation with the code and exit 8, and asks for no second mail", async () => {
  let mails = 0
  const keyferry: Partial<Keyferry> = {
    status: async () => ({
      ...NO_ACCOUNT,
      enrolment: fakeEnrolment({ step: "confirm", code: "123456", mail: "queued" }),
    }),
    confirmation: async () => ok(fakeEnrolment({ step: "confirm", code: "123456", mail: "queued" })),
    requestMail: async () => {
      mails++
      return ok({ mail: "queued", mailedTo: "a…@e….com", code: "654321", nextInS: 60 })
    },
  }
  const stopped = await run(["login", "--json"], keyferry)
  expect(stopped.exit).toBe(8)
  expect(JSON.parse(stopped.stdout)).toMatchObject({ schema: "kf.enrolment/1", step: "confirm", code: "123456" })
  expect(JSON.parse(stopped.stderr)).toMatchObject({ code: "device-not-verified", exit: 8 })
  expect(mails).toBe(0)
  await run(["login", "--resend"], keyferry)
  expect(mails).toBe(1)
})

test("words: shown here, then two reply words typed here bring the keys", async () => {
  const seen = calls()
  const keyferry: Partial<Keyferry> = {
    status: async () => ({ ...NO_ACCOUNT, enrolment: fakeEnrolment({ step: "confirm", approver: true }) }),
    confirmation: async () => ok(fakeEnrolment({ step: "confirm", approver: true })),
    approvalScan: async () => ok({ text: SCAN }),
    approvalWords: async () => ok({ words: ["wide", "cube", "regal"], scan: SCAN }),
    approvalReply: async (reply) => {
      seen.of("reply")(reply)
      return ok(undefined)
    },
  }
  const person = await run(["login"], keyferry, { answers: ["1", "Gamma - lake"] })
  expect(person.exit).toBe(0)
  expect(person.stderr).toContain("wide  cube  regal")
  expect(person.stderr).toContain("█")
  expect(person.stderr).toContain(`kf device approve --qr "${SCAN}"`)
  const first = await run(["login", "--by", "words"], keyferry)
  expect(first).toMatchObject({ exit: 9, stdout: "wide cube regal\n" })
  const second = await run(["login", "--by", "words", "--secrets-stdin"], keyferry, { stdin: "reply=gamma lake\n" })
  expect(second.exit).toBe(0)
  expect(seen.list).toEqual([
    ["reply", "Gamma - lake"],
    ["reply", "gamma lake"],
  ])
})

test("the reason for which an enrolment ended is the failure", async () => {
  const ended = await run(["login", "--wait"], {
    status: async () => ({
      ...NO_ACCOUNT,
      enrolment: fakeEnrolment({ step: "confirm", code: "123456", mail: "queued" }),
    }),
    confirmation: async () => ok(fakeEnrolment({ step: "confirm", reason: "device-rejected" })),
  })
  expect(ended.exit).toBe(5)
})

test("a later run notices that the device was confirmed in between", async () => {
  const finished = await run(
    ["login", "--secrets-stdin"],
    {
      status: async () => ({
        ...NO_ACCOUNT,
        enrolment: fakeEnrolment({ step: "confirm", code: "123456", mail: "queued" }),
      }),
      confirmation: async () => ok(fakeEnrolment({ step: "keys" })),
      finishWithKit: async () => ok(undefined),
    },
    { stdin: `kit=${FAKE_KIT.code}\n` },
  )
  expect(finished.exit).toBe(0)
})

test("kf login says so where the only second factor is a passkey", async () => {
  const state = fakeEnrolment({ factors: ["passkey"] })
  const login = await run(
    ["login", "https://keys.example.com", "--address", "ada@example.com", "--password-stdin"],
    {
      loginStart: async () => ok(state),
    },
    { stdin: "pw" },
  )
  expect(login.exit).toBe(4)
  expect(login.stderr).toContain("--lost-factor")
})
