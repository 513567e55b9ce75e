import { routes } from "@keyferry/protocol"
import { describe, expect, test } from "vitest"

import { maskAddress, parseAddress } from "./address.ts"
import { networkOf } from "./limits.ts"
import { refuseDevice, refuseSession } from "./may.ts"
import { refuseSignup } from "./registration.ts"

describe("addresses", () => {
  test("are compared without case and in one Unicode form", () => {
    const a = parseAddress("  Ada@Example.ORG ")
    const b = parseAddress("ａda@example.org")
    expect(a).toEqual({ ok: true, value: { text: "Ada@Example.ORG", key: "ada@example.org" } })
    expect(b.ok && b.value.key).toBe("ada@example.org")
  })

  test.each([
    "",
    "ada",
    "@x.org",
    "a@",
    "a b@x.org",
    "a@x.org\r\nBcc: b@x.org",
    "a@b@c",
    `${"a".repeat(65)}@x.org`,
    "<a@x.org>",
  ])("%j is none", (text) => expect(parseAddress(text)).toEqual({ ok: false, error: "malformed" }))

  test("are masked for others", () => {
    expect(maskAddress("ada@example.org")).toBe("a…@e….org")
    expect(maskAddress("ada@localhost")).toBe("a…@l…")
  })
})

test("a network is one IPv4 address or an IPv6 /64", () => {
  expect(networkOf("192.0.2.7")).toBe("192.0.2.7")
  expect(networkOf("::ffff:192.0.2.7")).toBe("192.0.2.7")
  expect(networkOf("2001:db8:0:1:2:3:4:5")).toBe("2001:db8:0:1::/64")
  expect(networkOf("2001:db8::5")).toBe("2001:db8:0:0::/64")
  expect(networkOf("2001:0db8:0000:0001::9")).toBe("2001:db8:0:1::/64")
  expect(networkOf("::1")).toBe("0:0:0:0::/64")
})

describe("levels", () => {
  test("a session passes from its level on, and the refusal names the next step", () => {
    expect(refuseSession(routes["enrol.start"], undefined)?.code).toBe("signed-out")
    expect(refuseSession(routes["enrol.start"], 1)?.code).toBe("second-factor-needed")
    expect(refuseSession(routes["enrol.start"], 2)).toBeUndefined()
    expect(refuseSession(routes["enrol.chain"], 2)?.code).toBe("device-not-verified")
    expect(refuseSession(routes["enrol.chain"], 3)).toBeUndefined()
    expect(refuseSession(routes["login.start"], undefined)).toBeUndefined()
  })

  test("a device passes in the states of the route, with a fresh factor where asked", () => {
    const device = { state: "active", lastFactorMs: 1_000, lastPasswordMs: 0 }
    expect(refuseDevice(routes.activity, device, 9e9)).toBeUndefined()
    expect(refuseDevice(routes["address.start"], device, 1_000 + 300_001)?.code).toBe("second-factor-needed")
    expect(refuseDevice(routes["address.start"], device, 1_000 + 300_000)).toBeUndefined()
    for (const [state, code] of [
      ["removed", "device-removed"],
      ["retired", "device-retired"],
      ["pending-first", "device-not-verified"],
      ["lease-locked", "lease-locked"],
      ["reserved", "device-not-enrolled"],
      ["nonsense", "not-allowed"],
    ] as const)
      expect(refuseDevice(routes.activity, { ...device, state }, 1_000)?.code).toBe(code)
  })
})

describe("signing up", () => {
  const open = { first: false, expiresMs: 100, used: false }
  test("the first account needs its link, whatever the mode", () => {
    expect(refuseSignup("open", 0, false, undefined, 1)?.code).toBe("registration-closed")
    expect(refuseSignup("closed", 0, true, { ...open, first: true }, 1)).toBeUndefined()
    expect(refuseSignup("closed", 1, true, { ...open, first: true }, 1)?.code).toBe("invitation-invalid")
  })
  test("then the mode decides", () => {
    expect(refuseSignup("open", 1, false, undefined, 1)).toBeUndefined()
    expect(refuseSignup("invite", 1, false, undefined, 1)?.code).toBe("registration-closed")
    expect(refuseSignup("invite", 1, true, open, 1)).toBeUndefined()
    expect(refuseSignup("closed", 1, true, open, 1)?.code).toBe("registration-closed")
  })
  test("an unknown, used or old invitation is refused alike", () => {
    for (const bad of [undefined, { ...open, used: true }, { ...open, expiresMs: 1 }])
      expect(refuseSignup("invite", 1, true, bad, 1)?.code).toBe("invitation-invalid")
  })
})
