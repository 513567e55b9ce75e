import type { Row } from "./row.ts"

export const show = (value: number | undefined): string =>
  value === undefined
    ? "–"
    : value >= 100
      ? Math.round(value).toLocaleString("en")
      : value
          .toPrecision(3)
          .replace(/(\.\d*?)0+$/, "$1")
          .replace(/\.$/, "")

/** The rows as docs/speed.md has them. */
export const tableOf = (rows: readonly Row[]): string =>
  [
    "| Row | Ours | Beside | Ratio | Goal | |",
    "|---|---|---|---|---|---|",
    ...rows.map((row) => {
      const beside = row.beside === "" ? "–" : `${row.beside} ${show(row.anchor)}`
      const cells = [`${row.id} ${row.what}`, `${show(row.ours)} ${row.unit}`.trim(), beside, show(row.ratio), row.goal]
      return `| ${cells.join(" | ")} | ${row.met ? "met" : "not met"} |`
    }),
    "",
  ].join("\n")
