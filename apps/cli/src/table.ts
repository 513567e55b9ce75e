import { stripVTControlCharacters } from "node:util"

import type { Io } from "./io.ts"

/**
 * A table without borders. On a terminal the widest column is cut with … to fit; into a pipe nothing is ever cut.
 * Returns  header and rows as lines; nothing at all for no rows
 */
export const table = (
  io: Pick<Io, "terminal" | "color">,
  header: readonly string[],
  rows: readonly (readonly string[])[],
): readonly string[] => {
  if (rows.length === 0) return []
  const all = [header, ...rows]
  const widths = header.map((_, column) => Math.max(...all.map((row) => widthOf(row[column] ?? ""))))
  if (io.terminal.stdout) {
    const gaps = 2 * (widths.length - 1)
    let excess = widths.reduce((sum, width) => sum + width, gaps) - Math.max(io.terminal.columns, 20)
    while (excess > 0) {
      const widest = Math.max(...widths)
      const column = widths.lastIndexOf(widest)
      if (widest <= 8) break
      widths[column] = widest - 1
      excess--
    }
  }
  return all.map((row, index) => {
    const cells = row.map((cell, column) => {
      const width = widths[column] ?? 0
      const fitted = io.terminal.stdout ? fit(cell, width) : cell
      return column === row.length - 1 ? fitted : fitted + " ".repeat(Math.max(0, width - widthOf(fitted)))
    })
    const line = cells.join("  ").trimEnd()
    return index === 0 ? muted(io, line) : line
  })
}

/** Name and value pairs, one a line, values aligned. */
export const pairs = (rows: readonly (readonly [name: string, value: string])[]): readonly string[] => {
  const width = Math.max(0, ...rows.map(([name]) => widthOf(name)))
  return rows.map(([name, value]) => `${name}${" ".repeat(width - widthOf(name))}  ${value}`.trimEnd())
}

export const muted = (io: Pick<Io, "color">, text: string): string => (io.color ? `\u001b[2m${text}\u001b[22m` : text)
export const strong = (io: Pick<Io, "color">, text: string): string => (io.color ? `\u001b[1m${text}\u001b[22m` : text)

const fit = (cell: string, width: number): string => {
  if (widthOf(cell) <= width) return cell
  let out = ""
  for (const { segment } of new Intl.Segmenter().segment(cell)) {
    if (widthOf(out + segment) > width - 1) break
    out += segment
  }
  return `${out}…`
}

/** Columns on a terminal: wide East Asian characters and emoji take two. */
export const widthOf = (text: string): number => {
  const plain = stripVTControlCharacters(text)
  if (/^[\x20-\x7e]*$/.test(plain)) return plain.length
  let width = 0
  for (const { segment } of new Intl.Segmenter().segment(plain)) width += WIDE.test(segment) ? 2 : 1
  return width
}

const WIDE =
  /\p{Emoji_Presentation}|[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|[\u{20000}-\u{3fffd}]/u
