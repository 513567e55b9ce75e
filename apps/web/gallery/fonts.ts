import { mkdirSync, readFileSync, renameSync, writeFileSync, existsSync } from "node:fs"
import { createRequire } from "node:module"
import { join } from "node:path"
import process from "node:process"

import subsetFont from "subset-font"

/*
 * The app's fonts, cut at build time from those of the packages: the letters of western languages and the signs that the
 * screens use, in two weights. Letters of the extended Latin range stand in files of their own, which a browser fetches when
 * a name has one; any other script comes from the person's system. The same packages give the same bytes.
 */
const { resolve } = createRequire(import.meta.url)
const FOLDER = join(import.meta.dirname, "..", ".fonts")

const range = (from: number, to: number): string =>
  String.fromCodePoint(...Array.from({ length: to - from + 1 }, (_, n) => from + n))

const LATIN = `${range(0x20, 0x7e)}${range(0xa0, 0xff)}–—‘’‚“”„…•·→←↑↓×−€`
const LATIN_EXTENDED = `${range(0x100, 0x17f)}${range(0x1e00, 0x1eff)}`
/** Kerning, accents that are put together, figures of one width, and the zero that is no O. */
const FEATURES = ["kern", "ccmp", "locl", "mark", "mkmk", "tnum", "zero"]

const BOTH_WEIGHTS = { min: 400, max: 600, default: 400 }
const NEXT = "@fontsource-variable/atkinson-hyperlegible-next/files/atkinson-hyperlegible-next"
const MONO = "@fontsource-variable/atkinson-hyperlegible-mono/files/atkinson-hyperlegible-mono"

const CUTS = [
  { name: "sans-latin", from: `${NEXT}-latin-wght-normal`, text: LATIN, wght: BOTH_WEIGHTS },
  { name: "sans-extended", from: `${NEXT}-latin-ext-wght-normal`, text: LATIN_EXTENDED, wght: BOTH_WEIGHTS },
  // Two files are smaller than one here, and most pages need the first only.
  { name: "mono-latin-400", from: `${MONO}-latin-wght-normal`, text: LATIN, wght: 400 },
  { name: "mono-latin-600", from: `${MONO}-latin-wght-normal`, text: LATIN, wght: 600 },
  { name: "mono-extended", from: `${MONO}-latin-ext-wght-normal`, text: LATIN_EXTENDED, wght: BOTH_WEIGHTS },
] as const

/** Writes apps/web/.fonts, which `styles/fonts.css` refers to. Two builds at once write the same bytes. */
export const makeFonts = async (): Promise<void> => {
  mkdirSync(FOLDER, { recursive: true })
  for (const { name, from, text, wght } of CUTS) {
    const target = join(FOLDER, `${name}.woff2`)
    // One after the other: the wasm of the subsetter has one memory.
    // oxlint-disable-next-line no-await-in-loop
    const cut = await subsetFont(readFileSync(resolve(`${from}.woff2`)), text, {
      targetFormat: "woff2",
      variationAxes: { wght },
      keepFeatures: FEATURES,
      noHinting: true,
    })
    if (existsSync(target) && readFileSync(target).equals(cut)) continue
    const fresh = `${target}.${process.pid}`
    writeFileSync(fresh, cut)
    renameSync(fresh, target)
  }
}
