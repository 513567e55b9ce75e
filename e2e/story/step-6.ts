import { deepEqual, equal, ok } from "node:assert/strict"

import { ended, idOf, listOf, type Story } from "./story.ts"
import { textAt } from "./profile.ts"

/** Two-factor off is refused while sync is on. `kf logout` with a local-only item names it and refuses by default. */
export const stepSix = async (story: Story): Promise<void> => {
  const { a, ada, check } = story
  await check(
    "kf 2fa off is refused while sync is on, with the number of devices, even with password and factor fresh",
    async () => {
      const password = { password: ada.password }
      const off = ["2fa", "off", "--yes", "--json"]
      // The factor is fresh from the removal; on a slow machine it may not be any more.
      const first = await a.kf.run(off, { secrets: password })
      const refused =
        first.exit === 4 ? await a.kf.run(off, { secrets: { ...password, code: await ada.code() } }) : first
      ended(refused, 9, /3 devices/)
      equal(refused.code, "two-factor-disable-blocked")
    },
  )
  await check("and names the way that stops sync with it; the factor is still on, and A still syncs", async () => {
    const refused = await a.kf.run(["2fa", "off", "--yes"], { secrets: { password: ada.password } })
    ended(refused, 9, /--suspend-sync/)
    deepEqual((await a.kf.ask(["2fa"]))["factors"], ["totp"])
    equal((await a.kf.ask(["sync"]))["waiting"], 0)
  })
  const before = await listOf(a)
  const local = before.filter((item) => item["policy"] === "local-only")
  await check("kf logout names the one local-only item, and refuses by default", async () => {
    deepEqual(
      local.map((item) => item["id"]),
      [idOf(story, "okx")],
    )
    const refused = await a.kf.run(["logout", "--json"], { secrets: { password: ada.password } })
    ended(refused, 9)
    equal(refused.code, "unsynced-loss")
    const said = textAt(refused.events.at(-1), "detail")
    ok(said.includes(textAt(local[0], "title")) && said.includes("lose 1 item"), said)
    for (const item of before.filter((one) => one["policy"] === "synced")) ok(!said.includes(textAt(item, "title")))
  })
  await check("--yes alone does not get past it, nor does another sentence", async () => {
    ended(await a.kf.run(["logout", "--yes"]), 9)
    ended(await a.kf.run(["logout", "--yes", "--confirm", "lose 2 items"]), 9)
    deepEqual(await listOf(a), before)
  })
}
