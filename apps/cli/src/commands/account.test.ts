import { expect, test } from "vitest"

import { err, ok } from "@keyferry/base"
import { failure } from "@keyferry/sdk/errors"

import type { Keyferry } from "../keyferry.ts"
import {
  FAKE_ACCOUNT,
  FAKE_KIT,
  FAKE_STATUS,
  fakeDevice,
  fakeEnrolment,
  fakeItem,
  fakeKeyferry,
  fakeView,
} from "../test/fake-keyferry.ts"
import { type CommandWish, runCommand } from "../test/run-command.ts"

/* Words and flows of commands that need a server, against a stand-in for the SDK. */

const run = (argv: readonly string[], keyferry: Partial<Keyferry>, wish: Partial<CommandWish> = {}) =>
  runCommand(argv, { keyferry: fakeKeyferry(keyferry), ...wish })

const calls = (): { readonly list: unknown[][]; readonly of: (name: string) => (...args: unknown[]) => void } => {
  const list: unknown[][] = []
  return {
    list,
    of:
      (name) =>
      (...args) =>
        void list.push([name, ...args]),
  }
}

const WAITING = `dev_${"a".repeat(26)}`
const SCAN = `keyferry-device ${WAITING} ${"a".repeat(52)}`

const OTHER_ITEM = "itm_aiaqcaibaeaqcaibaeaqcaibae"
const NONE = {
  status: async () => ({ ...FAKE_STATUS, mode: "none", lock: "no-vault" }) as const,
} satisfies Partial<Keyferry>
const NO_ACCOUNT = (() => {
  const { account: _none, ...rest } = FAKE_STATUS
  return { ...rest, mode: "none", lock: "no-vault" } as const
})()

test("sign-up shows the kit once and says what comes next", async () => {
  const seen = calls()
  const signedUp = await run(
    ["signup", "https://keys.example.com/a/x", "--address", "ada@example.com", "--device-name", "laptop"],
    {
      status: async () => NO_ACCOUNT,
      signUp: async (input) => {
        seen.of("signUp")(input)
        return ok(FAKE_KIT)
      },
    },
    { answers: ["a good password", "a good password"] },
  )
  expect(signedUp.exit).toBe(0)
  expect(seen.list).toEqual([
    [
      "signUp",
      {
        link: "https://keys.example.com/a/x",
        address: "ada@example.com",
        password: "a good password",
        deviceName: "laptop",
      },
    ],
  ])
  expect(signedUp.stdout.split(FAKE_KIT.code)).toHaveLength(2)
  expect(signedUp.stderr).toContain("kf sync on")
})

test("sign-up on a device with a vault takes that vault's password, checked first", async () => {
  const wish = { stdin: "not the vault's" }
  const local = { ...NO_ACCOUNT, mode: "local", lock: "unlocked" } as const
  const refused = await run(
    ["signup", "https://keys.example.com/a/x", "--address", "a@b", "--password-stdin"],
    {
      status: async () => local,
      confirmPassword: async () => err(failure("wrong-password")),
      signUp: async () => ok(FAKE_KIT),
    },
    wish,
  )
  expect(refused.exit).toBe(4)
  expect(refused.stdout).toBe("")
})

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

test("kf device approve takes the text of the QR code, by option, at the prompt and from stdin, and no other text", async () => {
  const seen = calls()
  const device = fakeDevice({ name: "Desk", id: WAITING, state: "pending" })
  const keyferry: Partial<Keyferry> = {
    devices: async () => ok([fakeDevice(), device, fakeDevice({ name: "Other", state: "pending" })]),
    approveStart: async (id) => {
      seen.of("start")(id)
      return ok(undefined)
    },
    approve: async (id, typed) => {
      seen.of("approve")(id, typed)
      return ok({ reply: ["gamma", "lake"], done: Promise.resolve(ok(undefined)) })
    },
  }
  const byOption = await run(["device", "approve", "--qr", SCAN], keyferry)
  expect(byOption).toMatchObject({ exit: 0 })
  expect(byOption.stdout).toContain("gamma  lake")
  expect((await run(["device", "approve", "Desk"], keyferry, { answers: [SCAN] })).exit).toBe(0)
  const stdin = await run(["device", "approve", "Desk", "--secrets-stdin"], keyferry, { stdin: `words=${SCAN}\n` })
  expect(stdin.exit).toBe(0)
  expect((await run(["device", "approve", "--qr", "able acid aged"], keyferry)).exit).toBe(2)
  expect(seen.list).toEqual([
    ["approve", WAITING, SCAN],
    ["start", WAITING],
    ["approve", WAITING, SCAN],
    ["approve", WAITING, SCAN],
  ])
})

test("kf recover asks for the new password first, and after a stop of the agent for that one only", async () => {
  const seen = calls()
  const begun: Partial<Keyferry> = {
    status: async () => NO_ACCOUNT,
    recoverStart: async (input) => {
      seen.of("start")(input)
      return ok(fakeEnrolment({ purpose: "recovery", step: "second-factor", passwordChosen: true }))
    },
    loginSecondFactor: async () => err(failure("network-unreachable")),
  }
  const first = await run(["recover", "https://keys.example.com", "--device-name", "d"], begun, {
    answers: [FAKE_KIT.code, "a good password", "a good password", "123456"],
  })
  expect(first.exit).toBe(7)
  expect(seen.list).toEqual([
    [
      "start",
      { server: "https://keys.example.com", kitCode: FAKE_KIT.code, deviceName: "d", newPassword: "a good password" },
    ],
  ])

  let opened = false
  const keys = fakeEnrolment({ purpose: "recovery", step: "keys", passwordChosen: true })
  const again: Partial<Keyferry> = {
    status: async () =>
      opened
        ? { ...NO_ACCOUNT, mode: "local", lock: "unlocked", enrolment: keys }
        : { ...NO_ACCOUNT, mode: "local", lock: "locked" },
    unlock: async (password) => {
      seen.of("unlock")(password)
      opened = true
      return ok({ lock: "unlocked" })
    },
    recoverFinish: async (password) => {
      seen.of("finish")(password)
      return ok(FAKE_KIT)
    },
  }
  const second = await run(["recover"], again, { answers: ["a good password"] })
  expect(second.exit).toBe(0)
  expect(seen.list.slice(1)).toEqual([
    ["unlock", "a good password"],
    ["finish", undefined],
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

test("kf sync on without a second factor names the way out", async () => {
  const status = { ...FAKE_STATUS, account: { ...FAKE_ACCOUNT, factors: [] } }
  const on = await run(["sync", "on", "--items", "all"], { status: async () => status })
  expect(on.exit).toBe(8)
  expect(on.stderr).toContain("kf 2fa on")
})

test("what may withdraw is named when it begins to travel, and what does not travel is not", async () => {
  const withdraws = fakeItem({
    title: "Cold",
    kind: "exchange-key",
    summary: "Bybit · read, withdraw",
    policy: "local-only",
  })
  const trades = fakeItem({
    id: OTHER_ITEM,
    title: "Bot",
    kind: "exchange-key",
    summary: "Bybit · trade",
    policy: "local-only",
  })
  const keyferry: Partial<Keyferry> = {
    list: async () => ok([withdraws, trades]),
    setPolicy: async () => ok(undefined),
    syncOn: async () => ok({ uploaded: 1 }),
  }
  const synced = await run(["synced", "Cold", "Bot"], keyferry)
  expect(synced.stderr).toContain(`“Cold” can move money out`)
  expect(synced.stderr).toContain(`kf local ${withdraws.id}`)
  expect(synced.stderr).not.toContain("“Bot” can")
  expect((await run(["synced", "Bot"], keyferry)).stderr).not.toContain("money")
  expect((await run(["sync", "on", "--items", "all"], keyferry)).stderr).toContain("“Cold” can move money out")
  expect((await run(["sync", "on", "--items", "Bot"], keyferry)).stderr).not.toContain("money")
})

test("kf sync on uploads what was chosen and nothing before the choice", async () => {
  const items = [fakeItem({ title: "One" }), fakeItem({ id: "itm_aiaqcaibaeaqcaibaeaqcaibae", title: "Two" })]
  const seen = calls()
  const keyferry: Partial<Keyferry> = {
    list: async () => ok(items),
    syncOn: async (input, onProgress) => {
      seen.of("syncOn")(input)
      onProgress?.({ step: "uploading", done: 1, total: 1 })
      return ok({ uploaded: 1 })
    },
  }
  expect((await run(["sync", "on"], keyferry)).exit).toBe(9)
  expect(seen.list).toEqual([])
  const person = await run(["sync", "on"], keyferry, { answers: ["4", "2", "n"] })
  expect(person.exit).toBe(0)
  const script = await run(["sync", "on", "--items", "One", "--auto-new", "--json"], keyferry)
  expect(script.stderr).toContain('"event":"progress"')
  expect(seen.list).toEqual([
    ["syncOn", { items: ["itm_aiaqcaibaeaqcaibaeaqcaibae"], autoNew: false }],
    ["syncOn", { items: ["itm_aeaqcaibaeaqcaibaeaqcaibae"], autoNew: true }],
  ])
})

test("an action that wants the password and the factor fresh gets each once", async () => {
  const fresh = { password: false, factor: false }
  const seen = calls()
  const removed = await run(
    ["device", "remove", "phone", "--reason", "lost"],
    {
      devices: async () => ok([fakeDevice()]),
      confirmPassword: async (password) => {
        seen.of("password")(password)
        fresh.password = true
        return ok(undefined)
      },
      twoFactorCheck: async (kind, code) => {
        seen.of("factor")(kind, code)
        fresh.factor = true
        return ok(undefined)
      },
      removeDevice: async (input) => {
        if (!fresh.password || !fresh.factor)
          return err(failure(fresh.password ? "second-factor-needed" : "reauth-required"))
        seen.of("remove")(input)
        return ok({
          rotation: [
            { itemId: "itm_x", kind: "exchange-key", title: "Bybit", harm: "withdraws", why: "It may withdraw." },
          ],
          rotatedVaults: 1,
          replaceKit: true,
        })
      },
    },
    { answers: ["y", "my password", "123 456"] },
  )
  expect(removed.exit).toBe(0)
  expect(seen.list).toEqual([
    ["password", "my password"],
    ["factor", "totp", "123456"],
    ["remove", { id: "dev_other", reason: "lost" }],
  ])
  expect(removed.stdout).toContain("can move money out")
  expect(removed.stderr).toContain("kf kit")
})

test("the removal dialog says beforehand what is lost, and no means no", async () => {
  const removed = await run(
    ["device", "remove", "phone", "--reason", "retired"],
    { devices: async () => ok([fakeDevice()]) },
    { answers: ["n"] },
  )
  expect(removed.exit).toBe(5)
  expect(removed.stderr).toContain("edits that it has not sent, are lost")
})

test("the last device is removed only with the kit", async () => {
  const seen = calls()
  const removed = await run(
    ["device", "remove", "phone", "--reason", "retired", "--yes"],
    {
      devices: async () => ok([fakeDevice()]),
      removeDevice: async (input) => {
        seen.of("remove")(input)
        return input.kitCode === undefined
          ? err(failure("device-is-last"))
          : ok({ rotation: [], rotatedVaults: 0, replaceKit: false })
      },
    },
    { answers: [FAKE_KIT.code] },
  )
  expect(removed.exit).toBe(0)
  expect(seen.list).toHaveLength(2)
})

test("logout names what would be lost and refuses; the sentence it shows is the way", async () => {
  const seen = calls()
  const keyferry: Partial<Keyferry> = {
    leaving: async () =>
      ok({ unsynced: [fakeItem({ title: "Only here" })], waiting: 2, lastDevice: false, address: "ada@example.com" }),
    signOut: async (input) => {
      seen.of("signOut")(input)
      return ok(undefined)
    },
  }
  for (const argv of [
    ["logout"],
    ["logout", "--yes"],
    ["logout", "--yes", "--confirm", "lose 1 item"],
    ["logout", "--confirm", "lose 1 item and 2 unsent edits"],
  ]) {
    const refused = await run(argv, keyferry)
    expect(refused.exit).toBe(9)
    expect(refused.stderr).toContain("“Only here”")
  }
  expect((await run(["logout"], keyferry, { answers: ["1"] })).exit).toBe(9)
  expect((await run(["logout"], keyferry, { answers: ["3", "yes"] })).exit).toBe(9)
  expect(seen.list).toEqual([])
  expect((await run(["logout", "--yes", "--confirm", "lose 1 item and 2 unsent edits"], keyferry)).exit).toBe(0)
  expect((await run(["logout"], keyferry, { answers: ["3", "lose 1 item and 2 unsent edits"] })).exit).toBe(0)
  expect(seen.list).toEqual([
    ["signOut", { clear: true, confirmed: true }],
    ["signOut", { clear: true, confirmed: true }],
  ])
})

test("logout of the last device wants the kit, or the address under what is lost for ever", async () => {
  const seen = calls()
  const keyferry: Partial<Keyferry> = {
    list: async () => ok([fakeItem({ policy: "synced" })]),
    leaving: async () => ok({ unsynced: [], waiting: 0, lastDevice: true, address: "ada@example.com" }),
    signOut: async (input) => {
      seen.of("signOut")(input)
      return ok(undefined)
    },
  }
  expect((await run(["logout", "--yes"], keyferry)).exit).toBe(9)
  expect((await run(["logout", "--yes", "--secrets-stdin"], keyferry, { stdin: `kit=${FAKE_KIT.code}\n` })).exit).toBe(
    0,
  )
  const typed = await run(["logout"], keyferry, { answers: ["y", "", "ada@example.com"] })
  expect(typed.asked.at(-1)).toContain("1 item will be lost for ever")
  expect(seen.list).toEqual([
    ["signOut", { clear: true, confirmed: true, kitCode: FAKE_KIT.code }],
    ["signOut", { clear: true, confirmed: true, typedAddress: "ada@example.com" }],
  ])
})

test("kf logout --keep asks nothing, because it destroys nothing", async () => {
  const kept = await run(["logout", "--keep"], {
    signOut: async (input) => (input.clear ? err(failure("internal")) : ok(undefined)),
  })
  expect(kept.exit).toBe(0)
})

test("both versions of a field are shown, hidden if secret, and one is picked by its number", async () => {
  const view = fakeView({
    conflicts: 1,
    alternatives: [{ field: "password", value: "the other secret", deviceId: "dev_other", rev: 4 }],
  })
  const seen = calls()
  const keyferry: Partial<Keyferry> = {
    list: async () => ok([view]),
    get: async () => ok(view),
    resolve: async (id, field, take) => {
      seen.of("resolve")(id, field, take)
      return ok(fakeItem())
    },
  }
  const hidden = await run(["conflicts", "show", "Example shop"], keyferry)
  expect(hidden.stdout).not.toContain("the other secret")
  expect((await run(["conflicts", "show", "Example shop", "--reveal"], keyferry)).stdout).toContain("the other secret")
  expect((await run(["conflicts", "pick", "Example shop", "password", "--take", "2"], keyferry)).exit).toBe(2)
  expect((await run(["conflicts", "pick", "Example shop", "password"], keyferry)).exit).toBe(9)
  expect((await run(["conflicts", "pick", "Example shop", "password", "--take", "1"], keyferry)).exit).toBe(0)
  expect((await run(["conflicts", "pick", "Example shop", "password", "--take", "current"], keyferry)).exit).toBe(0)
  expect(seen.list.map((call) => call.at(-1))).toEqual([0, "current"])
})

test("kf local asks what happens elsewhere, and keeps those copies unless told", async () => {
  const seen = calls()
  const keyferry: Partial<Keyferry> = {
    list: async () => ok([fakeItem({ policy: "synced" })]),
    setPolicy: async (...args) => {
      seen.of("setPolicy")(...args)
      return ok(undefined)
    },
  }
  expect((await run(["local", "Example shop"], keyferry)).exit).toBe(9)
  expect((await run(["local", "Example shop", "--yes"], keyferry)).exit).toBe(0)
  expect((await run(["local", "Example shop"], keyferry, { answers: ["2"] })).exit).toBe(0)
  expect(seen.list.map((call) => call.at(-1))).toEqual(["keep", "delete"])
})

test("two-factor off is refused by its code while sync is on, and says how many devices", async () => {
  const off = await run(
    ["2fa", "off", "--yes", "--password-stdin"],
    {
      twoFactorOff: async () => err(failure("two-factor-disable-blocked", "Sync is on on 2 devices.")),
    },
    { stdin: "pw" },
  )
  expect(off.exit).toBe(9)
  expect(off.stderr).toContain("2 devices")
  expect(off.stderr).toContain("--suspend-sync")
})

test("a device that was removed is told so and asked for no password", async () => {
  const listed = await run(
    ["ls"],
    { status: async () => ({ ...FAKE_STATUS, lock: "locked", lockCode: "device-removed" }) },
    { answers: [] },
  )
  expect(listed.exit).toBe(5)
  expect(listed.asked).toEqual([])
})

test("status says what to look at, and nothing about factors while it cannot know", async () => {
  const shown = await run(["status"], {
    status: async () => ({ ...FAKE_STATUS, sync: { ...FAKE_STATUS.sync, conflicts: 1 } }),
  })
  expect(shown.stdout).toContain("2FA on")
  expect(shown.stdout).toContain("kf conflicts")
  const locked = await run(["status"], {
    status: async () => ({
      ...FAKE_STATUS,
      lock: "locked",
      account: { ...FAKE_ACCOUNT, deviceState: "unknown", factors: [] },
    }),
  })
  expect(locked.stdout).not.toContain("2FA")
  expect(locked.stdout).not.toContain("second factor")
})

test("the kit goes to a file instead of the screen when asked", async () => {
  const checked = await run(
    ["kit", "--check", "--secrets-stdin"],
    { checkKit: async (code) => (code === FAKE_KIT.code ? ok(undefined) : err(failure("kit-code-wrong"))) },
    {
      stdin: `kit=${FAKE_KIT.code}\n`,
    },
  )
  expect(checked.exit).toBe(0)
  expect(checked.stdout).not.toContain(FAKE_KIT.code)
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

test("kf sync on does not take a recovery for a sign-in", async () => {
  const on = await run(["sync", "on"], {
    status: async () => ({ ...NO_ACCOUNT, enrolment: fakeEnrolment({ purpose: "recovery", step: "confirm" }) }),
  })
  expect(on.exit).toBe(4)
  expect(on.stderr).toContain("kf recover")
})

test("what is not found on a device that was opened offline may be strict: it says so, and not that it is gone", async () => {
  const offline = {
    status: async () => ({ ...FAKE_STATUS, lock: "standard-only" }) as const,
    list: async () => ok([fakeItem()]),
  } satisfies Partial<Keyferry>
  for (const argv of [
    ["get", "Bybit"],
    ["read", "Bybit", "secret"],
    ["otp", "Bybit"],
    ["rm", "Bybit", "--yes"],
  ]) {
    const missing = await run(argv, offline)
    expect([missing.exit, missing.stderr.includes("Strict keys open only while the server answers")]).toEqual([7, true])
    const gone = await run(argv, { ...offline, status: async () => FAKE_STATUS })
    expect(gone.exit).toBe(3)
  }
})

const blueKey = {
  id: "AAEC",
  label: "Blue key",
  signsIn: true,
  unlocks: true,
  address: "keys.example.com",
  here: true,
  backedUp: false,
  createdAtMs: 0,
  lastUsedAtMs: 0,
}

test("kf 2fa lists passkeys with what each does, and removes one by its name", async () => {
  const passkeys = async () => ok([blueKey, { ...blueKey, id: "AAED", label: "Old key", unlocks: false }])
  const listed = await run(["2fa"], { passkeys })
  expect(listed.stdout).toMatch(/Blue key\s+signs in and unlocks\s+keys\.example\.com/)
  expect(listed.stdout).toMatch(/Old key\s+signs in\s+keys\.example\.com/)
  const seen = calls()
  const keyferry: Partial<Keyferry> = {
    passkeys,
    passkeyRemove: async (input) => {
      seen.of("passkeyRemove")(input)
      return ok(undefined)
    },
  }
  const removed = await run(["2fa", "remove", "Old key", "--yes", "--password-stdin"], keyferry, { stdin: "pw" })
  expect([removed.exit, seen.list]).toEqual([0, [["passkeyRemove", { id: "AAED", password: "pw" }]]])
  expect((await run(["2fa", "remove", "none", "--yes", "--password-stdin"], keyferry, { stdin: "pw" })).exit).toBe(3)
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
