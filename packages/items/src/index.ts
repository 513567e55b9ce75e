export * from "./build.ts"
export {
  type Exchange,
  exchangeById,
  exchangeFieldSpecs,
  exchangeIds,
  suggestExchanges,
  toExchangeId,
} from "./catalogue/exchanges.ts"
export * from "./field.ts"
export * from "./hygiene.ts"
export * from "./item.ts"
export * from "./kind.ts"
export * from "./kinds/index.ts"
export { findSwapped, isMainWalletKey } from "./kinds/exchange-key.ts"
export * from "./merge-fields.ts"
export * from "./reference.ts"
export * from "./registry.ts"
