import type { AccountLogLine } from "@keyferry/sdk"
import { WORTH_A_LOOK } from "@keyferry/sdk/account-log-words"

import { en } from "../../i18n/en/index.ts"
import { type MessageId, t } from "../../i18n/translate.ts"
import type { IconName } from "../kit/icon.tsx"

const messageOf = (kind: string): MessageId | undefined => {
  const id = `log.${kind}`
  return Object.hasOwn(en, id) ? (id as MessageId) : undefined
}

/** A line of the server's log in words. A newer server may write kinds that have none here: those are shown as they are. */
export const sentenceOf = (line: AccountLogLine, nameOf: (deviceId: string) => string | undefined): string => {
  const message = messageOf(line.kind)
  const name = line.deviceId === undefined ? undefined : nameOf(line.deviceId)
  return message === undefined
    ? t("activity.unknown", { kind: line.kind.slice(0, 64) })
    : t(message, { device: (name ?? t("activity.a-device")).slice(0, 80) })
}

export const isWorthALook = (kind: string): boolean => WORTH_A_LOOK.has(kind)

export const iconOf = (kind: string): IconName => {
  if (isWorthALook(kind)) return "alert"
  if (/device|lease/.test(kind)) return "devices"
  if (/factor|passkey|codes|signed-in/.test(kind)) return "login"
  if (/kit|password|recovery|key/.test(kind)) return "kit"
  if (/address|mail/.test(kind)) return "mail"
  if (/sync/.test(kind)) return "sync"
  return /frozen|thaw|froze/.test(kind) ? "slash" : "info"
}
