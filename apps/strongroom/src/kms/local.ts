import { existsSync, linkSync, readFileSync, rmSync } from "node:fs"

import { bytesToHex, err, lp, ok, type Random, type Result, secret } from "@keyferry/base"
import { openCommitting, type OuterKey, type Primitives, sealCommitting, sealedStruct } from "@keyferry/crypto"
import { createDurably } from "@keyferry/store"

import {
  contextBytes,
  type KeyEncryptionKey,
  type KmsContext,
  type KmsFailure,
  type KmsProvider,
  type WrappedKey,
} from "./provider.ts"

/*
 * A key-encryption key of 32 bytes in a file that only this process reads. For one machine: whoever has the file and the
 * store has the outer layer. Wrapped keys are committing AEAD under it, with the context as header.
 */
const LABEL = "kf1/kms-local"
const KEK_BYTES = 32
const MAX_WRAPPED = 512

export interface LocalKmsOptions {
  readonly primitives: Primitives
  readonly random: Random
  /** Where the key lies. */
  readonly path: string
  /** There is nothing yet that an older key would be needed for. Only then a missing file is made. */
  readonly mayCreate: boolean
}

/** One key file. `wrap` gives a key that another file has wrapped the same protection under this one. */
export interface LocalKms extends KmsProvider {
  readonly kekId: string
  readonly wrap: (plain: OuterKey, context: KmsContext) => Promise<WrappedKey>
}

/** Errors: kms-wrong-key, where the file is missing although data exists, or is not a key. Never overwrites a file. */
export const openLocalKms = (options: LocalKmsOptions): Result<LocalKms, KmsFailure> => {
  const { path, random } = options
  if (!existsSync(path)) {
    if (!options.mayCreate) return err(wrong("The key file is missing, and this store holds keys made under it."))
    createKeyFile(path, random)
  }
  const bytes = new Uint8Array(readFileSync(path))
  if (bytes.length !== KEK_BYTES) return err(wrong("The key file is not a key."))
  return ok(provider(options, secret<"KeyEncryptionKey">(bytes)))
}

const provider = ({ primitives: p, random }: LocalKmsOptions, kek: KeyEncryptionKey): LocalKms => {
  const kekId = `local:${bytesToHex(p.sha256(lp("kf1/kms-local-id", kek.reveal())).subarray(0, 8))}`
  const unwrap = async (key: WrappedKey, context: KmsContext): ReturnType<KmsProvider["unwrap"]> => {
    if (key.kekId !== kekId) return err(wrong("This store's keys were made under another key file."))
    const sealed = sealedStruct.decode(key.wrapped, MAX_WRAPPED)
    if (!sealed.ok) return err(wrong("A wrapped key is damaged."))
    const opened = await openCommitting(p, {
      key: kek,
      label: LABEL,
      header: contextBytes(context),
      sealed: sealed.value,
    })
    return opened.ok ? ok(secret<"OuterKey">(opened.value)) : err(wrong("A wrapped key does not open in its context."))
  }
  const wrap = async (plain: OuterKey, context: KmsContext): Promise<WrappedKey> => {
    const sealed = await sealCommitting(p, random, {
      key: kek,
      label: LABEL,
      header: contextBytes(context),
      plaintext: plain.reveal(),
    })
    return { wrapped: sealedStruct.encode(sealed), kekId, kekVersion: 1 }
  }
  return Object.freeze<LocalKms>({
    name: "local",
    kekId,
    wrap,
    generate: async (context) => {
      const plain = secret<"OuterKey">(random.bytes(32))
      return ok({ plain, ...(await wrap(plain, context)) })
    },
    unwrap,
    health: async () => ok(undefined),
    close: async () => kek.wipe(),
  })
}

const wrong = (detail: string): KmsFailure => ({ code: "kms-wrong-key", detail })

/** Written and flushed beside its place first: a crash leaves no half key, and two starts do not make two keys. */
const createKeyFile = (path: string, random: Random): void => {
  const draft = `${path}.${bytesToHex(random.bytes(4))}`
  createDurably(draft, random.bytes(KEK_BYTES))
  try {
    linkSync(draft, path)
  } catch (error) {
    if (!(error instanceof Error) || (error as NodeJS.ErrnoException).code !== "EEXIST") throw error
  } finally {
    rmSync(draft)
  }
}
