import { afterAll, beforeAll, expect, test } from "vitest"

import {
  type AttackWorld,
  codeOf,
  createAttackWorld,
  login,
  must,
  post,
  type Settled,
  settleAccount,
  titlesOf,
} from "../world/world.ts"

/*
 * The link of a security mail: everybody who reads the mailbox has it, scanners of mail first.
 */
let world: AttackWorld
let a: Settled

beforeAll(async () => {
  world = await createAttackWorld()
  a = await settleAccount(world)
  must(await a.device.kf.add(login("one")))
  must(await a.device.kf.syncNow())
})
afterAll(() => world.close())

const links = async (): Promise<readonly string[]> =>
  (await world.mails()).flatMap(({ body }) =>
    [...body.matchAll(/\/freeze\/#([\w-]{43})/g)].map(([, token]) => token ?? ""),
  )
const press = async (token: string, headers: Readonly<Record<string, string>> = {}): Promise<number> =>
  (await post(`${world.origin()}/api/v1/freeze`, { token }, headers)).status
const isFrozen = async (): Promise<boolean | undefined> => (await a.device.kf.status({ fresh: true })).account?.frozen

test("X-92 outsider with the mailbox: opening the link changes nothing; pressed it only freezes, again and again the same; after a thaw it is dead, and so is a guess", async () => {
  await expect.poll(links).not.toEqual([])
  const [token = ""] = await links()
  // A scanner: every method, the token wherever it may stand, forms, and a page of somebody else.
  const page = `${world.origin()}/freeze/`
  for (const method of ["GET", "HEAD", "POST", "PUT", "OPTIONS"])
    for (const url of [page, `${page}#${token}`, `${page}${token}`, `${page}?token=${token}`])
      await fetch(url, { method, redirect: "follow" })
  const form = {
    method: "POST",
    headers: { "content-type": "application/x-www-form-urlencoded" },
    body: `token=${token}`,
  }
  for (const url of [page, `${world.origin()}/api/v1/freeze`])
    expect((await fetch(url, form)).status).toBeGreaterThanOrEqual(400)
  expect((await fetch(`${world.origin()}/api/v1/freeze?token=${token}`)).status).toBe(404)
  expect(await press(token, { "sec-fetch-site": "cross-site" })).toBe(403)
  for (const wrong of ["", token.slice(1), `${token}A`, "A".repeat(43)])
    expect(await press(wrong)).toBeGreaterThanOrEqual(400)
  expect(await isFrozen()).toBe(false)
  // It cannot be used for anything else.
  for (const path of ["confirm/describe", "confirm/deny"])
    expect((await post(`${world.origin()}/api/v1/${path}`, { token })).status).toBeGreaterThanOrEqual(400)

  expect([await press(token), await press(token)]).toEqual([200, 200])
  expect(await isFrozen()).toBe(true)
  expect(codeOf(await a.device.kf.syncNow())).toBe("account-frozen")
  const before = await links()
  must(await a.device.kf.twoFactorCheck("totp", a.code()))
  must(await a.device.kf.thawAccount())
  for (const old of before) expect(await press(old)).toBeGreaterThanOrEqual(400)
  expect(await isFrozen()).toBe(false)
  must(await a.device.kf.unlock("correct horse battery"))
  expect(await titlesOf(a.device.kf)).toEqual(["one"])
  // The mail about the thaw has a link of its own, good for a week.
  const newer = async () => (await links()).filter((one) => !before.includes(one))
  await expect.poll(newer).not.toEqual([])
  const [fresh = ""] = await newer()
  world.advance(7 * 24 * 3_600_000 + 60_000)
  expect(await press(fresh)).toBeGreaterThanOrEqual(400)
}, 400_000)
