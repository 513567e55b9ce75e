/*
 * What syncs: one choice for each item, two automatic ones, and the switch for a vault's credentials. Decisions only; who carries
 * them out seals, signs and deletes.
 * Source: spec/sync.md, SY25–SY34
 */

export type SyncChoice = "synced" | "local-only"
/** Why an item is local-only: a person chose so for it, or the switch keeps it back. */
export type LocalReason = "choice" | "switch"
/** What becomes of the copies on other devices when something leaves the server. */
export type Elsewhere = "keep" | "delete"

/** One item as this device has it. */
export interface PolicyItem {
  readonly itemId: string
  /** Its kind is one of credentials: governed by the switch, and by policies that keep kinds off the server. */
  readonly credential: boolean
  readonly kind: string
  readonly choice: SyncChoice
  /** Absent for what syncs, and for what nobody decided about yet. */
  readonly localBecause?: LocalReason
  /** Newest revision in the vault's chain, 0 if it never was there. */
  readonly rev: number
  /** That revision is a record, not a deletion. */
  readonly onServer: boolean
  /** An edit of this device has not been sent. */
  readonly edited: boolean
}

/** What is in force on this device for one vault. */
export interface SyncSettings {
  readonly syncOn: boolean
  /** New items sync without asking. */
  readonly autoNew: boolean
  /** The vault's switch for credentials, from its profile record. */
  readonly credentials: boolean
  /** Kinds that a policy keeps off the server. */
  readonly neverSync: readonly string[]
}

/** What left the server and how: the deletion's revision, and what other devices do with their copies. */
export type Left = readonly [rev: number, elsewhere: Elsewhere]
export type LeftMap = ReadonlyMap<string, Left>

export interface VaultProfile {
  readonly credentials: boolean
  readonly left: LeftMap
}

export type SyncRefusal = "credential-sync-disabled" | "policy-never-sync"

/** Why this item may not be on the server, if it may not. */
export const syncRefusal = (
  item: Pick<PolicyItem, "credential" | "kind">,
  settings: Pick<SyncSettings, "credentials" | "neverSync">,
): SyncRefusal | undefined => {
  if (item.credential && settings.neverSync.includes(item.kind)) return "policy-never-sync"
  return item.credential && !settings.credentials ? "credential-sync-disabled" : undefined
}

/**
 * The choice for a new item. `asked` is what the person said, if anything. `localBecause` is absent where nobody decided yet.
 * Errors   the refusal, only where the person asked for synced; what nobody asked for stays local-only without a word
 */
export const choiceForNew = (
  item: Pick<PolicyItem, "credential" | "kind">,
  settings: SyncSettings,
  asked?: SyncChoice,
): { readonly choice: SyncChoice; readonly localBecause?: LocalReason; readonly refusal?: SyncRefusal } => {
  const refusal = syncRefusal(item, settings)
  if (asked === "synced") return refusal === undefined ? { choice: "synced" } : { choice: "local-only", refusal }
  if (asked === "local-only") return { choice: "local-only", localBecause: "choice" }
  if (!settings.autoNew || !settings.syncOn) return { choice: "local-only" }
  return refusal === undefined ? { choice: "synced" } : { choice: "local-only", localBecause: "switch" }
}

/** Which existing items go up when sync is turned on, or existing credentials are added later: what was asked for, never more. */
export const chooseExisting = (
  items: readonly PolicyItem[],
  upload: "all" | "none" | readonly string[],
  settings: Pick<SyncSettings, "credentials" | "neverSync">,
): {
  readonly upload: readonly string[]
  readonly refused: readonly (readonly [itemId: string, why: SyncRefusal])[]
} => {
  const chosen: string[] = []
  const refused: (readonly [string, SyncRefusal])[] = []
  for (const item of items) {
    const isNamed = typeof upload !== "string" && upload.includes(item.itemId)
    // "All" is about what nobody decided yet: an item that a person keeps local by name stays so until named.
    const isMeant = isNamed || (upload === "all" && item.localBecause !== "choice")
    if (!isMeant || item.choice === "synced") continue
    const refusal = syncRefusal(item, settings)
    if (refusal === undefined) chosen.push(item.itemId)
    else if (isNamed) refused.push([item.itemId, refusal])
  }
  return { upload: chosen, refused }
}

/** What has to happen, in this order: the profile in the same link as the deletions or before them. */
export interface Withdrawal {
  readonly profile: VaultProfile
  /** Deleted on the server, with their history. */
  readonly withdraw: readonly string[]
  /** Local-only on this device from now on, an unsent edit included. */
  readonly keepHere: readonly string[]
}

/** Credential switch off: every credential leaves the server and stays here; hosts, groups and snippets go on. */
export const switchCredentialsOff = (
  items: readonly PolicyItem[],
  profile: VaultProfile,
  elsewhere: Elsewhere,
): Withdrawal =>
  withdraw(
    items.filter((item) => item.credential && item.choice === "synced"),
    { ...profile, credentials: false },
    elsewhere,
  )

/** One or more items back to local-only: the same, without touching the switch. */
export const makeLocalOnly = (items: readonly PolicyItem[], profile: VaultProfile, elsewhere: Elsewhere): Withdrawal =>
  withdraw(
    items.filter((item) => item.choice === "synced"),
    profile,
    elsewhere,
  )

/** Credential switch on: what the switch had kept back goes up again; what a person keeps local stays. */
export const switchCredentialsOn = (
  items: readonly PolicyItem[],
  profile: VaultProfile,
  neverSync: readonly string[] = [],
): { readonly profile: VaultProfile; readonly upload: readonly string[] } => {
  const settings = { credentials: true, neverSync }
  const upload = items
    .filter((item) => item.credential && item.choice === "local-only" && item.localBecause === "switch")
    .filter((item) => syncRefusal(item, settings) === undefined)
    .map((item) => item.itemId)
  return { profile: { credentials: true, left: withoutItems(profile.left, upload) }, upload }
}

/** Named items to synced. Errors: the refusal for each that may not. */
export const makeSynced = (
  items: readonly PolicyItem[],
  profile: VaultProfile,
  settings: Pick<SyncSettings, "credentials" | "neverSync">,
): {
  readonly profile: VaultProfile
  readonly upload: readonly string[]
  readonly refused: readonly (readonly [string, SyncRefusal])[]
} => {
  const named = items.filter((item) => item.choice === "local-only")
  const { upload, refused } = chooseExisting(
    named,
    named.map((item) => item.itemId),
    settings,
  )
  return { profile: { ...profile, left: withoutItems(profile.left, upload) }, upload, refused }
}

/** What a device does with its own copy when it reads that an item left the server. */
export type AfterDeletion = "local-only-copy" | "erase" | "bin"

/**
 * The fate of a copy whose item was deleted at `rev`, after the profile of the same link was applied. An item that left is not a
 * deleted one: it becomes a copy of this device, or is erased without a bin; an unsent edit always becomes a copy.
 */
export const afterDeletion = (
  profile: Pick<VaultProfile, "left">,
  item: Pick<PolicyItem, "itemId" | "edited">,
  rev: number,
): AfterDeletion => {
  const left = profile.left.get(item.itemId)
  if (left === undefined || rev < left[0]) return "bin"
  return left[1] === "keep" || item.edited ? "local-only-copy" : "erase"
}

/**
 * Two devices changed the profile at once. The switch is taken from the side that moved it; without a common base, off wins. What left
 * is the sum of both sides: of two departures the later one counts, of two alike the one that keeps; what one side brought back is back,
 * unless the other saw it leave again.
 */
export const mergeProfiles = (
  base: VaultProfile | undefined,
  committed: VaultProfile,
  mine: VaultProfile,
): VaultProfile => {
  const left = new Map<string, Left>()
  for (const itemId of new Set([...committed.left.keys(), ...mine.left.keys()])) {
    const merged = mergeLeft(base?.left.get(itemId), committed.left.get(itemId), mine.left.get(itemId))
    if (merged !== undefined) left.set(itemId, merged)
  }
  const isMoved = base !== undefined && mine.credentials !== base.credentials
  const credentials = base === undefined ? committed.credentials && mine.credentials : committed.credentials
  return { credentials: isMoved ? mine.credentials : credentials, left }
}

// ── inside ───────────────────────────────────────────────────────────────────────────────────────────────────────

const withdraw = (items: readonly PolicyItem[], profile: VaultProfile, elsewhere: Elsewhere): Withdrawal => {
  const onServer = items.filter((item) => item.onServer)
  const left = new Map(profile.left)
  for (const item of onServer) left.set(item.itemId, [item.rev + 1, elsewhere])
  return {
    profile: { ...profile, left },
    withdraw: onServer.map((item) => item.itemId),
    keepHere: items.map((item) => item.itemId),
  }
}

const withoutItems = (left: LeftMap, itemIds: readonly string[]): LeftMap => {
  const out = new Set(itemIds)
  return new Map([...left].filter(([itemId]) => !out.has(itemId)))
}

const mergeLeft = (base: Left | undefined, committed: Left | undefined, mine: Left | undefined): Left | undefined => {
  if (isSameLeft(base, mine)) return committed
  if (isSameLeft(base, committed)) return mine
  if (committed === undefined || mine === undefined) return committed ?? mine
  if (committed[0] !== mine[0]) return committed[0] > mine[0] ? committed : mine
  return committed[1] === "keep" ? committed : mine
}

const isSameLeft = (a: Left | undefined, b: Left | undefined): boolean =>
  a === undefined || b === undefined ? a === b : a[0] === b[0] && a[1] === b[1]
