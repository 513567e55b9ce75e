/**
 * `npm start`: becomes the server of this checkout.
 * The server itself (apps/server/src/main.ts) starts the strongroom, prints everything and ends both; this file only
 * makes what is missing or older than its sources, chooses the data folder and hands over. KEYFERRY_STARTED_AT_MS carries the moment the command began, so that
 * `ready in N s` counts what a person waited.
 */
import { join } from "node:path"
import process from "node:process"
import { become, withDataFolder } from "./become.ts"
import { areProgramsCurrent, buildPrograms, programOf, RUNTIME_ARGS } from "./program-bundle.ts"
import { buildWebBundle, isBundleCurrent } from "./web-bundle.ts"

if (!isBundleCurrent()) {
  process.stderr.write("building the web app\n")
  await buildWebBundle()
}

if (!areProgramsCurrent()) {
  process.stderr.write("bundling the server and the strongroom\n")
  await buildPrograms()
}

become(programOf("server"), withDataFolder(["serve", ...process.argv.slice(2)]), [
  ...RUNTIME_ARGS,
  "--import",
  join(import.meta.dirname, "one-signal.ts"),
])
