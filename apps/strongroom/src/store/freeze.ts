import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

import { bytesToBase64url } from "@keyferry/base"

import { allHandlers } from "../all-handlers.ts"
import { createWorld, makeActive, reachOf, signUp } from "../fixture.ts"
import { doPush, genesisPush, itemId, itemsPush, makePut, vaultOf, writerOf } from "../vaults/fixture.ts"

/*
 * Writes `fixtures/<version>/`: both stores with their keys as this version leaves them, and what a test needs to use
 * them. Run once for each new version of either schema, never again for an old one:
 *
 *   node apps/strongroom/src/store/freeze.ts <version>
 */
export const FROZEN_FILES = ["strongroom.db", "leases.db", "main.kek", "lease-kek-1"] as const

/** Invented for the fixture; nothing else is protected by it. */
export interface Frozen {
  readonly accountUuid: string
  readonly accountId: string
  readonly password: string
  readonly otpauth: string
  readonly deviceId: string
  readonly sigSeed: string
  readonly authSeed: string
  readonly vaultId: string
  readonly records: readonly string[]
}

const freeze = async (version: string): Promise<void> => {
  const target = join(import.meta.dirname, "fixtures", version)
  const folder = mkdtempSync(join(tmpdir(), "kf-freeze-"))
  try {
    const world = await createWorld(allHandlers, { folder })
    const reach = reachOf(world)
    const person = await signUp(reach, "correct horse battery staple")
    const otpauth = await makeActive(reach, person)
    const writer = writerOf(person)
    await doPush(reach, writer, await genesisPush(writer))
    const puts = await Promise.all([1, 2, 3].map(() => makePut(writer, itemId())))
    await doPush(reach, writer, await itemsPush(writer, puts))
    const { store } = world.room().ctx
    await store.checkpoint()
    await world.room().leases.store.checkpoint()
    await world.close()
    const frozen: Frozen = {
      accountUuid: person.accountUuid,
      accountId: bytesToBase64url(person.accountId),
      password: person.password,
      otpauth,
      deviceId: bytesToBase64url(person.device.deviceId),
      sigSeed: bytesToBase64url(person.device.sigSeed.reveal()),
      authSeed: bytesToBase64url(person.device.authSeed.reveal()),
      vaultId: bytesToBase64url(vaultOf(writer).id),
      records: puts.map(({ record }) => bytesToBase64url(record)).toSorted(),
    }
    mkdirSync(target, { recursive: true })
    for (const file of FROZEN_FILES) copyFileSync(join(folder, file), join(target, file))
    writeFileSync(join(target, "frozen.json"), `${JSON.stringify(frozen, undefined, 2)}\n`)
    const { store: schema } = (await createWorld(allHandlers)).room().ctx
    writeFileSync(join(import.meta.dirname, "schema.sql"), schema.schemaText())
    await schema.close()
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const [version] = process.argv.slice(2)
if (import.meta.main) {
  if (version === undefined || !/^\d+$/.test(version)) throw new Error("usage: freeze.ts <version>")
  await freeze(version)
}
