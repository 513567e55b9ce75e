import { spawnSync } from "node:child_process"
import { mkdirSync } from "node:fs"
import { join } from "node:path"

import { openNodeKeyferry } from "../../packages/sdk/src/node/index.ts"
import { nodePrimitives } from "../../packages/crypto/src/primitives/node.ts"
import { itemText } from "../run/items.ts"
import { haveCommand, havePeers, PEERS } from "../run/peers.ts"
import { alternate, median, type Plan } from "../run/rounds.ts"
import { type Family, missingRow, type Row, rowOf } from "../run/row.ts"

/* K1, K2, K4: the packed command, wall clock around the whole process. */
const ROOT = join(import.meta.dirname, "..", "..")
const PASSWORD = "correct horse battery"

let packed: string | undefined
/** Made once in a run, from the sources of this moment. */
export const packedKf = (): string => {
  if (packed !== undefined) return packed
  const { status, stderr } = spawnSync(process.execPath, [join(ROOT, "tools", "pack-kf.ts")], { encoding: "utf8" })
  if (status !== 0) throw new Error(`pack:kf: ${stderr}`)
  packed = join(ROOT, "dist", "kf.cjs")
  return packed
}

const run = async (plan: Plan, folder: string): Promise<readonly Row[]> => {
  const kf = packedKf()
  const home = join(folder, "home")
  mkdirSync(home, { mode: 0o700 })
  const env = { PATH: process.env["PATH"] ?? "", HOME: home, XDG_RUNTIME_DIR: home, LANG: "C.UTF-8", NO_COLOR: "1" }
  const call = (args: readonly string[], input = ""): string => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [kf, ...args], { env, input, encoding: "utf8" })
    if (status !== 0) throw new Error(`kf ${args.join(" ")} ended with ${status}: ${stderr.slice(0, 300)}`)
    return stdout
  }
  const timed = (command: string, args: readonly string[], input = "", own: NodeJS.ProcessEnv = env) => {
    const times: number[] = []
    for (let i = 0; i < (plan.quick ? 4 : 6); i++) {
      const began = performance.now()
      const { status, stderr } = spawnSync(command, args, { env: own, input, encoding: "utf8" })
      times.push(performance.now() - began)
      if (status !== 0) throw new Error(`${command} ${args.join(" ")} ended with ${status}: ${stderr.slice(0, 300)}`)
    }
    return median(times)
  }
  const node = async (): Promise<number> => timed(process.execPath, ["-e", "0"])
  const ofKf =
    (...args: readonly string[]) =>
    async (): Promise<number> =>
      timed(process.execPath, [kf, ...args])
  const beside = "node -e 0"

  const items = plan.quick ? 500 : 10_000
  await fill(join(home, ".local", "share", "keyferry", "default"), items)
  call(["unlock", "--password-stdin"], PASSWORD)
  const rows: Row[] = []
  const warm = await alternate(plan, ofKf("read", "Wanted", "text"), node)
  rows.push(
    rowOf(
      { id: "K1", what: "packed kf read, agent warm", unit: "ms", beside, goal: "≤ 1.5×" },
      warm,
      ({ ratio }) => ratio <= 1.5,
    ),
    await besidePass(plan, folder, ofKf("read", "Wanted", "text"), timed),
  )
  for (const word of ["--version", "--help"])
    rows.push(
      rowOf(
        { id: "K4", what: `kf ${word}`, unit: "ms", beside, goal: "≤ 1.25×" },
        await alternate(plan, ofKf(word), node),
        ({ ratio }) => ratio <= 1.25,
      ),
    )
  call(["agent", "stop"])
  rows.push(
    await withoutAgent(
      plan,
      items,
      () => timed(process.execPath, [kf, "read", "Wanted", "text", "--no-agent", "--password-stdin"], PASSWORD),
      timed,
    ),
  )
  return rows
}

/** A local store without an account, as `kf` finds it. */
const fill = async (folder: string, items: number): Promise<void> => {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const opened = await openNodeKeyferry({ folder })
  if (!opened.ok) throw new Error(opened.error.code)
  const made = await opened.value.createLocal(PASSWORD)
  if (!made.ok) throw new Error(made.error.code)
  for (let i = 0; i < items; i++) {
    const title = i === 0 ? "Wanted" : `Item ${i}`
    const text = { name: "text", value: i === 0 ? "hello" : itemText(i), secret: true }
    const added = await opened.value.add({ kind: "note", title, fields: [text] })
    if (!added.ok) throw new Error(added.error.code)
  }
  await opened.value.close()
}

const besidePass = async (
  plan: Plan,
  folder: string,
  ours: () => Promise<number>,
  timed: (command: string, args: readonly string[], input?: string, env?: NodeJS.ProcessEnv) => number,
): Promise<Row> => {
  const words = { id: "K1", what: "packed kf read beside pass show", unit: "ms", beside: "pass", goal: "≤ 3×" }
  if (!haveCommand("pass") || !haveCommand("gpg")) return missingRow(words, "pass could not be installed here")
  const home = join(folder, "pass")
  mkdirSync(home, { mode: 0o700 })
  const env = { ...process.env, HOME: home, GNUPGHOME: home, PASSWORD_STORE_DIR: join(home, "store") }
  const quiet = { env, stdio: "ignore" } as const
  spawnSync(
    "gpg",
    ["--batch", "--passphrase", "", "--quick-gen-key", "bench@example.org", "default", "default", "0"],
    quiet,
  )
  spawnSync("pass", ["init", "bench@example.org"], quiet)
  spawnSync("pass", ["insert", "-m", "wanted"], { env, input: "hello\n" })
  const measured = await alternate(plan, ours, async () => timed("pass", ["show", "wanted"], "", env))
  spawnSync("gpgconf", ["--kill", "gpg-agent"], quiet)
  return rowOf(words, measured, ({ ratio }) => ratio <= 3)
}

/** Everything but the password's key derivation, which is meant to take long. */
const withoutAgent = async (
  plan: Plan,
  items: number,
  read: () => number,
  timed: (command: string, args: readonly string[], input?: string, env?: NodeJS.ProcessEnv) => number,
): Promise<Row> => {
  const words = {
    id: "K2",
    what: `kf read, no agent, ${items.toLocaleString("en")} items, without KDF`,
    unit: "ms",
    beside: "bw generate",
    goal: "≤ 120 ms and ≤ 0.35×",
  }
  if (!havePeers("@bitwarden/cli")) return missingRow(words, "bw could not be installed here")
  const bw = join(PEERS, "node_modules", "@bitwarden", "cli", "build", "bw.js")
  const derive = async (): Promise<number> => {
    const began = performance.now()
    await nodePrimitives.argon2id(new Uint8Array(16), new Uint8Array(16), KDF)
    return performance.now() - began
  }
  // Beside every reading, since both take longer on a busy machine.
  const kdfs: number[] = []
  const measured = await alternate(
    plan,
    async () => {
      const before = await derive()
      const took = read()
      const kdf = median([before, await derive(), await derive()])
      kdfs.push(kdf)
      return took - kdf
    },
    async () => timed(process.execPath, [bw, "generate"], "", { ...process.env, BITWARDENCLI_APPDATA_DIR: "/tmp" }),
  )
  return rowOf(
    words,
    measured,
    ({ ours, ratio }) => ours <= 120 && ratio <= 0.35,
    `KDF ${median(kdfs).toFixed(0)} ms taken off`,
  )
}
const KDF = { memoryKiB: 65_536, passes: 3, parallelism: 4, length: 32 }

export const cli: Family = { ids: ["K1", "K2", "K4"], run }
