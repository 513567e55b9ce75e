import { dotenv } from "./formats/dotenv.ts"
import { formats } from "./formats/index.ts"
import type { Format } from "./format.ts"

export { type ArchiveReader } from "./age-file.ts"
export { type ArchiveContent, type ArchiveOptions, type ArchiveRevision, exportArchive } from "./archive-export.ts"
export { itemToJson, jsonToItem } from "./archive-items.ts"
export { fingerprintOf } from "./fingerprint.ts"
export type * from "./format.ts"
export * from "./formats/index.ts"
export * from "./plan.ts"

/** The format of a file's content. Environment files are asked last: much text looks a little like one. */
export const detectFormat = (bytes: Uint8Array): Format | undefined =>
  formats.filter((format) => format !== dotenv).find((format) => format.detect(bytes)) ??
  (dotenv.detect(bytes) ? dotenv : undefined)

export const formatByName = (name: string): Format | undefined => formats.find((format) => format.name === name)
