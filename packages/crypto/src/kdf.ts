import { utf8 } from "@keyferry/base"

import type { Primitives } from "./primitives/primitives.ts"

/**
 * HKDF-SHA-512 (RFC 5869). A text `info` stands for its ASCII bytes.
 * Source   spec/keys.md KE1
 */
export const kdf = (
  p: Primitives,
  ikm: Uint8Array,
  salt: Uint8Array,
  info: Uint8Array | string,
  length: number,
): Promise<Uint8Array> => p.hkdfSha512(ikm, salt, typeof info === "string" ? utf8(info) : info, length)
