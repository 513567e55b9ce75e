import { dropEnded, expireOverdue } from "./accounts/housekeeping.ts"
import { raiseAllHeads } from "./lease/heads.ts"
import { rotateLeaseKek } from "./lease/rotation.ts"
import type { OpenStrongroom } from "./strongroom.ts"
import { purgeHistory } from "./vaults/history.ts"

/** How often each looks. A lease KEK is replaced within the hour after a removal, so it is looked for more often. */
const EVERY_MS = {
  heads: 60_000,
  allHeads: 60 * 60_000,
  waiting: 60_000,
  ended: 60 * 60_000,
  leaseKek: 10 * 60_000,
  mainKek: 10 * 60_000,
  history: 60 * 60_000,
}

/**
 * Work that waits for nobody: started with the process, stopped before its stores close. One that fails is written down
 * and tried again at its next turn. Stopping finishes what is running and writes the heads down once more.
 */
export const startChores = (
  { ctx, leases, rotateKek }: OpenStrongroom,
  onMoved: () => void = () => undefined,
): (() => Promise<void>) => {
  const running = new Set<Promise<void>>()
  const every = (ms: number, what: string, run: () => Promise<void>, atOnce = true): NodeJS.Timeout => {
    let isBusy = false
    const turn = async (): Promise<void> => {
      if (isBusy) return
      isBusy = true
      try {
        await run()
      } catch (error) {
        ctx.log({
          level: "error",
          what: "chore-failed",
          chore: what,
          error: error instanceof Error ? error.message : "",
        })
      } finally {
        isBusy = false
      }
    }
    const start = (): void => {
      const done = turn()
      running.add(done)
      void done.then(() => running.delete(done))
    }
    if (atOnce) start()
    return setInterval(start, ms).unref()
  }
  const timers = [
    every(EVERY_MS.heads, "heads", async () => {
      // First, so that what was acknowledged is missed by the next start where the main store is another one by now.
      await leases.raiseNotedHeads()
      if (ctx.store.isInPlace() && leases.store.isInPlace()) return
      ctx.log({ level: "error", what: "store-moved" })
      onMoved()
    }),
    // Those of another strongroom on the same stores that ended before it wrote its own down.
    every(EVERY_MS.allHeads, "all-heads", () => raiseAllHeads(ctx, leases), false),
    every(EVERY_MS.waiting, "waiting", async () => void (await expireOverdue(ctx))),
    every(EVERY_MS.ended, "ended", async () => void (await dropEnded(ctx))),
    every(EVERY_MS.leaseKek, "lease-kek", async () => {
      const rotated = await rotateLeaseKek(leases)
      if (!rotated.ok) ctx.log({ level: "warn", what: rotated.error.code, chore: "lease-kek" })
      else if (rotated.value > 0) ctx.log({ level: "info", what: "lease-kek-replaced", destroyed: rotated.value })
    }),
    // What a stop has cut off goes on by itself; a new rotation is the operator's to ask for.
    every(EVERY_MS.mainKek, "main-kek", async () => {
      const resumed = await rotateKek({ resumeOnly: true })
      if (!resumed.ok) ctx.log({ level: "warn", what: resumed.error.code, chore: "main-kek" })
      else if (resumed.value.destroyed > 0) ctx.log({ level: "info", what: "main-kek-replaced", ...resumed.value })
    }),
    every(EVERY_MS.history, "history", async () => {
      const purged = await purgeHistory(ctx)
      if (purged > 0) ctx.log({ level: "info", what: "history-purged", records: purged })
    }),
  ]
  return async () => {
    for (const timer of timers) clearInterval(timer)
    await Promise.all(running)
    await leases.raiseNotedHeads()
  }
}
