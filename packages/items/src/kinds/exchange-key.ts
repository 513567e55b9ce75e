import { err, ok } from "@keyferry/base"

import {
  EXCHANGE_FIELDS,
  type Exchange,
  exchangeById,
  exchangeFieldSpecs,
  toExchangeId,
} from "../catalogue/exchanges.ts"
import { isDate } from "../checks.ts"
import { type FieldSpec, fieldProblem } from "../field.ts"
import { isPemBlock } from "../hygiene.ts"
import { defineKind } from "../kind.ts"

const EXCHANGE = {
  name: "exchange",
  label: "Exchange",
  secret: false,
  required: true,
  canonical: toExchangeId,
  hint: "An id of the catalogue such as binance, or any other name",
} as const satisfies FieldSpec

const ENVIRONMENT = {
  name: "environment",
  label: "Environment",
  secret: false,
  input: "token",
  choices: ["live", "test"],
} as const satisfies FieldSpec

const REGION = { name: "region", label: "Region", secret: false, input: "token" } as const satisfies FieldSpec

const ABOUT_THE_KEY = [
  { name: "sub-account", label: "Sub-account", secret: false },
  { name: "permissions", label: "Permissions", secret: false, hint: "read, trade, transfer, withdraw" },
  { name: "ip-allow-list", label: "Allowed IP addresses", secret: false, multiline: true, aliases: ["ip-list", "ips"] },
  {
    name: "expires-at",
    label: "Expires",
    secret: false,
    input: "token",
    aliases: ["expires", "expiry"],
    check: isDate,
  },
] as const satisfies readonly FieldSpec[]

/**
 * A key for an exchange's API. Which fields it has depends on the exchange; an exchange that the catalogue does not
 * know takes any of them, and at least one that is secret. Strict: what can move money never opens offline.
 */
export const exchangeKey = defineKind({
  kind: "exchange-key",
  label: "Exchange key",
  latest: 1,
  credential: true,
  defaultClass: "strict",
  fields: [EXCHANGE, ...EXCHANGE_FIELDS, ENVIRONMENT, REGION, ...ABOUT_THE_KEY],
  fieldsFor: (values) => {
    const exchange = exchangeById(toExchangeId(values["exchange"] ?? ""))
    if (exchange === undefined) return [EXCHANGE, ...EXCHANGE_FIELDS, ENVIRONMENT, REGION, ...ABOUT_THE_KEY]
    return [
      EXCHANGE,
      ...exchangeFieldSpecs(exchange),
      ...(exchange.testnet ? [ENVIRONMENT] : []),
      ...(exchange.regions ? [{ ...REGION, choices: exchange.regions }] : []),
      ...ABOUT_THE_KEY,
    ]
  },
  parse: (values) => {
    const exchange = exchangeById(values.exchange)
    const swapped = findSwapped(exchange, values)
    if (swapped !== undefined) return err(fieldProblem(swapped, "swapped"))
    const holdsSecret = EXCHANGE_FIELDS.some((spec) => spec.secret && (values[spec.name] ?? "") !== "")
    return exchange !== undefined || holdsSecret ? ok(values) : err(fieldProblem("secret", "missing"))
  },
  summary: (visible) =>
    [
      exchangeById(visible.exchange ?? "")?.name ?? visible.exchange,
      visible.environment === "test" ? "test" : "",
      visible["sub-account"],
      // Last, and in a list the thing to see first: what somebody could do with it.
      visible.permissions,
    ]
      .filter(Boolean)
      .join(" · "),
  example: {
    title: "OKX main",
    fields: {
      exchange: "okx",
      key: "00000000-1111-2222-3333-444444444444",
      secret: "0123456789ABCDEF0123456789ABCDEF",
      passphrase: "not a real passphrase",
      environment: "live",
      region: "global",
      permissions: "read, trade",
      "ip-allow-list": "192.0.2.10",
      "expires-at": "2030-01-31",
    },
  },
})

/**
 * Hyperliquid and its like: the private key must belong to an agent. `addressOf` derives the address of a key
 * (0x and 40 hex digits); the curve is the caller's, this package has none.
 * Returns  true when the key is the main account's own, which could withdraw everything
 */
export const isMainWalletKey = (
  values: Readonly<Record<string, string>>,
  addressOf: (privateKeyHex: string) => string,
): boolean => {
  const { exchange = "", "private-key": key, "wallet-address": address } = values
  if (exchangeById(exchange)?.agentKey !== true || key === undefined || address === undefined) return false
  return addressOf(key.replace(/^0x/, "")).toLowerCase() === address.toLowerCase()
}

const PAIRS = [
  ["key", "secret"],
  ["wallet-address", "private-key"],
] as const

/** The public half of a pair that holds the other's value. Sure cases only: an unknown shape is never refused. */
export const findSwapped = (
  exchange: Exchange | undefined,
  values: Readonly<Record<string, string | undefined>>,
): string | undefined => {
  for (const [open, hidden] of PAIRS) {
    const openValue = values[open]
    const hiddenValue = values[hidden]
    if (openValue === undefined) continue
    if (isPemBlock(openValue)) return open
    if (hiddenValue === undefined) continue
    const openShape = shapeOf(exchange, open)
    const hiddenShape = shapeOf(exchange, hidden)
    if (openShape === undefined || openShape.test(openValue) || !openShape.test(hiddenValue)) continue
    if (hiddenShape === undefined || (hiddenShape.test(openValue) && !hiddenShape.test(hiddenValue))) return open
  }
  return undefined
}

const shapeOf = (exchange: Exchange | undefined, field: string): RegExp | undefined => {
  const shape = exchange?.shapes?.[field]
  return shape === undefined ? undefined : new RegExp(shape)
}
