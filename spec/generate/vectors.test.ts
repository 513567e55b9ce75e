import { readdirSync, readFileSync } from "node:fs"

import { describe, expect, test } from "vitest"

import { TOPICS } from "./topics.ts"
import { fieldsOf, formatVector, parseVector } from "./vector.ts"

const ROOT = new URL("../vectors/", import.meta.url)

// `npm run vectors` also runs the generators, the manifest and the second program over the same files.
describe.each(TOPICS)("vectors: $name", (topic) => {
  const files = readdirSync(new URL(`${topic.name}/`, ROOT))
  const read = (file: string) => parseVector(readFileSync(new URL(`${topic.name}/${file}`, ROOT), "utf8"))

  test.each(files.map((file) => [`${file.slice(0, -4)}: ${read(file).comment}`, file]))("%s", async (_title, file) => {
    const v = read(file)
    expect(await topic.check(fieldsOf(v.fields))).toBe(v.expect)
  })

  test("has one outcome for each file, in the one form", () => {
    expect(files.length).toBeGreaterThan(0)
    for (const file of files) {
      expect(formatVector(read(file))).toBe(readFileSync(new URL(`${topic.name}/${file}`, ROOT), "utf8"))
      expect(file.startsWith("bad-")).toBe(topic.generate !== undefined && read(file).expect !== "ok")
    }
  })
})
