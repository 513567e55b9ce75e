import { readFileSync } from "node:fs"
import { join } from "node:path"

import { expect, test } from "vitest"

import { all } from "../adversarial/sabotage/all.ts"
import { ROOT } from "./source.ts"

/** The whole run takes a quarter of an hour: a definition that no longer fits is told at once. */
test("what each sabotage takes out stands once in the sources, and each has a name of its own", () => {
  const wrong = all.flatMap(({ name, changes }) =>
    changes
      .filter(({ file, search }) => readFileSync(join(ROOT, file), "utf8").split(search).length !== 2)
      .map(({ file }) => `${name}: ${file}`),
  )
  expect(wrong).toEqual([])
  expect(new Set(all.map(({ name }) => name)).size).toBe(all.length)
})
