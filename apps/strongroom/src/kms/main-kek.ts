import { existsSync, rmSync } from "node:fs"

import { err, ok, type Result } from "@keyferry/base"
import { moveDurably, overwriteDurably } from "@keyferry/store"

import { type LocalKms, type LocalKmsOptions, openLocalKms } from "./local.ts"
import type { KekRotation, KmsFailure, KmsProvider } from "./provider.ts"

/*
 * The key file of the outer layer, and while it is replaced a second one beside it, `<file>.next`. From the moment that file is
 * there new keys are wrapped under it; when nothing is wrapped under the old one any more, that is overwritten and
 * unlinked, and the new one takes its name. Source: spec/strongroom.md ST30
 */
const KEK_BYTES = 32

export interface MainKekOptions extends LocalKmsOptions {
  /** Ids of the versions that something is wrapped under. */
  readonly used: readonly string[]
}
export interface MainKek extends KmsProvider {
  readonly rotation: KekRotation
}

/** Errors: those of `openLocalKms`; a crash at any step of a rotation leaves what it opens and goes on from. */
export const openMainKek = (options: MainKekOptions): Result<MainKek, KmsFailure> => {
  const { path, used } = options
  const nextPath = `${path}.next`
  if (!existsSync(nextPath)) {
    const only = openLocalKms(options)
    return only.ok ? ok(mainKek(options, only.value, undefined)) : only
  }
  const next = openLocalKms({ ...options, path: nextPath, mayCreate: false })
  if (!next.ok) return next
  if (used.every((id) => id === next.value.kekId)) {
    // Cut off after the last key was wrapped anew: whatever is left of the old file, half a key or none, nothing needs it.
    destroyFile(options)
    return ok(mainKek(options, next.value, undefined))
  }
  if (!existsSync(path))
    return err({ code: "kms-wrong-key", detail: "The key file is missing, and this store holds keys made under it." })
  const old = openLocalKms({ ...options, mayCreate: false })
  return old.ok ? ok(mainKek(options, next.value, old.value)) : old
}

/** The old key is overwritten and unlinked, and the new one takes its name. */
const destroyFile = ({ path, random }: LocalKmsOptions): void => {
  if (existsSync(path)) {
    overwriteDurably(path, random.bytes(KEK_BYTES))
    rmSync(path)
  }
  moveDurably(`${path}.next`, path)
}

const mainKek = (options: MainKekOptions, first: LocalKms, replaced: LocalKms | undefined): MainKek => {
  let current = first
  let older = replaced
  const under = (kekId: string): LocalKms => (older !== undefined && kekId === older.kekId ? older : current)
  return Object.freeze<MainKek>({
    name: "local",
    generate: (context) => current.generate(context),
    unwrap: (key, context) => under(key.kekId).unwrap(key, context),
    health: () => current.health(),
    close: async () => {
      await current.close()
      await older?.close()
    },
    rotation: {
      current: () => current.kekId,
      older: () => (older === undefined ? [] : [older.kekId]),
      makeNext: () => {
        if (older !== undefined) return ok(undefined)
        const next = openLocalKms({ ...options, path: `${options.path}.next`, mayCreate: true })
        if (!next.ok) return next
        older = current
        current = next.value
        return ok(undefined)
      },
      rewrap: async (key, context) => {
        const into = current
        const plain = await under(key.kekId).unwrap(key, context)
        if (!plain.ok) return plain
        const wrapped = await into.wrap(plain.value, context)
        plain.value.wipe()
        return ok(wrapped)
      },
      destroyOlder: async () => {
        if (older === undefined) return
        destroyFile(options)
        const gone = older
        older = undefined
        await gone.close()
      },
    },
  })
}
