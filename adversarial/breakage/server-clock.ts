import { rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"

import { type Breakage, check, codeOf, must, PASSWORD } from "./stage.ts"

/** A server whose strongroom has the moved clock too. */
const WORLD = join(import.meta.dirname, "..", "world")

export const serverClockJumps: Breakage = {
  name: "server-clock-jumps",
  run: async (stage) => {
    const folder = stage.server()
    const clockFile = join(folder, "strongroom", "clock-ahead")
    const ahead = async (days: number): Promise<readonly [string, string]> => {
      writeFileSync(clockFile, String(days * 86_400_000))
      const server = stage.startServer(folder, {
        program: join(WORLD, "server-process.ts"),
        runtimeArgs: ["--import", join(WORLD, "moved-clock.mjs")],
        environment: { KF_CLOCK_FILE: clockFile },
      })
      await server.waitForLine(/^ready$/)
      const device = await stage.open(stage.device().profile)
      const codes = [codeOf(await device.unlock(PASSWORD)), codeOf(await device.syncNow())] as const
      check((await stage.stop(server)) === 0, "it did not stop cleanly")
      return codes
    }
    // A day: the device signs once more with the strongroom's time; its own lease does not outlive its grace for it.
    const [opened, synced] = await ahead(1)
    check(opened === "ok" && synced === "ok", `a day: unlocking: ${opened}, sync: ${synced}`)
    // A year: for the server nobody signed in for longer than the account allows.
    const [refused] = await ahead(365)
    check(refused === "reauth-required", `a year: unlocking: ${refused}`)
    rmSync(clockFile)
    const back = stage.startServer(folder)
    await stage.ready(back)
    const again = await stage.open(stage.device().profile)
    must(await again.unlock(PASSWORD))
    must(await again.syncNow())
    const list = must(await again.list())
    check(list.length === 2, `${list.length} items after the clock came back`)
    check((await stage.stop(back)) === 0, "it did not stop cleanly afterwards")
    return { exit: `${opened}, ${refused}`, sentence: "a day and a year ahead and back again: everything is there" }
  },
}
