/**
 * `npm run gallery [-- --only ID,ID] [-- --pictures]`: the production screens, drawn from recorded answers of the engine,
 * under the real content policy, as pictures in both themes with an index. On every one: axe in both themes, axe and no
 * sideways scrolling at 320 pixels, no unaccented word in the accented language. The main journeys also right to left and
 * in forced colours; a corpus of hostile text through every page; the words of a mark by keyboard
 * and pointer. A state of the list that nobody shows is a failure.
 */
import { mkdirSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import process from "node:process"

import type { Page } from "playwright-core"

import { type Gallery, openGallery, putTheme, showState, type Theme } from "./browser.ts"
import type { GalleryState } from "./gallery-state.ts"
import { lookAtHints } from "./hints.ts"
import { JOURNEYS } from "./journeys.ts"
import { lookForOverflow, lookForPlainText, lookWithAxe } from "./looks.ts"
import { REQUIRED } from "./required.ts"
import { HOSTILE_STATES } from "./states-hostile.ts"
import { STATES } from "./states.ts"

const OUT = join(import.meta.dirname, "out")
const THEMES: readonly Theme[] = ["light", "dark"]
const NARROW = 320

const only = process.argv.includes("--only") ? (process.argv[process.argv.indexOf("--only") + 1] ?? "").split(",") : []
const picturesOnly = process.argv.includes("--pictures")
const isChosen = (state: GalleryState): boolean => only.length === 0 || only.includes(state.id)
const chosen = STATES.filter(isChosen)

const failures: string[] = []

const note = (where: string, found: readonly string[]): void => {
  failures.push(...found.map((line) => `${where}: ${line}`))
}

/** Hostile text is there as text: in the page or in a field, letter by letter. */
const lookForItsText = async (page: Page): Promise<readonly string[]> =>
  (await page.evaluate(
    `(document.body.textContent + [...document.querySelectorAll("input, textarea")].map((field) => field.value).join(" ")).match(/__hostile|onerror|constructor|very long name|isolated|ada<|<b>/) !== null`,
  ))
    ? []
    : ["the hostile text is not on the page at all"]

/** Hostile text has done nothing when no script ran and no element of it is there. */
const lookForHarm = async (page: Page): Promise<readonly string[]> =>
  (await page.evaluate(
    "window.__hostile === undefined && !document.querySelector('img, a[href^=javascript], a[href^=data], script:not([src])')",
  ))
    ? []
    : ["hostile text became more than text"]

/** One state: both themes, 320 pixels, the accented language; a main journey also from right to left and in forced colours. */
const lookAt = async (gallery: Gallery, state: GalleryState): Promise<void> => {
  const { page, complaints, places } = await showState(gallery, state)
  note(state.id, complaints)
  for (const theme of THEMES) {
    await putTheme(page, theme)
    await page.screenshot({ path: join(OUT, `${state.id}.${theme}.png`) })
    if (!picturesOnly) note(`${state.id} ${theme}`, await lookWithAxe(page))
  }
  if (!picturesOnly) {
    await page.setViewportSize({ width: NARROW, height: 640 })
    note(`${state.id} at ${NARROW} px`, [...(await lookWithAxe(page)), ...(await lookForOverflow(page))])
  }
  await page.close()
  if (picturesOnly) return
  const accented = await showState(gallery, state, { locale: "en-XA", places })
  note(`${state.id} accented`, [...accented.complaints, ...(await lookForPlainText(accented.page))])
  await accented.page.close()
  if (!JOURNEYS.includes(state.id)) return
  const turned = await showState(gallery, state, { locale: "ar-XB", places })
  await turned.page.screenshot({ path: join(OUT, `${state.id}.rtl.png`) })
  note(`${state.id} right to left`, [
    ...turned.complaints,
    ...(await lookWithAxe(turned.page)),
    ...(await lookForOverflow(turned.page)),
  ])
  await turned.page.close()
  const forced = await showState(gallery, state, { forcedColors: true })
  await forced.page.screenshot({ path: join(OUT, `${state.id}.forced.png`) })
  note(`${state.id} forced colours`, forced.complaints)
  await forced.page.close()
}

const lookAtHostile = async (gallery: Gallery, state: GalleryState): Promise<void> => {
  const { page, complaints } = await showState(gallery, state)
  note(state.id, [
    ...complaints,
    ...(await lookForItsText(page)),
    ...(await lookForHarm(page)),
    ...(await lookForOverflow(page)),
  ])
  await page.setViewportSize({ width: NARROW, height: 640 })
  note(`${state.id} at ${NARROW} px`, await lookForOverflow(page))
  await page.close()
}

/** On the list, where each row has a mark with words of its own. */
const lookAtWords = async (gallery: Gallery, state: GalleryState): Promise<void> => {
  const { page } = await showState(gallery, state)
  note(state.id, await lookAtHints(page))
  await page.close()
}

const hostile = picturesOnly ? [] : HOSTILE_STATES.filter(isChosen)

if (only.length === 0) rmSync(OUT, { recursive: true, force: true })
mkdirSync(OUT, { recursive: true })
{
  await using gallery = await openGallery()
  const work = [
    ...chosen.map((state) => () => lookAt(gallery, state)),
    ...hostile.map((state) => () => lookAtHostile(gallery, state)),
    ...(picturesOnly ? [] : chosen.filter(({ id }) => id === "list").map((state) => () => lookAtWords(gallery, state))),
  ].values()
  // Two pages at once: one is drawn while the other is looked at.
  await Promise.all(
    [0, 1].map(async () => {
      for (const look of work) await look()
    }),
  )
}

const figures = STATES.map(
  (state) =>
    `<figure><figcaption>${state.id}<br><small>${state.shows.join(", ")}</small></figcaption>${THEMES.map((theme) => `<img loading="lazy" src="${state.id}.${theme}.png" alt="${state.id}, ${theme}">`).join("")}</figure>`,
)
writeFileSync(
  join(OUT, "index.html"),
  `<!doctype html><meta charset="utf-8"><title>Keyferry gallery</title><style>body{font:14px system-ui;margin:24px;background:#888}figure{margin:0 0 32px;display:flex;gap:12px;align-items:flex-start}figcaption{width:160px}img{max-width:44%;border:1px solid #555}</style>${figures.join("")}`,
)
const shown = new Set(STATES.flatMap((state) => state.shows))
for (const name of REQUIRED) if (!shown.has(name)) failures.push(`the list of states has ${name}, and nothing shows it`)
for (const name of shown)
  if (!REQUIRED.includes(name) && !name.startsWith("error:"))
    failures.push(`${name} is shown and is not in the list of states`)
for (const failure of failures) process.stdout.write(`  ${failure}\n`)
const pages = chosen.length + hostile.length
const spoilt = new Set(failures.map((failure) => failure.split(/[ :]/)[0])).size
process.stdout.write(
  `${chosen.length} states × ${THEMES.length} themes, ${hostile.length} hostile pages; ${failures.length} findings; ${Math.round(performance.now() / 1000)} s\n`,
)
process.stdout.write(`${Math.max(0, pages - spoilt)} passed, ${spoilt} failed\n`)
process.exitCode = failures.length > 0 ? 1 : 0
