import type { MessageId } from "../../i18n/translate.ts"

/*
 * What a server can see of an account and what it cannot. The one source: the screens draw it, and docs/what-the-server-sees.md
 * is compared with it by a test.
 */
export interface SeenRow {
  readonly what: MessageId
  readonly sees: "yes" | "no"
  readonly more: MessageId
}

export const SERVER_SEES: readonly SeenRow[] = [
  { what: "sees.address", sees: "yes", more: "sees.address-more" },
  { what: "sees.network", sees: "yes", more: "sees.network-more" },
  { what: "sees.devices", sees: "yes", more: "sees.devices-more" },
  { what: "sees.count", sees: "yes", more: "sees.count-more" },
  { what: "sees.factor", sees: "yes", more: "sees.factor-more" },
  { what: "sees.values", sees: "no", more: "sees.values-more" },
  { what: "sees.names", sees: "no", more: "sees.names-more" },
  { what: "sees.local", sees: "no", more: "sees.local-more" },
  { what: "sees.password", sees: "no", more: "sees.password-more" },
  { what: "sees.kit", sees: "no", more: "sees.kit-more" },
]
