import { readdirSync, rmSync } from "node:fs"
import { join } from "node:path"

import { err, ok, type Random, type Result } from "@keyferry/base"
import type { Primitives } from "@keyferry/crypto"
import { overwriteDurably } from "@keyferry/store"

import { openLocalKms } from "../kms/local.ts"
import type { KmsFailure } from "../kms/provider.ts"
import type { KekVersion, KekVersions } from "./kek.ts"

/*
 * Versions of the lease KEK as files `lease-kek-<n>` in a folder that only this process reads, the highest number being
 * the current one. Destroying overwrites and unlinks at once; what a disk or a file system copied elsewhere before is
 * beyond a program, docs/operations.md says so.
 */
const NAME = /^lease-kek-(\d{1,9})$/
const KEK_BYTES = 32

export interface LocalKekOptions {
  readonly primitives: Primitives
  readonly random: Random
  readonly folder: string
  /** No lease key exists yet that an older version would be needed for. */
  readonly mayCreate: boolean
}

/** Errors: kms-wrong-key, where no file is there although lease keys exist, or a file is not a key. */
export const openLocalKek = (options: LocalKekOptions): Result<KekVersions, KmsFailure> => {
  const { folder, primitives, random } = options
  const pathOf = (n: number): string => join(folder, `lease-kek-${n}`)
  const open = (n: number, mayCreate: boolean): Result<Numbered, KmsFailure> => {
    const provider = openLocalKms({ primitives, random, path: pathOf(n), mayCreate })
    return provider.ok ? ok({ n, id: `local-lease:${n}`, provider: provider.value }) : provider
  }
  let versions: readonly Numbered[] = []
  const numbers = numbersIn(folder)
  if (numbers.length === 0 && !options.mayCreate)
    return err({
      code: "kms-wrong-key",
      detail: "The key file of the lease store is missing, and leases were made under it.",
    })
  for (const n of numbers.length === 0 ? [1] : numbers) {
    const opened = open(n, numbers.length === 0)
    if (!opened.ok) return opened
    versions = [...versions, opened.value]
  }
  return ok(
    Object.freeze<KekVersions>({
      open: () => versions,
      add: async () => {
        const added = open((versions.at(-1)?.n ?? 0) + 1, true)
        if (!added.ok) return added
        versions = [...versions, added.value]
        return ok(undefined)
      },
      remove: async (kekId) => {
        const version = versions.find(({ id }) => id === kekId)
        if (version === undefined) return ok(undefined)
        destroyFile(pathOf(version.n), random)
        versions = versions.filter(({ id }) => id !== kekId)
        await version.provider.close()
        return ok(undefined)
      },
    }),
  )
}

interface Numbered extends KekVersion {
  readonly n: number
}

const numbersIn = (folder: string): readonly number[] =>
  readdirSync(folder)
    .map((name) => Number(NAME.exec(name)?.[1] ?? 0))
    .filter((n) => n > 0)
    .sort((a, b) => a - b)

const destroyFile = (path: string, random: Random): void => {
  overwriteDurably(path, random.bytes(KEK_BYTES))
  rmSync(path)
}
