import { err, ok, type Result } from "@keyferry/base"
import type { Failure } from "@keyferry/sdk/errors"
import { generateSshKey, parsePrivateKey, publicKeyLine, type SshKeyType } from "@keyferry/ssh-agent"

import type { Context } from "./context.ts"
import { usage } from "./failures.ts"
import type { FieldEntry } from "./field-input.ts"

export const SSH_KEY_TYPES = [
  "ed25519",
  "ecdsa-p256",
  "ecdsa-p384",
  "ecdsa-p521",
  "rsa-3072",
  "rsa-4096",
] as const satisfies readonly SshKeyType[]

export const toSshKeyType = (text: string | undefined): SshKeyType | undefined =>
  SSH_KEY_TYPES.find((type) => type === text)

/** A fresh key as the fields of an item. Errors: usage-wrong where a key was given as well. */
export const freshKeyFields = (
  type: SshKeyType,
  given: readonly FieldEntry[],
  title: string,
): Result<readonly FieldEntry[], Failure> => {
  if (given.some(([name]) => name === "private-key"))
    return err(usage("--generate makes the key; leave private-key out."))
  const comment = given.find(([name]) => name === "comment")?.[1] ?? title
  const key = generateSshKey(type, comment)
  return ok([
    ["private-key", key.privateKey],
    ["public-key", key.publicKey],
    ["fingerprint", key.fingerprint],
    ...given,
  ])
}

/** Adds what can be read from the private key itself, so that lists show which key it is. */
export const withPublicHalf = (context: Context, given: readonly FieldEntry[]): readonly FieldEntry[] => {
  const valueOf = (name: string): string | undefined => given.find(([field]) => field === name)?.[1]
  const text = valueOf("private-key")
  if (text === undefined) return given
  const parsed = parsePrivateKey(`${text.trim()}\n`, valueOf("passphrase"))
  if (!parsed.ok) {
    const how = parsed.error.code === "key-encrypted" ? ` ${parsed.error.action}` : ""
    context.io.warn(
      `The agent cannot serve this key to SSH programs (${parsed.error.code}); it is kept as it is.${how}`,
    )
    return given
  }
  const comment = valueOf("comment") ?? parsed.value.comment
  const found: readonly FieldEntry[] = [
    ["public-key", publicKeyLine(parsed.value, comment)],
    ["fingerprint", parsed.value.fingerprint],
    ...(comment === "" ? [] : [["comment", comment] as const]),
  ]
  return [...given, ...found.filter(([name]) => valueOf(name) === undefined)]
}
