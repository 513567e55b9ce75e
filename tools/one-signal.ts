/**
 * Preloaded before the server by tools/start.ts: one Ctrl-C arrives once.
 * A terminal sends SIGINT to every process of the group, and npm hands the same signal on to its script, so the server
 * would see it twice within milliseconds and take the second for "stop at once". A second Ctrl-C by a person comes later
 * than this window and passes.
 */
import { constants } from "node:os"
import process from "node:process"

const WINDOW_MS = 700
const SIGNALS = new Set(["SIGINT", "SIGTERM", "SIGHUP"])
const lastMsBySignal = new Map<string, number>()
const emit = process.emit.bind(process)

const emitOnce = (name: string, ...rest: readonly unknown[]): boolean => {
  const number = SIGNALS.has(name) ? constants.signals[name as NodeJS.Signals] : undefined
  if (number !== undefined) {
    const nowMs = performance.now()
    const lastMs = lastMsBySignal.get(name)
    if (lastMs !== undefined && nowMs - lastMs < WINDOW_MS) return true
    lastMsBySignal.set(name, nowMs)
    // Only our own listener is there: do what the system would have done without it.
    if (process.listenerCount(name) === 1) process.exit(128 + number)
  }
  return Reflect.apply(emit, process, [name, ...rest])
}

// Children forked by the server do not inherit this preload.
const at = process.execArgv.indexOf("--import")
if (at >= 0 && process.execArgv[at + 1]?.endsWith("one-signal.ts")) process.execArgv.splice(at, 2)

// Node binds `process.emit` when the first listener of a signal is added, which is after this line.
Object.defineProperty(process, "emit", { value: emitOnce, configurable: true, writable: true })

// A listener that stays: the server's may be a `once`, and the repeated signal would then end it at once.
for (const signal of SIGNALS) process.on(signal, () => undefined)
