import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

import { nodePrimitives } from "@keyferry/crypto/node"
import { afterEach, describe, expect, it } from "vitest"

import { random } from "../fixture.ts"
import { kmsCases } from "./conformance.ts"
import { openLocalKms } from "./local.ts"
import { contextBytes } from "./provider.ts"

const folders: string[] = []
const newPath = (): string => {
  const folder = mkdtempSync(join(tmpdir(), "kf-kms-"))
  folders.push(folder)
  return join(folder, "main.kek")
}
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
})
const open = (path: string, mayCreate: boolean) => openLocalKms({ primitives: nodePrimitives, random, path, mayCreate })

describe("every provider", () => {
  for (const { name, run } of kmsCases) {
    it(`[ST10] local: ${name}`, async () => {
      const path = newPath()
      await run(async () => {
        const kms = open(path, true)
        if (!kms.ok) throw new Error(kms.error.detail)
        return kms.value
      })
    })
  }
})

describe("the local provider", () => {
  it("[ST8] makes its file only when allowed, with mode 0600 and no leftover beside it", () => {
    const path = newPath()
    expect(open(path, false)).toMatchObject({ ok: false, error: { code: "kms-wrong-key" } })
    expect(existsSync(path)).toBe(false)
    expect(open(path, true).ok).toBe(true)
    expect([statSync(path).size, statSync(path).mode & 0o777]).toEqual([32, 0o600])
    expect(readdirSync(join(path, ".."))).toEqual(["main.kek"])
  })

  it("[ST8] never overwrites a file, whatever is in it", () => {
    const path = newPath()
    for (const content of [new Uint8Array(), new Uint8Array(31), new Uint8Array(33)]) {
      writeFileSync(path, content)
      expect(open(path, true)).toMatchObject({ ok: false, error: { code: "kms-wrong-key" } })
      expect(new Uint8Array(readFileSync(path))).toEqual(content)
    }
  })

  it("[ST8] another key's wrapped keys are refused, also under the other's name", async () => {
    const context = { app: "keyferry", dep: "d", tenant: "00", purpose: "record", dek: "00", v: "1" } as const
    const [a, b] = [open(newPath(), true), open(newPath(), true)]
    if (!a.ok || !b.ok) throw new Error("not opened")
    const [key, other] = [await a.value.generate(context), await b.value.generate(context)]
    if (!key.ok || !other.ok) throw new Error("not made")
    expect(await b.value.unwrap(key.value, context)).toMatchObject({ ok: false, error: { code: "kms-wrong-key" } })
    const renamed = { ...key.value, kekId: other.value.kekId }
    expect(await b.value.unwrap(renamed, context)).toMatchObject({ ok: false, error: { code: "kms-wrong-key" } })
  })

  it("[ST10] the context is injective", () => {
    const context = { app: "keyferry", dep: "ab", tenant: "c", purpose: "record", dek: "d", v: "1" } as const
    expect(contextBytes({ ...context, dep: "a", tenant: "bc" })).not.toEqual(contextBytes(context))
  })
})
