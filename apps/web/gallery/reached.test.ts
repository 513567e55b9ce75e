import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"

import { expect, test } from "vitest"

import { NOT_REACHED, REACHED } from "./reached.ts"
import { REQUIRED } from "./required.ts"

const STORIES = join(import.meta.dirname, "..", "..", "..", "e2e", "web")

test("each state of the gallery is reached by a story of npm run e2e, or stands in the list of those that are not, with the reason", () => {
  const said = (state: string): number => Number(state in REACHED) + Number(state in NOT_REACHED)
  expect(REQUIRED.filter((state) => said(state) !== 1)).toEqual([])
  const known = new Set(REQUIRED)
  expect([...Object.keys(REACHED), ...Object.keys(NOT_REACHED)].filter((state) => !known.has(state))).toEqual([])
})

test("each sentence that reaches a state is one of a story", () => {
  const stories = readdirSync(STORIES)
    .map((name) => readFileSync(join(STORIES, name), "utf8"))
    .join("\n")
  expect([...new Set(Object.values(REACHED))].filter((sentence) => !stories.includes(`"${sentence}"`))).toEqual([])
})
