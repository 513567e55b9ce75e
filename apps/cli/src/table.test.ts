import { expect, test } from "vitest"

import { duration, parseDuration, when } from "./format.ts"
import { printable } from "./io.ts"
import { table, widthOf } from "./table.ts"

const io = (stdout: boolean, columns = 40) => ({
  color: false,
  terminal: { stdin: false, stdout, stderr: false, columns },
})

test("columns line up and nothing is cut in a pipe", () => {
  const long = "x".repeat(200)
  expect(
    table(
      io(false),
      ["TITLE", "ID"],
      [
        ["a", "1"],
        [long, "2"],
      ],
    ),
  ).toEqual([`TITLE${" ".repeat(195)}  ID`, `a${" ".repeat(199)}  1`, `${long}  2`])
})

test("on a terminal the widest column is cut to fit", () => {
  const lines = table(io(true), ["TITLE", "ID"], [["x".repeat(200), "itm_1234"]])
  expect(lines.every((line) => widthOf(line) <= 40)).toBe(true)
  expect(lines[1]).toContain("…")
  expect(lines[1]).toContain("itm_1234")
})

test("wide characters take two columns", () => {
  expect(widthOf("日本")).toBe(4)
  expect(widthOf("🔑")).toBe(2)
  expect(widthOf("é")).toBe(1)
  expect(widthOf("\u001b[1mbold\u001b[22m")).toBe(4)
})

test("no rows, no header", () => {
  expect(table(io(true), ["TITLE"], [])).toEqual([])
})

test("control characters of a title from elsewhere never reach the terminal", () => {
  expect(printable("a\u001b]0;x\u0007b\r\nc\u202egnp.exe")).toBe("a ]0;x b c gnp.exe")
})

test("times are short today and carry the date otherwise", () => {
  const now = Date.UTC(2026, 10, 20, 15)
  expect(when(now - 60_000, now, "UTC")).toBe("14:59:00")
  expect(when(now - 86_400_000, now, "UTC")).toBe("2026-11-19 15:00")
})

test("durations in words and back", () => {
  expect(duration(7 * 3_600_000 + 12 * 60_000)).toBe("7 h 12 m")
  expect(duration(40_000)).toBe("40 s")
  expect(duration(3 * 86_400_000)).toBe("3 days")
  expect(parseDuration("8h")).toBe(8 * 3_600_000)
  expect(parseDuration("45")).toBe(45_000)
  for (const wrong of ["0", "h", "-1h", "1w", ""]) expect(parseDuration(wrong)).toBeUndefined()
})
