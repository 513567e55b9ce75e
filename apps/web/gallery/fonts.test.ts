import { readFileSync } from "node:fs"
import { join } from "node:path"

import { expect, test } from "vitest"

/* Faces of one family stand in for each other letter by letter only where their weights are the same; where one names more, a browser takes that one alone. */
const css = readFileSync(join(import.meta.dirname, "..", "src", "ui", "styles", "fonts.css"), "utf8")
const faces = [...css.matchAll(/@font-face \{([^}]*)\}/g)].map(([, body = ""]) => ({
  family: /font-family: "([^"]+)"/.exec(body)?.[1],
  weight: /font-weight: ([\d ]+);/.exec(body)?.[1],
  range: /unicode-range: ([^;]+);/.exec(body)?.[1],
}))

test.each(["Atkinson Hyperlegible Next", "Atkinson Hyperlegible Mono"])(
  "every letter of %s is there in every weight",
  (family) => {
    const own = faces.filter((face) => face.family === family)
    const weights = [...new Set(own.map(({ weight }) => weight))]
    const ranges = [...new Set(own.map(({ range }) => range))]
    expect(ranges).toHaveLength(2)
    expect(own.map(({ weight, range }) => `${weight}: ${range}`).toSorted()).toEqual(
      weights.flatMap((weight) => ranges.map((range) => `${weight}: ${range}`)).toSorted(),
    )
  },
)
