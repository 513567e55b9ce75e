/**
 * `npm run gallery [-- --only ID,ID] [--theme light]`: the production screens, drawn from recorded answers of the engine,
 * as pictures in both themes with an index. Closes with `N states × 2 themes`; a state of the list that nobody shows is a
 * failure, and so is a page that reports a violation of its content policy.
 */
import { mkdirSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import process from "node:process"

import { REQUIRED } from "./required.ts"
import { STATES } from "./states.ts"
import { openGallery, showState, type Theme } from "./browser.ts"

const OUT = join(import.meta.dirname, "out")

const after = (flag: string): readonly string[] => {
  const at = process.argv.indexOf(flag)
  return at < 0 ? [] : (process.argv[at + 1] ?? "").split(",")
}

const only = after("--only")
const themes: readonly Theme[] = after("--theme").length > 0 ? (after("--theme") as Theme[]) : ["light", "dark"]
const chosen = only.length === 0 ? STATES : STATES.filter((state) => only.includes(state.id))
const shown = new Set(STATES.flatMap((state) => state.shows))
const missing = REQUIRED.filter((required) => !shown.has(required))
const unknown = [...shown].filter((name) => !REQUIRED.includes(name) && !name.startsWith("error:"))

if (only.length === 0) rmSync(OUT, { recursive: true, force: true })
mkdirSync(OUT, { recursive: true })
const failures: string[] = []
await using gallery = await openGallery()
for (const theme of themes) {
  for (const state of chosen) {
    const { page, complaints } = await showState(gallery, state, { theme })
    await page.screenshot({ path: join(OUT, `${state.id}.${theme}.png`), fullPage: false })
    failures.push(...complaints.map((complaint) => `${state.id} (${theme}): ${complaint}`))
    await page.close()
  }
}

const figures = STATES.map(
  (state) =>
    `<figure><figcaption>${state.id}<br><small>${state.shows.join(", ")}</small></figcaption>${["light", "dark"].map((theme) => `<img loading="lazy" src="${state.id}.${theme}.png" alt="${state.id}, ${theme}">`).join("")}</figure>`,
)
writeFileSync(
  join(OUT, "index.html"),
  `<!doctype html><meta charset="utf-8"><title>Keyferry gallery</title><style>body{font:14px system-ui;margin:24px;background:#888}figure{margin:0 0 32px;display:flex;gap:12px;align-items:flex-start}figcaption{width:160px}img{max-width:44%;border:1px solid #555}</style>${figures.join("")}`,
)
for (const name of missing) failures.push(`the list of states has ${name}, and nothing shows it`)
for (const name of unknown) failures.push(`${name} is shown and is not in the list of states`)
for (const failure of failures) process.stdout.write(`  ${failure}\n`)
process.stdout.write(`${chosen.length} states × ${themes.length} themes\n`)
process.exitCode = failures.length > 0 ? 1 : 0
