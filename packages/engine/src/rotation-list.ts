import type { LeaseClass } from "./lease.ts"

/*
 * What a removed device could read, worst first: removal cannot un-read a key, so a person replaces the values that matter.
 * Source: spec/sync.md, SY40–SY42
 */

/** What somebody could do with the value, worst first. */
export const HARMS = ["withdraws", "trades", "signs-in", "reads", "other"] as const
export type Harm = (typeof HARMS)[number]

/** One item that the removed device had. No secret value is needed, and none is looked at. */
export interface ReadableItem {
  readonly itemId: string
  readonly kind: string
  readonly title: string
  readonly class: LeaseClass
  /** Names of its fields that hold a value. */
  readonly fieldsPresent: readonly string[]
  /** Those of them that are secret. */
  readonly secretsPresent: readonly string[]
  /** An exchange key's permissions as the person noted them: words such as read, trade, transfer, withdraw. */
  readonly permissions?: string
  /** When the removed device last showed or used it, where that is known. */
  readonly lastOpenedMs?: number
}

export interface RotationItem {
  readonly itemId: string
  readonly kind: string
  readonly title: string
  readonly harm: Harm
  /** One sentence without secrets. */
  readonly why: string
}

/** Sorted by harm, then what that device was seen to open, newest first, then by title. Items without a secret are left out (SY42). */
export const rotationList = (items: readonly ReadableItem[]): readonly RotationItem[] =>
  items
    .filter((item) => item.secretsPresent.length > 0)
    .map((item) => ({ item, ...harmOf(item) }))
    .sort(
      (a, b) =>
        HARMS.indexOf(a.harm) - HARMS.indexOf(b.harm) ||
        (b.item.lastOpenedMs ?? -1) - (a.item.lastOpenedMs ?? -1) ||
        compareText(a.item.title, b.item.title) ||
        compareText(a.item.itemId, b.item.itemId),
    )
    .map(({ item, harm, what }) => ({
      itemId: item.itemId,
      kind: item.kind,
      title: item.title,
      harm,
      why: `${what} ${exposureOf(item)}`,
    }))

const harmOf = (item: ReadableItem): { readonly harm: Harm; readonly what: string } => {
  switch (item.kind) {
    case "exchange-key":
      return harmOfExchangeKey(item.permissions ?? "")
    case "ssh-key":
      return { harm: "signs-in", what: "Opens every machine that knows its public key." }
    case "login":
      return item.fieldsPresent.includes("otp")
        ? { harm: "signs-in", what: "Password and one-time codes together." }
        : { harm: "signs-in", what: "Signs in where no second factor is asked." }
    case "identity":
      return { harm: "signs-in", what: "Signs in to every host that uses it." }
    case "api-token":
      return { harm: "signs-in", what: "Acts as its owner." }
    case "env-set":
      return { harm: "signs-in", what: "Holds the secrets of a program." }
    case "note":
      return { harm: "reads", what: "Its text was readable." }
    default:
      return { harm: "other", what: "Holds secret values." }
  }
}

/** Permissions nobody wrote down count as the worst: only the exchange knows them. */
const harmOfExchangeKey = (permissions: string): { readonly harm: Harm; readonly what: string } => {
  const words = new Set(
    permissions
      .toLowerCase()
      .split(/[^a-z]+/)
      .filter((word) => word !== ""),
  )
  const has = (...stems: readonly string[]): boolean => [...words].some((word) => stems.some((s) => word.startsWith(s)))
  if (words.size === 0) return { harm: "withdraws", what: "Its permissions are not noted; it may withdraw." }
  if (has("withdraw", "transfer")) return { harm: "withdraws", what: "Can move funds out." }
  if (has("trad", "order", "margin", "futures", "spot")) return { harm: "trades", what: "Can trade." }
  if (has("read", "view")) return { harm: "reads", what: "Reads balances and orders." }
  return { harm: "withdraws", what: "Its permissions are not understood; it may withdraw." }
}

const exposureOf = (item: ReadableItem): string => {
  if (item.lastOpenedMs !== undefined) return "It was opened there."
  return item.class === "strict"
    ? "Closed there for ever, unless the device was open when it was lost."
    : "Readable there with that device's password."
}

const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)
