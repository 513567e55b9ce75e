import type { MailQueue } from "../mail/queue.ts"
import { type NoticeKind, securityNotice } from "../mail/templates/security-notice.ts"
import { findAccount } from "../store/accounts.ts"
import type { Tx } from "../store/tables.ts"

/** Tells an account's mailbox what changed. Nothing is sent to an address that nobody confirmed. */
export const queueNotice = async (
  { mail, origin }: { readonly mail: MailQueue; readonly origin: string },
  tx: Tx,
  accountUuid: string,
  kind: NoticeKind,
  atMs: number,
  to?: string,
): Promise<void> => {
  const account = await findAccount(tx, accountUuid)
  if (account === undefined || account.confirmed !== 1) return
  await mail.add(tx, {
    template: securityNotice,
    to: to ?? account.address,
    accountUuid,
    fields: { kind, at: new Date(atMs).toISOString(), origin },
  })
}
