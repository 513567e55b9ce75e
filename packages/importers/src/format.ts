import type { Result } from "@keyferry/base"
import type { Item, ItemOrigin } from "@keyferry/items"

/**
 * A foreign file format that becomes items. One file per format in formats/, picked up by the registry.
 * Parsing is local: no network, no disk.
 * Source   docs/adding/importer.md
 */
export interface Format {
  readonly name: string
  readonly label: string
  /** Looks at the content, never at a file name. Cheap, and true for one format only. */
  readonly detect: (bytes: Uint8Array) => boolean
  readonly parse: (bytes: Uint8Array, options: ImportOptions) => Promise<Result<Imported, ImportError>>
}

export interface ImportOptions {
  /** Stands as the time of what the file does not date. */
  readonly nowMs: number
  /** Becomes the title of an item that has none of its own, and its source id. */
  readonly fileName?: string
  /** What opens an encrypted file. */
  readonly key?: ArchiveKey
}

/** A passphrase, or age identities (`AGE-SECRET-KEY-1…`, `AGE-SECRET-KEY-PQ-1…`) of which one must fit. */
export type ArchiveKey = Passphrase | { readonly identities: readonly string[] }

export interface Passphrase {
  readonly passphrase: string
  readonly scrypt: Scrypt
}

/** RFC 7914, as the host does it: in plain JavaScript the work that age asks for takes seconds. */
export type Scrypt = (
  password: Uint8Array,
  salt: Uint8Array,
  options: {
    readonly cost: number
    readonly blockSize: number
    readonly parallelism: number
    readonly length: number
  },
) => Promise<Uint8Array>

/** An item before it has an id and a vault here. */
export interface ImportedItem extends Omit<Item, "itemId" | "vaultId"> {
  /** Where it stood in the file's world: importing again finds it by this. */
  readonly from: ItemOrigin
  /** The name of the vault it lay in. */
  readonly vaultName?: string
}

/** An earlier state of an imported item. */
export interface ImportedRevision {
  readonly revision: number
  readonly savedMs: number
  readonly item: ImportedItem
}

/** Something that has no place in an item. Never carries a value. */
export interface Unmapped {
  /** Where in the file: a line number, an entry's name. */
  readonly at: string
  readonly why: "not-an-assignment" | "not-a-variable-name" | "assigned-again" | "not-text" | "unknown-file"
}

export interface Imported {
  readonly items: readonly ImportedItem[]
  readonly history: readonly ImportedRevision[]
  readonly unmapped: readonly Unmapped[]
}

/** Never tells more of the file than a place in it. */
export type ImportError =
  | { readonly code: "import-unrecognised" }
  | { readonly code: "import-too-large"; readonly limitBytes: number }
  | { readonly code: "import-malformed"; readonly at: string }
  | { readonly code: "archive-key-needed"; readonly kind: "passphrase" | "identity" }
  | { readonly code: "archive-key-wrong"; readonly kind: "passphrase" | "identity" }
  /** Ends too early, or was changed: the authentication of what is there failed. */
  | { readonly code: "archive-damaged"; readonly at: string }
  /** A name that points out of the archive, a link, a device: no honest program writes it. */
  | { readonly code: "archive-unsafe"; readonly at: string }
  | { readonly code: "archive-newer"; readonly version: number }
