import { ok, type Result } from "@keyferry/base"
import { waitAfterSilence } from "@keyferry/engine"
import type { ErrorCode, Failure } from "@keyferry/protocol"

import { answering } from "./answering.ts"
import type { Device } from "./device.ts"
import type { FeedListener } from "./feed.ts"
import { verifyOwnRemoval, wipeRemoved } from "./leaving.ts"
import { oneStream } from "./one-stream.ts"
import { retryable } from "./ports.ts"
import { syncNow, waitingItems } from "./sync.ts"
import { renewLease } from "./lease.ts"
import { randomFraction } from "./vault-run.ts"

export type LiveState = "off" | "up-to-date" | "working" | "waiting" | "offline" | "refused" | "frozen" | "busy"

/** Keeps an unlocked device in step: sends what waits, listens to the feed, renews the lease, comes back after an outage. */
export interface Live {
  readonly state: () => { readonly state: LiveState; readonly failure?: Failure }
  /** Something changed here: send it soon. */
  readonly poke: () => void
  readonly start: () => void
  readonly stop: () => void
  readonly report: (failure: Failure | undefined) => void
  /** A person is there, or the network is back: a wait for a server that gave no answer ends now. */
  readonly lookAgain: () => void
}

const RENEW_MS = 30 * 60_000
/** Whoever moves a pointer all the time asks a server that is gone no more often than this. */
const LOOK_AGAIN_MS = 5_000
/** A server that ends each stream at once is asked less and less, as one that says nothing. */
const SHORT_STREAM_MS = 30_000
/** What came by the feed is confirmed by the next question, after all of it came: the others see then that it is here. */
const CONFIRM_MS = 15_000
/** What a person may have put right at this machine meanwhile. */
const PASSING: ReadonlySet<ErrorCode> = new Set([
  "store-full",
  "store-read-only",
  "store-in-use",
  "keychain-unavailable",
  "clock-skew",
])

export const createLive = (
  device: Device,
  onNotice: (notice: string) => void,
  onRetirements: () => void,
  onFrozen: () => void,
): Live => {
  let running = false
  let failure: Failure | undefined
  let working = 0
  let tries = 0
  let triedMs = 0
  let cancelRetry: (() => void) | undefined
  let cancelRenew: (() => void) | undefined
  /** An exchange waits for its turn: it sees whatever comes before it begins. */
  let isNext = false
  /** Streams in a row that ended soon after they were opened. */
  let shortStreams = 0
  /** The last stream is over, and the next one waits for `cancelRetry`'s timer, whatever is synced meanwhile. */
  let isResting = false
  let cancelConfirm: (() => void) | undefined

  const isOn = (): boolean =>
    device.settings.syncOn && device.full !== undefined && device.record?.account !== undefined

  const settleFailure = async (f: Failure): Promise<void> => {
    failure = f
    const { code } = f
    if (code === "device-removed" || code === "device-retired") {
      const obeyed = await device.serial(() => ownRemoval(device, code))
      if (!obeyed.ok) failure = obeyed.error
    }
    if (f.code === "account-frozen") onFrozen()
    device.changed()
    if (running && (retryable(f) || PASSING.has(code))) retryLater()
  }

  const retryLater = (inVain = tries++): void => {
    cancelRetry?.()
    cancelRetry = device.ports.schedule(tryAgain, waitAfterSilence(inVain, randomFraction(device)))
  }
  const tryAgain = (): void => {
    cancelRetry = undefined
    isResting = false
    void exchange()
  }

  const exchange = async (): Promise<void> => {
    if (!running || !isOn() || isNext) return
    isNext = true
    working++
    const { result, gaveWay } = await device.turns.background(() => {
      isNext = false
      triedMs = device.ports.clock.monotonicMs()
      return answering(device.ports, () => syncNow(device))
    })
    working--
    if (!result.ok && gaveWay) {
      // Behind whoever waited. Nothing is known of the server yet.
      live.poke()
      return
    }
    if (!result.ok) {
      await settleFailure(result.error)
      return
    }
    failure = undefined
    tries = 0
    if (result.value.paused) live.stop()
    device.changed()
    if (!running || isResting) return
    const opened = await stream.open()
    if (opened.ok) return
    await settleFailure(opened.error)
    rest()
  }

  const listener: FeedListener = {
    onApplied: () => {
      failure = undefined
      cancelConfirm ??= device.ports.schedule(
        () => {
          cancelConfirm = undefined
          live.poke()
        },
        CONFIRM_MS * (1 + randomFraction(device)),
      )
    },
    onGap: () => live.poke(),
    onNotice: (notice) => {
      // A device left by itself or waits to be let in; an ordinary change carries all there is to know.
      if (notice === "device") onRetirements()
      onNotice(notice)
    },
    onFailure: (f) => void settleFailure(f),
  }
  const stream = oneStream(device, listener, (lastedMs) => {
    if (lastedMs >= SHORT_STREAM_MS) shortStreams = 0
    rest()
  })
  const rest = (): void => {
    if (!running || !isOn()) return
    isResting = true
    retryLater(shortStreams++)
  }

  const renew = (): void => {
    cancelRenew?.()
    cancelRenew = device.ports.schedule(() => {
      if (!running) return
      void device
        .serial(() => answering(device.ports, () => renewLease(device)))
        .then((r) => {
          if (!r.ok && !retryable(r.error)) void settleFailure(r.error)
          renew()
        })
    }, RENEW_MS)
  }

  const live: Live = {
    state: () => {
      const failed = failure === undefined ? {} : { failure }
      if (!device.settings.syncOn) return { state: "off" }
      if ([...device.vaults.values()].some((v) => v.row.frozen !== undefined)) return { state: "frozen", ...failed }
      if (failure?.code === "busy") return { state: "busy", ...failed }
      if (failure !== undefined) return { state: retryable(failure) ? "offline" : "refused", ...failed }
      if (working > 0) return { state: "working" }
      return { state: waitingItems(device).length > 0 ? "waiting" : "up-to-date" }
    },
    poke: () => void exchange(),
    start: () => {
      if (running || !isOn()) return
      running = true
      renew()
      void exchange()
    },
    stop: () => {
      running = false
      cancelRetry?.()
      cancelRetry = undefined
      cancelRenew?.()
      stream.close()
      isResting = false
      shortStreams = 0
      cancelConfirm?.()
      cancelConfirm = undefined
      failure = undefined
    },
    report: (f) => {
      if (f === undefined) {
        failure = undefined
        device.changed()
      } else void settleFailure(f)
    },
    lookAgain: () => {
      // A server that answered and asked for patience gets it; one that said nothing may be back.
      const isSilence = failure === undefined || failure.code === "network-unreachable" || failure.code === "timed-out"
      if (cancelRetry === undefined || working > 0 || !isSilence) return
      if (device.ports.clock.monotonicMs() - triedMs < LOOK_AGAIN_MS) return
      cancelRetry()
      tryAgain()
    },
  }
  return Object.freeze(live)
}

/**
 * The server's word locks nothing by itself; the signed link does, and what it says is done at once. Only in a turn: work that
 * is under way would go on with keys that are gone, and write after the wipe.
 */
export const ownRemoval = (device: Device, code: "device-removed" | "device-retired"): Promise<Result<void, Failure>> =>
  answering(device.ports, async () => {
    const verified = await verifyOwnRemoval(device)
    if (verified.ok && verified.value.removed) await wipeRemoved(device, code)
    return ok(undefined)
  })
