import type { FieldReason } from "@keyferry/items"

import type { MessageId } from "../../i18n/translate.ts"

/** Why a field was refused, in words. */
export const REASONS: Readonly<Record<FieldReason, MessageId>> = {
  missing: "reason.missing",
  "unknown-field": "reason.unknown-field",
  "not-text": "reason.not-text",
  "control-character": "reason.control-character",
  newline: "reason.newline",
  "space-inside": "reason.space-inside",
  "too-long": "reason.too-long",
  "not-a-choice": "reason.not-a-choice",
  "not-a-number": "reason.not-a-number",
  "not-a-url": "reason.not-a-url",
  "not-a-date": "reason.not-a-date",
  "not-an-item-id": "reason.not-an-item-id",
  "not-a-private-key": "reason.not-a-private-key",
  "not-a-public-key": "reason.not-a-public-key",
  "not-an-otp": "reason.not-an-otp",
  "not-a-variable-name": "reason.not-a-variable-name",
  "not-an-address": "reason.not-an-address",
  swapped: "reason.swapped",
  "main-wallet-key": "reason.main-wallet-key",
  "secret-not-allowed": "reason.secret-not-allowed",
  "own-and-shared": "reason.own-and-shared",
}
