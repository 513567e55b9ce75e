import type { Letter, MailFields, MailTemplate } from "../template.ts"
import { addressTaken } from "./address-taken.ts"
import { confirmAddress } from "./confirm-address.ts"
import { securityNotice } from "./security-notice.ts"
import { verifyDevice } from "./verify-device.ts"
import { verifyFirst } from "./verify-first.ts"

const all = [addressTaken, confirmAddress, securityNotice, verifyDevice, verifyFirst] as const
const byName: ReadonlyMap<string, MailTemplate<never>> = new Map(all.map((t) => [t.name, t as MailTemplate<never>]))

/** Writes a queued mail; `undefined` for a template that this version does not have. */
export const writeLetter = (template: string, fields: MailFields): Letter | undefined =>
  byName.get(template)?.write(fields as never)
