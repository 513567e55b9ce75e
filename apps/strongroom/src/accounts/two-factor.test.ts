import type { Result } from "@keyferry/base"
import type { Failure } from "@keyferry/protocol"
import { afterEach, beforeEach, describe, expect, it } from "vitest"

import type { StrongroomContext } from "../context.ts"
import type { Signed } from "../execute.ts"
import {
  codeOf,
  createWorld,
  json,
  makeActive,
  must,
  type Person,
  type Reach,
  reachOf,
  send,
  signUp,
  totpCode,
  wrongTotpCode,
  type World,
} from "../fixture.ts"
import { coreOnly } from "../fixture-core.ts"
import { twoFactorHandlers } from "./two-factor.ts"

let world: World
let reach: Reach
let person: Person
let otpauth: string
beforeEach(async () => {
  world = await createWorld(coreOnly)
  reach = reachOf(world)
  person = await signUp(reach)
  otpauth = await makeActive(reach, person)
  world.clock.add(60_000)
})
afterEach(() => world.close())

const pass = (code: string, kind = "totp"): Promise<string> =>
  codeOf(reach.call("secondFactor", { accountUuid: person.accountUuid, kind, code }))
const now = (): Promise<string> => totpCode(otpauth, world.clock.nowMs())
const wrong = (): Promise<string> => wrongTotpCode(otpauth, world.clock.nowMs())
const kinds = async (): Promise<readonly string[]> =>
  (await must(reach.call("events", { after: 0, max: 1000 }))).events.map((event) => event.kind)
const check = async (code: string): Promise<string> =>
  (await send(reach, person.device, "two-factor.check", { kind: "totp", code })).code ?? "ok"

describe("TOTP", () => {
  it("[DV14] takes the step before, now and after, and each once", async () => {
    // The codes of two steps may be the same: one of some hundred thousand seeds has such a pair here.
    const around = () =>
      Promise.all([-60, -30, 0, 30, 60].map((s) => totpCode(otpauth, world.clock.nowMs() + s * 1000)))
    while (new Set(await around()).size < 5) world.clock.add(30_000)
    const at = world.clock.nowMs()
    expect(await pass(await totpCode(otpauth, at - 60_000))).toBe("second-factor-wrong")
    expect(await pass(await totpCode(otpauth, at + 60_000))).toBe("second-factor-wrong")
    expect(await pass(await totpCode(otpauth, at + 30_000))).toBe("ok")
    // What is older than the last used step is used up with it.
    expect(await pass(await totpCode(otpauth, at))).toBe("second-factor-wrong")
    expect(await pass(await totpCode(otpauth, at + 30_000))).toBe("second-factor-wrong")
    world.clock.add(60_000)
    expect(await pass(await now())).toBe("ok")
  })

  it("[DV14] of requests with one code at the same time, exactly one passes", async () => {
    for (let round = 0; round < 60; round++) {
      world.clock.add(30_000)
      const code = await now()
      const answers = await Promise.all([pass(code), pass(code), check(code)])
      expect(answers.filter((answer) => answer === "ok")).toHaveLength(1)
      world.clock.add(30_000)
      expect(await pass(await now())).toBe("ok")
    }
  })

  it("[DV14] the code of the step that confirmed the seed cannot be used again", async () => {
    const other = await signUp(reach)
    const uri = await makeActive(reach, other)
    const code = await totpCode(uri, world.clock.nowMs())
    expect(await codeOf(reach.call("secondFactor", { accountUuid: other.accountUuid, kind: "totp", code }))).toBe(
      "second-factor-wrong",
    )
  })

  it("[DV14] the seed has 160 bits and lies sealed", async () => {
    expect(new URL(otpauth).searchParams.get("secret")).toMatch(/^[A-Z2-7]{32}$/)
    const row = await world
      .room()
      .ctx.store.read((db) => db.selectFrom("factor").select("sealed_seed").executeTakeFirstOrThrow())
    expect(row.sealed_seed.length).toBeGreaterThan(100)
  })

  it("[DV14] refuses everything that is not six digits", async () => {
    for (const code of ["", "12345", "1234567", "12345a", " 123456", "１２３４５６"])
      expect(await pass(code)).not.toBe("ok")
    expect(await pass("123456", "sms")).toBe("malformed")
  })
})

describe("wrong codes", () => {
  it("[DV15] five lock for 15 minutes, then twice as long, and a restart refunds none", async () => {
    for (let i = 0; i < 3; i++) expect(await pass(await wrong())).toBe("second-factor-wrong")
    await world.restart()
    reach = reachOf(world)
    expect(await pass(await wrong())).toBe("second-factor-wrong")
    expect(await pass(await wrong())).toBe("too-many-attempts")
    expect(await kinds()).toContain("factor-attempts-exceeded")
    expect(await pass(await now())).toBe("too-many-attempts")
    expect(await check(await now())).toBe("too-many-attempts")
    world.clock.add(15 * 60_000 - 1)
    expect(await pass(await now())).toBe("too-many-attempts")
    world.clock.add(1)
    for (let i = 0; i < 4; i++) expect(await pass(await wrong())).toBe("second-factor-wrong")
    const locked = await reach.call("secondFactor", {
      accountUuid: person.accountUuid,
      kind: "totp",
      code: await wrong(),
    })
    expect(locked.ok ? undefined : locked.error).toEqual({ code: "too-many-attempts", retryAfterS: 1800 })
    world.clock.add(30 * 60_000)
    expect(await pass(await now())).toBe("ok")
    // A right code ends the count and the doubling.
    for (let i = 0; i < 4; i++) expect(await pass(await wrong())).toBe("second-factor-wrong")
    const again = await reach.call("secondFactor", {
      accountUuid: person.accountUuid,
      kind: "totp",
      code: await wrong(),
    })
    expect(again.ok ? undefined : again.error.retryAfterS).toBe(900)
  })

  it("[DV15] locks for no longer than a day, and counts recovery codes and both ways in together", async () => {
    await world.room().ctx.store.transaction((tx) =>
      tx
        .insertInto("factor_tries")
        .values({
          account_uuid: person.accountUuid,
          tries: 3,
          window_ms: world.clock.nowMs(),
          locked_until_ms: 0,
          locks: 12,
        })
        .execute(),
    )
    expect(await pass("AAAAAA-AAAAAA-AAAAAA-AAAAAA", "recovery-code")).toBe("second-factor-wrong")
    const answer = await send(reach, person.device, "two-factor.check", { kind: "totp", code: await wrong() })
    expect([answer.code, answer.retryAfterS]).toEqual(["too-many-attempts", 24 * 3600])
  })

  it("[DV15] tries older than 15 minutes do not count", async () => {
    for (let i = 0; i < 4; i++) expect(await pass(await wrong())).toBe("second-factor-wrong")
    world.clock.add(15 * 60_000)
    expect(await pass(await wrong())).toBe("second-factor-wrong")
    expect(await pass(await now())).toBe("ok")
  })

  it("[DV15] an unknown account answers like a wrong code", async () => {
    expect(await codeOf(reach.call("secondFactor", { accountUuid: "nobody", kind: "totp", code: "123456" }))).toBe(
      "second-factor-wrong",
    )
  })

  it("[DV15] many wrong codes at once are all counted", async () => {
    const code = await wrong()
    const answers = await Promise.all(Array.from({ length: 20 }, () => pass(code)))
    expect(answers.filter((answer) => answer === "second-factor-wrong")).toHaveLength(4)
    expect(answers.filter((answer) => answer === "too-many-attempts")).toHaveLength(16)
  })
})

describe("recovery codes", () => {
  const make = async (): Promise<readonly string[]> =>
    (await json(send(reach, person.device, "two-factor.codes")))["codes"] as string[]

  it("[DV16] are ten of 120 bits, each good once, also at the same time", async () => {
    const codes = await make()
    expect(new Set(codes).size).toBe(10)
    for (const code of codes) expect(code).toMatch(/^[0-9A-HJKMNP-TV-Z]{6}(-[0-9A-HJKMNP-TV-Z]{6}){3}$/)
    const [first = "", second = ""] = codes
    const answers = await Promise.all([pass(first, "recovery-code"), pass(first, "recovery-code")])
    expect(answers.toSorted()).toEqual(["ok", "second-factor-wrong"])
    expect(await pass(second.toLowerCase().replaceAll("-", " "), "recovery-code")).toBe("ok")
    expect(await pass(second, "recovery-code")).toBe("second-factor-wrong")
    expect(await kinds()).toContain("recovery-codes-made")
  })

  it("[DV16] new ones replace the old, and only their hashes are kept", async () => {
    const [old = ""] = await make()
    const [fresh = ""] = await make()
    expect(await pass(old, "recovery-code")).toBe("second-factor-wrong")
    expect(await pass(fresh, "recovery-code")).toBe("ok")
    const rows = await world.room().ctx.store.read((db) => db.selectFrom("recovery_code").select("hash").execute())
    expect(rows.map((row) => row.hash.length)).toEqual(Array.from({ length: 10 }, () => 32))
  })
})

describe("setting and ending", () => {
  it("[DV17] replacing a factor needs the old one and the password, both fresh", async () => {
    world.clock.add(5 * 60_000)
    expect((await send(reach, person.device, "two-factor.start")).code).toBe("reauth-required")
    expect(await check(await now())).toBe("ok")
    expect((await send(reach, person.device, "two-factor.start")).code).toBe("reauth-required")
    await setTimes({ last_password_ms: world.clock.nowMs(), last_factor_ms: world.clock.nowMs() - 5 * 60_000 - 1 })
    expect((await send(reach, person.device, "two-factor.start")).code).toBe("second-factor-needed")
    await setTimes({ last_factor_ms: world.clock.nowMs() })
    const started = await json(send(reach, person.device, "two-factor.start"))
    const code = await totpCode(String(started["otpauth"]), world.clock.nowMs())
    world.clock.add(6 * 60_000)
    expect((await send(reach, person.device, "two-factor.confirm", { code })).code).toBe("reauth-required")
  })

  const setTimes = (times: { last_password_ms?: number; last_factor_ms?: number }): Promise<unknown> =>
    world
      .room()
      .ctx.store.transaction((tx) =>
        tx.updateTable("device").set(times).where("id", "=", person.device.deviceId).execute(),
      )

  it("[DV17] a seed is confirmed once and within ten minutes", async () => {
    const other = await signUp(reach)
    expect((await send(reach, other.device, "two-factor.confirm", { code: "123456" })).code).toBe("second-factor-wrong")
    const started = await json(send(reach, other.device, "two-factor.start"))
    world.clock.add(10 * 60_000 + 1)
    const late = await totpCode(String(started["otpauth"]), world.clock.nowMs())
    expect((await send(reach, other.device, "two-factor.confirm", { code: late })).code).toBe("second-factor-wrong")
    const again = await json(send(reach, other.device, "two-factor.start"))
    const code = await totpCode(String(again["otpauth"]), world.clock.nowMs())
    const both = await Promise.all([
      send(reach, other.device, "two-factor.confirm", { code }),
      send(reach, other.device, "two-factor.confirm", { code }),
    ])
    expect(both.filter((answer) => answer.status === 200)).toHaveLength(1)
  })

  it("[DV18] off is refused while sync is on, and suspends it when asked, in one step", async () => {
    await setTimes({ last_password_ms: world.clock.nowMs(), last_factor_ms: world.clock.nowMs() })
    const refused = await send(reach, person.device, "two-factor.disable", { suspendSync: false })
    expect([refused.status, refused.code, refused.detail]).toEqual([
      409,
      "two-factor-disable-blocked",
      "Sync is on on 1 device.",
    ])
    expect(await kinds()).not.toContain("factor-removed")
    const done = await json(send(reach, person.device, "two-factor.disable", { suspendSync: true }))
    expect(done).toEqual({ devices: 1, factors: [] })
    expect((await kinds()).slice(-2)).toEqual(["factor-removed", "sync-suspended"])
    expect(await json(send(reach, person.device, "account.status"))).toMatchObject({ syncSuspended: true, factors: [] })
    expect(await pass(await now())).toBe("second-factor-wrong")
  })

  it("[DV18] sync resumes only with a factor", async () => {
    await setTimes({ last_password_ms: world.clock.nowMs(), last_factor_ms: world.clock.nowMs() })
    await json(send(reach, person.device, "two-factor.disable", { suspendSync: true }))
    expect((await send(reach, person.device, "sync.resume")).code).toBe("two-factor-required")
    const { otpauth: fresh } = await json(send(reach, person.device, "two-factor.start"))
    await json(
      send(reach, person.device, "two-factor.confirm", { code: await totpCode(String(fresh), world.clock.nowMs()) }),
    )
    expect(await json(send(reach, person.device, "account.status"))).toMatchObject({ syncSuspended: true })
    expect(await json(send(reach, person.device, "sync.resume"))).toEqual({ syncSuspended: false })
    expect((await kinds()).at(-1)).toBe("sync-resumed")
  })
})

describe("a lost factor", () => {
  const ask = () => must(reach.call("factorReset", { accountUuid: person.accountUuid }))

  it("[DV19] opens level 2 after 72 hours, once, ends the factor and suspends sync", async () => {
    const asked = await ask()
    expect(asked).toEqual({ readyAtMs: world.clock.nowMs() + 72 * 3_600_000, open: false })
    world.clock.add(72 * 3_600_000 - 1)
    expect(await ask()).toEqual(asked)
    expect((await kinds()).filter((kind) => kind === "factor-reset-requested")).toHaveLength(1)
    world.clock.add(1)
    expect((await ask()).open).toBe(true)
    expect((await ask()).open).toBe(false)
    expect((await kinds()).slice(-3)).toEqual(["factor-removed", "sync-suspended", "factor-reset-requested"])
  })

  it("[DV19] is over a day after it opened, and any active device cancels it", async () => {
    await ask()
    world.clock.add(96 * 3_600_000)
    expect((await ask()).open).toBe(false)
    expect(await json(send(reach, person.device, "two-factor.reset-cancel"))).toEqual({ cancelled: true })
    expect(await json(send(reach, person.device, "two-factor.reset-cancel"))).toEqual({ cancelled: false })
    world.clock.add(72 * 3_600_000)
    expect((await ask()).open).toBe(false)
    expect(await kinds()).toContain("factor-reset-cancelled")
  })

  it("[DV19] an operator opens it at once, for one login within a day", async () => {
    const { openUntilMs } = await must(reach.call("operatorResetTwoFactor", { accountUuid: person.accountUuid }))
    expect(openUntilMs).toBe(world.clock.nowMs() + 24 * 3_600_000)
    expect(await json(send(reach, person.device, "account.status"))).toMatchObject({ syncSuspended: true, factors: [] })
    const answers = await Promise.all([ask(), ask()])
    expect(answers.filter(({ open }) => open)).toHaveLength(1)
    expect(await codeOf(reach.call("operatorResetTwoFactor", { accountUuid: "nobody" }))).toBe("not-found")
  })
})

describe("a device that ends while its request runs", () => {
  const handlers = twoFactorHandlers
  const cases = [
    ["two-factor.check", (ctx, signed) => handlers["two-factor.check"](ctx, signed, { kind: "totp", code: "000000" })],
    ["two-factor.codes", (ctx, signed) => handlers["two-factor.codes"](ctx, signed, {})],
    ["two-factor.disable", (ctx, signed) => handlers["two-factor.disable"](ctx, signed, { suspendSync: true })],
    ["two-factor.reset-cancel", (ctx, signed) => handlers["two-factor.reset-cancel"](ctx, signed, {})],
    ["sync.resume", (ctx, signed) => handlers["sync.resume"](ctx, signed, {})],
  ] as const satisfies readonly (readonly [
    string,
    (ctx: StrongroomContext, signed: Signed) => Promise<Result<unknown, Failure>>,
  ])[]

  it.each(cases)("[ST5] changes nothing any more: %s", async (_, run) => {
    const { ctx } = world.room()
    // As the verifier saw it, a moment ago.
    const signed: Signed = {
      device: {
        accountUuid: person.accountUuid,
        accountId: person.accountId,
        deviceId: person.device.deviceId,
        state: "active",
        sigPk: person.device.keys.sigPk,
        lastFactorMs: world.clock.nowMs(),
        lastPasswordMs: world.clock.nowMs(),
      },
      query: "",
      createdS: 0,
      limits: { devices: 0, items: 0, bytes: 0 },
      origins: [],
    }
    await ctx.store.transaction((tx) => tx.updateTable("device").set({ state: "removed" }).execute())
    const before = await kinds()
    expect(await run(ctx, signed)).toEqual({ ok: false, error: { code: "device-removed" } })
    expect(await kinds()).toEqual(before)
    const left = await ctx.store.read(async (db) => [
      await db.selectFrom("factor").select("kind").execute(),
      await db.selectFrom("recovery_code").select("hash").execute(),
      await db.selectFrom("factor_tries").select("tries").execute(),
    ])
    expect(left).toEqual([[{ kind: "totp" }], [], []])
  })
})
