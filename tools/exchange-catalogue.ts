import { spawnSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

import { format, type FormatConfig } from "oxfmt"

/*
 * Writes packages/items/src/catalogue/exchanges.json from a pinned release of ccxt and the hand-written overlay.
 * ccxt is 67 MB, so it is installed in a temporary folder for this run and never becomes a dependency.
 *
 *   node tools/exchange-catalogue.ts            write the catalogue
 *   node tools/exchange-catalogue.ts --check    fail if the committed one differs
 */

const CCXT = "4.5.84"
const FOLDER = new URL("../packages/items/src/catalogue/", import.meta.url)

interface CcxtRow {
  readonly id: string
  readonly name: string
  readonly site: string
  readonly testnet: boolean
  readonly required: readonly string[]
}

type Overlay = Readonly<Record<string, unknown>> & {
  readonly fields?: readonly string[]
  readonly rename?: Readonly<Record<string, string>>
}

/** ccxt's names and ours. `password` is an API passphrase nearly everywhere; the overlay renames the exception. */
const FIELD_BY_CCXT_NAME: Readonly<Record<string, string>> = {
  apiKey: "key",
  secret: "secret",
  uid: "uid",
  accountId: "account-id",
  login: "login",
  password: "passphrase",
  twofa: "twofa",
  privateKey: "private-key",
  walletAddress: "wallet-address",
  token: "token",
}

const LISTING = `
import ccxt from "ccxt"
const rows = ccxt.exchanges.map((id) => {
  const e = new ccxt[id]()
  const required = Object.entries(e.requiredCredentials).filter(([, needed]) => needed).map(([name]) => name)
  const site = Array.isArray(e.urls?.www) ? e.urls.www[0] : (e.urls?.www ?? "")
  return { id, name: e.name, site, testnet: Boolean(e.urls?.test), required }
})
process.stdout.write(JSON.stringify(rows))
`

const run = (command: string, args: readonly string[], cwd: string): string => {
  const result = spawnSync(command, args, { cwd, encoding: "utf8", maxBuffer: 1 << 26 })
  if (result.status !== 0) throw new Error(`${command} ${args.join(" ")} ended with ${result.status}: ${result.stderr}`)
  return result.stdout
}

const listExchanges = (): readonly CcxtRow[] => {
  const folder = mkdtempSync(join(tmpdir(), "exchange-catalogue-"))
  try {
    writeFileSync(join(folder, "package.json"), '{"private":true,"type":"module"}')
    writeFileSync(join(folder, "list.mjs"), LISTING)
    run("npm", ["install", "--no-audit", "--no-fund", "--ignore-scripts", `ccxt@${CCXT}`], folder)
    return JSON.parse(run(process.execPath, ["list.mjs"], folder)) as readonly CcxtRow[]
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const fieldsOf = (row: CcxtRow, overlay: Overlay): readonly string[] =>
  overlay.fields ??
  row.required.map((name) => {
    const field = FIELD_BY_CCXT_NAME[name]
    if (field === undefined) throw new Error(`${row.id} asks for "${name}", which this catalogue does not know`)
    return overlay.rename?.[field] ?? field
  })

const buildCatalogue = async (): Promise<string> => {
  const overlays = JSON.parse(readFileSync(new URL("overlay.json", FOLDER), "utf8")) as Readonly<
    Record<string, Overlay>
  >
  const entries = new Map<string, unknown>()
  for (const row of listExchanges()) {
    const { rename: _applied, fields: _listed, ...rest } = overlays[row.id] ?? {}
    const fields = fieldsOf(row, overlays[row.id] ?? {})
    if (fields.length === 0) throw new Error(`${row.id} asks for no field; the overlay must name one`)
    entries.set(row.id, { name: row.name, site: row.site, testnet: row.testnet, fields, ...rest })
  }
  for (const [id, overlay] of Object.entries(overlays)) if (!entries.has(id)) entries.set(id, overlay)
  const sorted = Object.fromEntries([...entries].toSorted(([a], [b]) => (a < b ? -1 : 1)))
  const options = JSON.parse(readFileSync(new URL("../.oxfmtrc.json", import.meta.url), "utf8")) as FormatConfig
  const catalogue = { source: `ccxt ${CCXT} and overlay.json`, exchanges: sorted }
  return (await format("exchanges.json", JSON.stringify(catalogue), options)).code
}

const target = new URL("exchanges.json", FOLDER)
const catalogue = await buildCatalogue()
if (process.argv.includes("--check")) {
  if (readFileSync(target, "utf8") !== catalogue) {
    console.error("exchanges.json is stale: run node tools/exchange-catalogue.ts")
    process.exit(1)
  }
  console.log("exchanges.json is what ccxt and the overlay give")
} else {
  writeFileSync(target, catalogue)
  console.log(`wrote exchanges.json, ${catalogue.length} characters`)
}
