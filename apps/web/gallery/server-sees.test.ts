import { readFileSync } from "node:fs"
import { join } from "node:path"

import { expect, test } from "vitest"

import { en } from "../src/i18n/en/index.ts"
import { SERVER_SEES } from "../src/ui/model/server-sees.ts"

test("docs/what-the-server-sees.md says what the screens say", () => {
  const document = readFileSync(join(import.meta.dirname, "../../../docs/what-the-server-sees.md"), "utf8")
  const rows = SERVER_SEES.map((row) => `| ${en[row.what]} | ${en[`sees.${row.sees}`]} | ${en[row.more]} |`)
  const table = document.split("\n").filter((line) => line.startsWith("| ") && !/^\| (What|---)/.test(line))
  expect(table).toEqual(rows)
})
