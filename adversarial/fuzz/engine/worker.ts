/**
 * Runs targets in a thread of its own, so that an endless loop in one of them can be told from work and ended.
 * What it is at stands in shared memory; results go to the parent.
 */
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { parentPort, workerData } from "node:worker_threads"

import { loadTargets } from "../targets.ts"
import { createDice, type FuzzTarget } from "./target.ts"

export interface WorkerOrder {
  readonly seed: string
  /** Names of the targets to run, and the number of the first input of each. */
  readonly from: Readonly<Record<string, number>>
  readonly untilMs: number
  /** Inputs that failed once: they come first, and nothing else when `untilMs` is 0. */
  readonly kept: readonly { readonly target: string; readonly input: Uint8Array; readonly file: string }[]
  /** [index of target, number of input (or -1 − index of the kept one), start in ms since the origin of the parent] */
  readonly at: SharedArrayBuffer
}

export type WorkerReport =
  | { readonly kind: "ready"; readonly names: readonly string[] }
  | { readonly kind: "counted"; readonly target: string; readonly inputs: number; readonly next: number }
  | {
      readonly kind: "failed"
      readonly target: string
      readonly number: number
      readonly input: Uint8Array
      readonly why: string
      readonly file?: string
    }
  | { readonly kind: "done" }

const SLICE_MS = 400
const GROWTH_LIMIT = 96 * 1024 * 1024
const ONE_INPUT_LIMIT = 192 * 1024 * 1024
/** Of this thread's own processor time: a machine that is busy with something else makes nothing slower. */
const ONE_INPUT_MS = 2000

setFlagsFromString("--expose-gc")
const gc = runInNewContext("gc") as () => void
/** Twice: the bytes of large buffers that a collection found are given back beside it, and counted as gone by the next. */
const collect = (): void => {
  gc()
  gc()
}

const order = workerData as WorkerOrder
const place = new BigInt64Array(order.at)
// eslint-disable-next-line unicorn/require-post-message-target-origin -- a port between threads has no origin
const report = (message: WorkerReport): void => parentPort?.postMessage(message)
const held = (): number => {
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

const enter = (target: number, number: number): void => {
  Atomics.store(place, 0, BigInt(target))
  Atomics.store(place, 1, BigInt(number))
  Atomics.store(place, 2, BigInt(Date.now()))
}
const leave = (): void => {
  Atomics.store(place, 2, 0n)
}

const describe = (error: unknown): string =>
  error instanceof Error ? (error.stack ?? error.message).split("\n").slice(0, 6).join("\n") : String(error)

const cpuMs = (): number => {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1000
}

/** What went wrong, or nothing. */
const tryInput = async (target: FuzzTarget, input: Uint8Array): Promise<string | undefined> => {
  const before = process.memoryUsage().arrayBuffers
  const startedMs = cpuMs()
  try {
    await target.run(input)
  } catch (error) {
    return describe(error)
  }
  const tookMs = cpuMs() - startedMs
  if (tookMs > ONE_INPUT_MS) return `${input.length} bytes of input took ${Math.round(tookMs)} ms`
  const grown = process.memoryUsage().arrayBuffers - before
  return grown > ONE_INPUT_LIMIT ? `${input.length} bytes of input took ${Math.round(grown / 2 ** 20)} MiB` : undefined
}

const targets = await loadTargets(Object.keys(order.from))
report({ kind: "ready", names: targets.map((target) => target.name) })

for (const [i, { target: name, input, file }] of order.kept.entries()) {
  const index = targets.findIndex((target) => target.name === name)
  const target = targets[index]
  if (target === undefined) continue
  enter(index, -1 - i)
  const why = await tryInput(target, input)
  leave()
  if (why !== undefined) report({ kind: "failed", target: name, number: -1 - i, input, why, file })
}

const next = new Map<string, number>(Object.entries(order.from))
const grownBy = new Map<string, number>()
const rounds = new Map<string, number>()
// A rejection that nobody waited for is an exception of the input before it.
let stray: unknown
process.on("unhandledRejection", (error) => (stray = error))

while (Date.now() < order.untilMs) {
  for (const [index, target] of targets.entries()) {
    const round = (rounds.get(target.name) ?? 0) + 1
    rounds.set(target.name, round)
    collect()
    const before = held()
    const sliceEnd = Math.min(Date.now() + SLICE_MS, order.untilMs)
    const first = next.get(target.name) ?? 0
    let number = first
    while (number === first || Date.now() < sliceEnd) {
      enter(index, number)
      const input = await target.make(createDice(`${order.seed} ${target.name} ${number}`))
      const why = await tryInput(target, input)
      leave()
      const late = stray === undefined ? undefined : `not waited for: ${describe(stray)}`
      stray = undefined
      if (why !== undefined || late !== undefined)
        report({ kind: "failed", target: target.name, number, input, why: why ?? late ?? "" })
      number++
    }
    next.set(target.name, number)
    report({ kind: "counted", target: target.name, inputs: number - first, next: number })
    collect()
    // The first rounds fill caches; after that nothing of an input may stay.
    const grown = (grownBy.get(target.name) ?? 0) + (round > 2 ? held() - before : 0)
    grownBy.set(target.name, grown)
    if (grown > GROWTH_LIMIT) {
      grownBy.set(target.name, 0)
      const why = `memory grew by ${Math.round(grown / 2 ** 20)} MiB over ${number} inputs`
      report({ kind: "failed", target: target.name, number, input: new Uint8Array(), why })
    }
  }
}
for (const target of targets) await target.close?.()
report({ kind: "done" })
