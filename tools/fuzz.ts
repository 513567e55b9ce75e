/**
 * `npm run fuzz -- [--seconds N] [--seed S] [--only NAME,NAME] [--list]`: mutated inputs for every decoder and parser of
 * untrusted bytes. What failed once lies in adversarial/fuzz/kept/ and runs first.
 * An input is told by its target, the seed and its number; it fails by an exception that is not the declared outcome, by
 * more than 2 s of processor time, or by memory that stays.
 * Closes with `fuzz: N inputs, N targets, N failed`. Exit codes: 0 none failed, 1 otherwise, 2 usage.
 */
import { createHash } from "node:crypto"
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import process from "node:process"
import { parseArgs } from "node:util"
import { Worker } from "node:worker_threads"

import { createDice } from "../adversarial/fuzz/engine/target.ts"
import type { WorkerOrder, WorkerReport } from "../adversarial/fuzz/engine/worker.ts"
import { loadTargets, TARGET_NAMES } from "../adversarial/fuzz/targets.ts"

const FOLDER = join(import.meta.dirname, "..", "adversarial", "fuzz")
const KEPT = join(FOLDER, "kept")
/** An input that neither ends nor works: nothing of a promise that is never kept shows in processor time. */
const HANG_MS = 20_000
/** A target that fails over and over says the same thing; the first ones are enough. */
const SHOWN_PER_TARGET = 5

interface Kept {
  readonly target: string
  readonly seed: string
  readonly number: number
  readonly why: string
  /** base64 */
  readonly input: string
}

const print = (line: string): void => void process.stdout.write(`${line}\n`)

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "60" },
    seed: { type: "string", default: "1" },
    only: { type: "string" },
    list: { type: "boolean", default: false },
  },
})
const seconds = Number(values.seconds)
const names = values.only === undefined ? TARGET_NAMES : values.only.split(",")
const unknown = names.filter((name) => !TARGET_NAMES.includes(name))
if (!(seconds >= 0) || unknown.length > 0) {
  process.stderr.write(unknown.length > 0 ? `No such target: ${unknown.join(", ")}.\n` : "--seconds takes a number.\n")
  process.exit(2)
}
if (values.list) {
  for (const name of TARGET_NAMES) print(name)
  process.exit(0)
}

mkdirSync(KEPT, { recursive: true })
const kept = readdirSync(KEPT)
  .filter((file) => file.endsWith(".json"))
  .sort()
  .map((file) => ({ file, ...(JSON.parse(readFileSync(join(KEPT, file), "utf8")) as Kept) }))
  .filter((one) => names.includes(one.target))

let inputs = 0
let failed = 0
const failuresBy = new Map<string, number>()
const countBy = new Map<string, number>()

const keep = (target: string, number: number, input: Uint8Array, why: string, file?: string): void => {
  failed++
  const nth = (failuresBy.get(target) ?? 0) + 1
  failuresBy.set(target, nth)
  if (nth > SHOWN_PER_TARGET) return
  const first = why.split("\n")[0] ?? ""
  print(`FAILED ${target}, ${file === undefined ? `seed ${values.seed}, input ${number}` : `kept in ${file}`}: ${why}`)
  if (file !== undefined || input.length === 0) return
  const digest = createHash("sha256").update(input).digest("hex").slice(0, 8)
  const record: Kept = { target, seed: values.seed, number, why: first, input: Buffer.from(input).toString("base64") }
  writeFileSync(join(KEPT, `${target}-${digest}.json`), `${JSON.stringify(record, undefined, 2)}\n`)
}

/** Runs one thread until the time is over, or until an input hangs; answers with where to go on, if it must. */
let keptLeft: WorkerOrder["kept"] = []
const runThread = (
  from: Readonly<Record<string, number>>,
  keptNow: WorkerOrder["kept"],
  untilMs: number,
): Promise<Readonly<Record<string, number>> | undefined> =>
  new Promise((resolve, reject) => {
    const at = new SharedArrayBuffer(24)
    const place = new BigInt64Array(at)
    const next: Record<string, number> = { ...from }
    let order: readonly string[] = []
    let isDone = false
    const workerData: WorkerOrder = { seed: values.seed, from, untilMs, kept: keptNow, at }
    const worker = new Worker(join(FOLDER, "engine", "worker.ts"), {
      workerData,
      resourceLimits: { maxOldGenerationSizeMb: 2048 },
    })
    const current = (): { name: string; number: number } => ({
      name: order[Number(Atomics.load(place, 0))] ?? "",
      number: Number(Atomics.load(place, 1)),
    })
    /** Ends the thread, keeps what it was at, and tells where the next one starts. */
    const goOn = async (why: string): Promise<Readonly<Record<string, number>>> => {
      isDone = true
      clearInterval(watch)
      await worker.terminate()
      const { name, number } = current()
      if (number < 0) {
        const one = keptNow[-1 - number]
        if (one !== undefined) keep(name, number, one.input, why, one.file)
        keptLeft = keptNow.slice(-number)
        return next
      }
      const [target] = await loadTargets([name])
      const input = await target?.make(createDice(`${values.seed} ${name} ${number}`))
      await target?.close?.()
      keep(name, number, input ?? new Uint8Array(), why)
      return { ...next, [name]: number + 1 }
    }
    const watch = setInterval(() => {
      const started = Number(Atomics.load(place, 2))
      if (started > 0 && Date.now() - started > HANG_MS) resolve(goOn(`no end after ${HANG_MS / 1000} s`))
    }, 500)
    worker.on("message", (message: WorkerReport) => {
      if (message.kind === "ready") order = message.names
      if (message.kind === "failed") keep(message.target, message.number, message.input, message.why, message.file)
      if (message.kind === "counted") {
        inputs += message.inputs
        countBy.set(message.target, (countBy.get(message.target) ?? 0) + message.inputs)
        next[message.target] = message.next
      }
      if (message.kind === "done") isDone = true
    })
    worker.on("error", (error: NodeJS.ErrnoException) => {
      if (isDone) return
      // Out of memory ends the thread in the middle of an input; anything else is a defect of the fuzzer or its fixtures.
      if (error.code === "ERR_WORKER_OUT_OF_MEMORY") resolve(goOn("the thread ran out of memory"))
      else {
        clearInterval(watch)
        reject(new Error(`${JSON.stringify(current())}: ${error.stack ?? error.message}`))
      }
    })
    worker.on("exit", () => {
      clearInterval(watch)
      if (isDone) resolve(undefined)
    })
  })

const untilMs = Date.now() + seconds * 1000
let from: Readonly<Record<string, number>> | undefined = Object.fromEntries(names.map((name) => [name, 0]))
keptLeft = kept.map((one) => ({
  target: one.target,
  input: new Uint8Array(Buffer.from(one.input, "base64")),
  file: one.file,
}))
inputs += keptLeft.length
while (from !== undefined) {
  const now = keptLeft
  keptLeft = []
  from = await runThread(from, now, untilMs)
}
for (const name of names) print(`${name} … ${countBy.get(name) ?? 0} inputs, ${failuresBy.get(name) ?? 0} failed`)
print(`fuzz: ${inputs} inputs, ${names.length} targets, ${failed} failed`)
process.exit(failed === 0 && inputs > 0 ? 0 : 1)
