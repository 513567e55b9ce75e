import { mkdtempSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

import { openNodeKeyferry } from "@keyferry/sdk/node"
import { expect, test } from "vitest"

import { NOBODY } from "../src/bridge/nobody.ts"

test("a browser without a vault is shown what the device itself says of an empty store", async () => {
  const opened = await openNodeKeyferry({ folder: mkdtempSync(join(tmpdir(), "kf-nobody-")) })
  if (!opened.ok) throw new Error(opened.error.code)
  expect(await opened.value.status()).toEqual(NOBODY)
  await opened.value.close()
})
