/**
 * `npm run breakage [-- NAME…] [--list]`: the real programs on broken disks, files, clocks, ports and halves. For each: the
 * sentence, the exit code, and that the stores hold what they held.
 * Mounts small and read-only file systems, in a mount namespace of its own so that nothing of it is left on the machine.
 * Where the system allows no namespace, what needs a mount fails and the rest runs. Closes with `N passed, N failed`.
 */
import { spawnSync } from "node:child_process"
import process from "node:process"

import { breakages as device } from "../adversarial/breakage/device.ts"
import { breakages as migration } from "../adversarial/breakage/migration.ts"
import { breakages as server } from "../adversarial/breakage/server.ts"
import { createStages } from "../adversarial/breakage/stage.ts"

const INSIDE = "KF_BREAKAGE_INSIDE"
const print = (line: string): void => void process.stdout.write(`${line}\n`)
const all = [...device, ...server, ...migration]

const words = process.argv.slice(2).filter((word) => !word.startsWith("--"))
const unknown = words.filter((word) => !all.some(({ name }) => name === word))
if (unknown.length > 0) {
  process.stderr.write(`There is no ${unknown.join(", ")}; there are: ${all.map(({ name }) => name).join(", ")}.\n`)
  process.exit(2)
}
if (process.argv.includes("--list")) {
  for (const { name } of all) print(name)
  process.exit(0)
}

// Root has the right to mount by itself; anybody else gets it inside a namespace of users, where the system allows that.
const rights = process.getuid?.() === 0 ? [] : ["--user", "--map-root-user"]
const namespace = [...rights, "--mount", "--propagation", "private"]
if (process.env[INSIDE] === undefined && spawnSync("unshare", [...namespace, "true"]).status === 0) {
  const inside = spawnSync("unshare", [...namespace, process.execPath, ...process.argv.slice(1)], {
    stdio: "inherit",
    env: { ...process.env, [INSIDE]: "1" },
  })
  process.exit(inside.status ?? 1)
}

let passed = 0
let failed = 0
const stages = await createStages()
try {
  for (const { name, run } of words.length > 0 ? all.filter((one) => words.includes(one.name)) : all) {
    const { stage, close } = stages.stageOf(name)
    const startedMs = performance.now()
    const took = (): string => `(${((performance.now() - startedMs) / 1000).toFixed(1)} s)`
    try {
      const { exit, sentence } = await run(stage)
      passed++
      print(`${name} … exit ${exit}: ${sentence} ${took()}`)
    } catch (error) {
      failed++
      const why =
        error instanceof Error
          ? error.name === "Broken"
            ? error.message
            : (error.stack ?? error.message)
          : String(error)
      print(`${name} … FAILED ${took()}: ${why}`)
    } finally {
      await close()
    }
  }
} finally {
  stages.close()
}
print(`${passed} passed, ${failed} failed`)
process.exit(failed === 0 && passed > 0 ? 0 : 1)
