import { err, ok, type Result } from "@keyferry/base"
import { exchangeById, isMainWalletKey, kindByName } from "@keyferry/items"
import type { Failure } from "@keyferry/sdk/errors"

import type { Context } from "./context.ts"
import { fieldFailure } from "./field-input.ts"
import { printable } from "./io.ts"
import type { ItemSummary } from "./keyferry.ts"

/*
 * What an exchange key could do besides trading: the key of a main wallet is refused, because an agent's key does the same work
 * and cannot move money; one that may withdraw is taken and said aloud.
 */

/** Errors: credential-malformed, for a private key that is the main wallet's own. */
export const refuseMainWallet = async (
  kind: string,
  values: Readonly<Record<string, string>>,
): Promise<Result<void, Failure>> => {
  if (kind !== "exchange-key" || exchangeById(values["exchange"] ?? "")?.agentKey !== true) return ok(undefined)
  // The curve is loaded for these keys only.
  const { walletAddressOf } = await import("@keyferry/sdk/wallet-address")
  if (!isMainWalletKey(values, (key) => walletAddressOf(key) ?? "")) return ok(undefined)
  return err(
    fieldFailure(
      { code: "credential-malformed", field: "private-key", reason: "main-wallet-key" },
      kindByName(kind),
      values,
    ),
  )
}

const mayWithdraw = (item: Pick<ItemSummary, "kind" | "summary">): boolean =>
  item.kind === "exchange-key" && /withdraw/i.test(item.summary)

/** One sentence, which --quiet does not hide, for keys that are added here or are about to travel. */
export const warnOfWithdrawal = (
  context: Context,
  items: readonly Pick<ItemSummary, "id" | "kind" | "title" | "summary" | "policy">[],
): void => {
  const named = items.filter(mayWithdraw)
  const [first] = named
  if (first === undefined || context.io.json) return
  const names = named
    .slice(0, 3)
    .map((item) => `“${printable(item.title)}”`)
    .join(", ")
  const more = named.length > 3 ? ` and ${named.length - 3} more` : ""
  const travels = named.some((item) => item.policy === "synced")
  context.io.warn(
    `${names}${more} can move money out of the exchange: use keys that cannot withdraw, bound to your addresses, where you can${
      travels ? `; kf local ${first.id} keeps it on this device only` : ""
    }.`,
  )
}
