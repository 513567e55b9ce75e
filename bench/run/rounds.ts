import { createHash } from "node:crypto"
import { Worker } from "node:worker_threads"

/*
 * How a figure is made: anchor and subject alternate A B B A in each round; a fixed hashing loop on both cores before and
 * after it says whether the machine was the same all the time, and the round is dropped where it was not. The figure is the
 * median of the rounds' ratios.
 */
export interface Plan {
  readonly quick: boolean
  /** Rounds that must remain. */
  readonly rounds: number
  /** Rounds that may be tried, */
  readonly tries: number
  /** and for how long: all figures together have to end on a machine that is never quiet. */
  readonly limitMs: number
  readonly calibrationMs: number
}
export const planOf = (quick: boolean): Plan =>
  quick
    ? { quick, rounds: 3, tries: 4, limitMs: Number.POSITIVE_INFINITY, calibrationMs: 100 }
    : { quick, rounds: 5, tries: 20, limitMs: 75_000, calibrationMs: 700 }

const MAY_DIFFER = 0.1

export type Shot = () => Promise<number>

export interface Measured {
  readonly ours: number
  readonly anchor: number
  readonly ratio: number
  /** Smallest and largest ratio of a round. */
  readonly range: readonly [number, number]
  readonly rounds: number
  readonly dropped: number
}

/** `undefined` where too few rounds remain to say anything. In a quick run dropped rounds are counted and used all the same. */
export const alternate = async (plan: Plan, ours: Shot, anchor: Shot): Promise<Measured | undefined> => {
  const kept: { readonly ours: number; readonly anchor: number }[] = []
  const disturbed: { readonly ours: number; readonly anchor: number }[] = []
  const began = performance.now()
  let before = await calibrate(plan)
  for (let i = 0; i < plan.tries && kept.length < plan.rounds; i++) {
    if (performance.now() - began > plan.limitMs) break
    const a = await anchor()
    const b = await ours()
    const c = await ours()
    const d = await anchor()
    const after = await calibrate(plan)
    const round = { ours: (b + c) / 2, anchor: (a + d) / 2 }
    if (Math.abs(after - before) / Math.max(after, before) <= MAY_DIFFER) kept.push(round)
    else disturbed.push(round)
    before = after
  }
  const used = plan.quick ? [...kept, ...disturbed] : kept
  if (!plan.quick && kept.length < plan.rounds) return undefined
  const ratios = used.map((round) => round.ours / round.anchor)
  return {
    ours: median(used.map((round) => round.ours)),
    anchor: median(used.map((round) => round.anchor)),
    ratio: median(ratios),
    range: [Math.min(...ratios), Math.max(...ratios)],
    rounds: used.length,
    dropped: disturbed.length,
  }
}

export const median = (values: readonly number[]): number => quantile(values, 0.5)
export const quantile = (values: readonly number[], q: number): number => {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? Number.NaN
}

/** Exponent of cost against size: the slope of a line through the logarithms. */
export const exponent = (points: readonly (readonly [size: number, cost: number])[]): number => {
  const xs = points.map(([size]) => Math.log(size))
  const ys = points.map(([, cost]) => Math.log(cost))
  const meanX = xs.reduce((s, x) => s + x, 0) / xs.length
  const meanY = ys.reduce((s, y) => s + y, 0) / ys.length
  const over = xs.reduce((s, x, i) => s + (x - meanX) * ((ys[i] ?? 0) - meanY), 0)
  return over / xs.reduce((s, x) => s + (x - meanX) ** 2, 0)
}

/** Hashes that both cores make in a fixed time. */
const calibrate = async ({ calibrationMs }: Plan): Promise<number> => {
  const other = new Promise<number>((resolve, reject) => {
    const worker = new Worker(LOOP, { eval: true, workerData: calibrationMs })
    worker.once("message", resolve)
    worker.once("error", reject)
  })
  await new Promise((resolve) => setTimeout(resolve, 30))
  return hashFor(calibrationMs) + (await other)
}

const hashFor = (ms: number): number => {
  const block = new Uint8Array(4096)
  const end = performance.now() + ms
  let n = 0
  for (; performance.now() < end; n++) createHash("sha256").update(block).digest()
  return n
}
const LOOP = `const { createHash } = require("node:crypto"); const { parentPort, workerData } = require("node:worker_threads")
const hashFor = ${hashFor.toString()}
parentPort.postMessage(hashFor(workerData))`
