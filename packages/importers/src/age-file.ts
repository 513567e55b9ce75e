import { err, ok, type Result, utf8ToText } from "@keyferry/base"
import { armor, Decrypter, Encrypter } from "age-encryption"

import { passphraseIdentity, passphraseRecipient } from "./age-passphrase.ts"
import type { ArchiveKey, ImportError, Passphrase } from "./format.ts"

/** Who may open an archive: whoever knows the passphrase, or any of the recipients (`age1…`, `age1pq1…`). */
export type ArchiveReader = Passphrase | { readonly recipients: readonly string[] }

const MAGIC = "age-encryption.org/v1\n"
const ARMOR = "-----BEGIN AGE ENCRYPTED FILE-----"

/** 2^18 is what the age tool itself uses. A file may ask for more memory than a browser has, so it may not. */
const SCRYPT_LOG_N = 18

export const isAgeFile = (bytes: Uint8Array): boolean => startsWith(bytes, MAGIC) || startsWith(bytes, ARMOR)

/** Errors: bad-recipient with its index, for text that is no age recipient; no-reader for an empty list or passphrase. */
export const sealAge = async (
  plaintext: Uint8Array,
  reader: ArchiveReader,
  scryptLogN = SCRYPT_LOG_N,
): Promise<
  Result<Uint8Array, { readonly code: "bad-recipient"; readonly index: number } | { readonly code: "no-reader" }>
> => {
  const encrypter = new Encrypter()
  if ("passphrase" in reader) {
    if (reader.passphrase === "") return err({ code: "no-reader" })
    encrypter.addRecipient(passphraseRecipient(reader, scryptLogN))
  } else {
    if (reader.recipients.length === 0) return err({ code: "no-reader" })
    for (const [index, recipient] of reader.recipients.entries()) {
      try {
        encrypter.addRecipient(recipient)
      } catch {
        // The library only says "invalid recipient" in several wordings.
        return err({ code: "bad-recipient", index })
      }
    }
  }
  return ok(await encrypter.encrypt(plaintext))
}

/**
 * Errors   archive-key-needed, archive-key-wrong; archive-damaged: header or content was changed or cut off;
 *          import-malformed: no age header at all; import-too-large: asks for more memory than an import may take
 */
export const openAge = async (
  file: Uint8Array,
  key: ArchiveKey | undefined,
): Promise<Result<Uint8Array, ImportError>> => {
  const bytes = unarmor(file)
  const header = bytes && headerText(bytes)
  if (bytes === undefined || header === undefined) return err({ code: "import-malformed", at: "age header" })
  const scrypt = /^-> scrypt \S+ (\d+)$/m.exec(header)
  const kind = scrypt === null ? "identity" : "passphrase"
  if (key === undefined || (kind === "passphrase") !== "passphrase" in key)
    return err({ code: "archive-key-needed", kind })
  if (Number(scrypt?.[1] ?? 0) > SCRYPT_LOG_N)
    return err({ code: "import-too-large", limitBytes: 2 ** SCRYPT_LOG_N * 1024 })
  const decrypter = new Decrypter()
  try {
    if ("passphrase" in key) decrypter.addIdentity(passphraseIdentity(key, SCRYPT_LOG_N))
    else for (const identity of key.identities) decrypter.addIdentity(identity.trim())
  } catch {
    return err({ code: "archive-key-wrong", kind })
  }
  try {
    return ok(await decrypter.decrypt(bytes))
  } catch (error) {
    // One sentence of the library tells a wrong key from a changed file; a test holds it in place.
    const wrongKey = error instanceof Error && error.message === "no identity matched any of the file's recipients"
    return err(wrongKey ? { code: "archive-key-wrong", kind } : { code: "archive-damaged", at: "age file" })
  }
}

const startsWith = (bytes: Uint8Array, text: string): boolean => utf8ToText(bytes.subarray(0, text.length)) === text

const unarmor = (file: Uint8Array): Uint8Array | undefined => {
  if (!startsWith(file, ARMOR)) return file
  const text = utf8ToText(file)
  if (text === undefined) return undefined
  try {
    return armor.decode(text)
  } catch {
    return undefined
  }
}

/** The lines up to the header's authentication code. A header of 64 KiB has a thousand recipients. */
const headerText = (bytes: Uint8Array): string | undefined => {
  if (!startsWith(bytes, MAGIC)) return undefined
  let text = ""
  for (const byte of bytes.subarray(0, 65_536)) text += String.fromCharCode(byte)
  const end = text.indexOf("\n---")
  return end === -1 ? undefined : text.slice(0, end)
}
