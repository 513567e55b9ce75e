import {
  copyFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

import { afterEach, beforeEach, describe, expect, test } from "vitest"

import { allHandlers } from "./all-handlers.ts"
import { createWorld, makeActive, must, type Person, reachOf, signIn, signUp, type World } from "./fixture.ts"
import { runUntilKilled } from "./fixture-crash.ts"
import { usedKeks } from "./kek-rotation.ts"

const PASSWORD = "a password of this test"
let folder: string
let person: Person
let oldKey: Buffer
const keyFile = (): string => join(folder, "main.kek")

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "kf-kek-"))
  const world = await createWorld(allHandlers, { folder })
  person = await signUp(reachOf(world), PASSWORD)
  await makeActive(reachOf(world), person)
  await world.close()
  oldKey = readFileSync(keyFile())
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const runUntil = (step: string): Promise<string> =>
  runUntilKilled(new URL("kek-crash.ts", import.meta.url), folder, step)

/** Everything that lies under the outer layer opens: its own keys at the start, the password, the second factor. */
const opens = async (world: World): Promise<void> => {
  await must(signIn(reachOf(world), person.accountUuid, PASSWORD, person.device.keys.authPk))
}
const state = async (world: World) => {
  const keks = await usedKeks(world.room().ctx.store)
  const bytes = readdirSync(folder).map((name) => readFileSync(join(folder, name)))
  return {
    versions: keks.length,
    isNew: !readFileSync(keyFile()).equals(oldKey),
    next: existsSync(`${keyFile()}.next`),
    oldKeyOnDisk: bytes.some((content) => content.includes(oldKey)),
  }
}
const DONE = { versions: 1, isNew: true, next: false, oldKeyOnDisk: false }

describe("[ST30] a new key for the outer layer", () => {
  test("every data key is wrapped anew, nothing else changes, and the old key is nowhere", async () => {
    const world = await createWorld(allHandlers, { folder })
    const before = await usedKeks(world.room().ctx.store)
    const rotated = await must(reachOf(world).call("rotateKek", {}))
    expect(rotated.destroyed).toBe(1)
    expect(rotated.rewrapped).toBeGreaterThan(3)
    expect(await state(world)).toEqual(DONE)
    expect(await usedKeks(world.room().ctx.store)).not.toEqual(before)
    await opens(world)
    await world.restart()
    await opens(world)
    // Another one goes the same way.
    expect((await must(reachOf(world).call("rotateKek", {}))).destroyed).toBe(1)
    expect(await state(world)).toEqual(DONE)
    await opens(world)
    await world.close()
  })

  test("keys that are made while it runs are under the new version", async () => {
    const world = await createWorld(allHandlers, { folder })
    const [rotated] = await Promise.all([
      must(reachOf(world).call("rotateKek", {})),
      ...Array.from({ length: 4 }, () => signUp(reachOf(world))),
    ])
    expect(rotated.destroyed).toBe(1)
    expect(await state(world)).toEqual(DONE)
    await world.restart()
    await opens(world)
    await world.close()
  })

  test.each(["before-next", "after-next", "after-one", "before-destroy", "after-destroy"])(
    "kill -9 %s: everything opens after the start, and the rotation is finished",
    async (step) => {
      await runUntil(step)
      const world = await createWorld(allHandlers, { folder })
      await opens(world)
      const resumed = await world.room().rotateKek({ resumeOnly: true })
      expect(resumed.ok).toBe(true)
      if (step === "before-next") expect(await state(world)).toMatchObject({ isNew: false, next: false })
      else expect(await state(world)).toEqual(DONE)
      await opens(world)
      await world.restart()
      await opens(world)
      await world.close()
    },
  )

  test.each([
    ["overwritten", () => writeFileSync(keyFile(), Buffer.alloc(32, 7))],
    ["unlinked", () => rmSync(keyFile())],
    ["half replaced", () => truncateSync(keyFile(), 9)],
    ["replaced, the other file still there", () => copyFileSync(`${keyFile()}.next`, keyFile())],
  ])("cut off when the old file was %s: the start finishes it", async (_, cut) => {
    await runUntil("before-destroy")
    cut()
    const world = await createWorld(allHandlers, { folder })
    expect(await state(world)).toEqual(DONE)
    await opens(world)
    await world.close()
  })

  test("while something is under the old key its file is needed: without it the strongroom does not start", async () => {
    await runUntil("after-one")
    rmSync(keyFile())
    await expect(createWorld(allHandlers, { folder })).rejects.toThrow(/kms-wrong-key|key file is missing/)
    expect(existsSync(`${keyFile()}.next`)).toBe(true)
  })
})
