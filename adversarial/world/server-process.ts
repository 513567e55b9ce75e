import { realpathSync } from "node:fs"
import { dirname, join } from "node:path"
import process from "node:process"

import { pino } from "pino"

import { readConfig } from "../../apps/server/src/config/config.ts"
import { startServer, systemRandom } from "../../apps/server/src/start.ts"

/*
 * The product's server as a process, with one difference from `keyferry serve`: the strongroom that it starts gets the
 * clock of `moved-clock.mjs` as well. Arguments are those of `keyferry serve`.
 */
const ROOT = join(import.meta.dirname, "..", "..")

const config = readConfig({ args: process.argv.slice(2), env: {} })
if (!config.ok) throw new Error(config.error.join(" "))
const { values } = config.value
const started = await startServer({
  settings: values,
  folder: values.data_dir,
  version: "0.0.0",
  clock: { nowMs: () => Date.now() },
  random: systemRandom,
  log: pino({ level: "info", base: null }, pino.destination({ fd: 2, sync: true })),
  strongroom: {
    entry: join(ROOT, "apps", "strongroom", "src", "main.ts"),
    programFolders: [
      ...["apps/strongroom", "packages", "node_modules", "package.json", "adversarial/world"].map((path) =>
        join(ROOT, path),
      ),
      // Where the libraries really lie, if this checkout shares those of another one.
      dirname(realpathSync(join(ROOT, "node_modules", "typebox"))),
    ],
    runtimeArgs: ["--import", join(import.meta.dirname, "moved-clock.mjs")],
  },
})
if (!started.ok) {
  process.stderr.write(`${started.error.detail}\n`)
  process.exit(started.error.exitCode)
}
process.stdout.write(
  `${JSON.stringify({ origin: started.value.origin, firstLink: started.value.firstLink ?? "" })}\nready\n`,
)
for (const signal of ["SIGINT", "SIGTERM"] as const)
  process.once(signal, () => void started.value.stop().then((code) => process.exit(code)))
