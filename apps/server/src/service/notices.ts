import type { Random } from "@keyferry/base"

import type { MailQueue } from "../mail/queue.ts"
import { type NoticeKind, securityNotice } from "../mail/templates/security-notice.ts"
import { findAccount } from "../store/accounts.ts"
import { insertFreezeLink } from "../store/freeze-links.ts"
import type { Tx } from "../store/tables.ts"
import { makeToken } from "./tokens.ts"

/** A notice may be read late; after this time the person still has `kf freeze`, and the operator. */
const FREEZE_LINK_MS = 7 * 24 * 3_600_000

/** Tells an account's mailbox what changed, with a link that freezes the account. Nothing is sent to an address that nobody confirmed. */
export const queueNotice = async (
  { mail, origin, random }: { readonly mail: MailQueue; readonly origin: string; readonly random: Random },
  tx: Tx,
  accountUuid: string,
  kind: NoticeKind,
  atMs: number,
  to?: string,
): Promise<void> => {
  const account = await findAccount(tx, accountUuid)
  if (account === undefined || account.confirmed !== 1) return
  if (mail.mode === "off") return
  const token = makeToken(random)
  await insertFreezeLink(tx, { token_hash: token.hash, account_uuid: accountUuid, expires_ms: atMs + FREEZE_LINK_MS })
  await mail.add(tx, {
    template: securityNotice,
    to: to ?? account.address,
    accountUuid,
    fields: { kind, at: new Date(atMs).toISOString(), origin, freeze: `${origin}/freeze/#${token.text}` },
  })
}
