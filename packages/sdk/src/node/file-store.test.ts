import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

import { afterEach, expect, test } from "vitest"

import { openNodeKeyferry } from "./index.ts"
import { createSecretFile, SecretDamaged } from "./secret-file.ts"

const folder = mkdtempSync(join(tmpdir(), "kf-file-store-"))
afterEach(() => rmSync(folder, { recursive: true, force: true }))

test("[store-read-only] a folder in which no store can be opened is told as that, and left as it is", async () => {
  mkdirSync(join(folder, "device.db"), { recursive: true })
  expect(await openNodeKeyferry({ folder })).toEqual({ ok: false, error: { code: "store-read-only" } })
})

test("a torn device secret is damaged, not missing: no fresh one is written over it", async () => {
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, "device.secret"), new Uint8Array(16).fill(7))
  await expect(createSecretFile(join(folder, "device.secret")).load()).rejects.toThrow(SecretDamaged)
  const opened = await openNodeKeyferry({ folder })
  const made = opened.ok ? await opened.value.createLocal("correct horse battery") : opened
  expect(made).toMatchObject({ ok: false, error: { code: "store-corrupt" } })
  expect(readFileSync(join(folder, "device.secret"))).toHaveLength(16)
})
