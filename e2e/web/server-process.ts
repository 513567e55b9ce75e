import { realpathSync } from "node:fs"
import { dirname, join } from "node:path"
import process from "node:process"

import { pino } from "pino"

import { readConfig } from "../../apps/server/src/config/config.ts"
import { readWebBundle } from "../../apps/server/src/http/web-bundle.ts"
import { startServer, systemRandom } from "../../apps/server/src/start.ts"

/*
 * The product's server, with two differences from `keyferry serve`: it serves the web app of the folder named in KF_TEST_WEB,
 * which has a page more, and its strongroom gets the clock of `moved-clock.mjs` as well. Arguments are those of `keyferry serve`.
 */
const ROOT = join(import.meta.dirname, "..", "..")

const config = readConfig({
  args: process.argv.slice(2),
  env: { KF_MAIL_URL: process.env["KF_MAIL_URL"] },
})
if (!config.ok) throw new Error(config.error.join(" "))
const { values } = config.value
const web = readWebBundle(process.env["KF_TEST_WEB"] ?? "")
if (!web.ok) throw new Error(web.error)
const started = await startServer({
  settings: values,
  folder: values.data_dir,
  version: "0.0.0",
  clock: { nowMs: () => Date.now() },
  random: systemRandom,
  log: pino({ level: "info", base: null }, pino.destination({ fd: 2, sync: true })),
  web: web.value,
  strongroom: {
    entry: join(ROOT, "apps", "strongroom", "src", "main.ts"),
    programFolders: [
      ...["apps/strongroom", "packages", "node_modules", "package.json", "adversarial/world"].map((path) =>
        join(ROOT, path),
      ),
      // Where the libraries really lie, if this checkout shares those of another one.
      dirname(realpathSync(join(ROOT, "node_modules", "typebox"))),
    ],
    runtimeArgs: ["--import", join(ROOT, "adversarial", "world", "moved-clock.mjs")],
  },
})
if (!started.ok) {
  process.stderr.write(`${started.error.detail}\n`)
  process.exit(started.error.exitCode)
}
process.stdout.write(`first ${started.value.firstLink ?? "none"}\nready in time\n`)
for (const signal of ["SIGINT", "SIGTERM"] as const)
  process.once(signal, () => void started.value.stop().then((code) => process.exit(code)))
