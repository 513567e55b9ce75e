import { bytesToHex, err, ok, type Result } from "@keyferry/base"
import { RECORD_KIND } from "@keyferry/crypto"
import { itemToMergeFields, withMergeFields } from "@keyferry/items"
import type { Failure } from "@keyferry/protocol"

import type { Keyferry } from "./api.ts"
import { type Device, saveSettings } from "./device.ts"
import { keepDraft, readDraft } from "./drafts.ts"
import { type LocalItem, POLICY_SYNCED } from "./formats.ts"
import { inOrder } from "./item-table.ts"
import { summaryOf } from "./item-summary.ts"
import { historyOf, oldBodyRow } from "./items-history.ts"
import { bodyOf, changedBody, editedLocal, findItem, itemRow, newLocalItem, viewOf } from "./items.ts"
import { notOpen } from "./not-open.ts"
import type { Row } from "./ports.ts"
import { renewLocalKeys } from "./renew-local-keys.ts"
import { choosePolicy, setCredentialSwitch } from "./sync-choice.ts"

type Done<T> = Promise<Result<T, Failure>>
export type Serial = <T>(work: () => Done<T>) => Done<T>

type ItemCalls = Pick<
  Keyferry,
  | "list"
  | "bin"
  | "get"
  | "add"
  | "addMany"
  | "edit"
  | "draft"
  | "keepDraft"
  | "remove"
  | "restore"
  | "history"
  | "resolve"
  | "setPolicy"
  | "setClass"
  | "setCredentialSync"
  | "setAutomaticSync"
>

/** Everything a person does with items on this device. What is to be synced is written down and sent later. */
export const itemCalls = ({
  device,
  serial,
  reading,
  online,
  poke,
  changed,
}: {
  readonly device: Device
  /** One after the other, failures of the disk as values. */
  readonly serial: Serial
  /** What only looks, beside a sync that runs by itself. */
  readonly reading: Serial
  /** `serial`, and a removal that the server tells of is followed up. */
  readonly online: Serial
  /** There is something to send. */
  readonly poke: () => void
  readonly changed: () => void
}): ItemCalls => {
  const { ports } = device
  const writeItem = async (item: LocalItem, before?: LocalItem): Done<LocalItem> => {
    const { local } = device
    if (local === undefined) return err({ code: "locked" })
    if (item.strict && local.strict === undefined) return err({ code: "lease-needs-server" })
    const old = before === undefined ? undefined : await oldBodyRow(device, local, before)
    await ports.store.write([itemRow(local, item), ...(old === undefined ? [] : [old])])
    device.items.set(bytesToHex(item.itemId), item)
    changed()
    if (item.waiting) poke()
    return ok(item)
  }
  return {
    list: () => reading(async () => (device.local === undefined ? err(notOpen(device)) : ok(device.items.list()))),
    bin: () =>
      reading(async () => {
        if (device.local === undefined) return err(notOpen(device))
        const isInBin = (row: LocalItem): boolean =>
          row.recordKind === RECORD_KIND.item && row.deletedAtMs > 0 && row.body.length > 0
        return ok(
          inOrder(
            [...device.items.deleted()]
              .map(([, row]) => row)
              .filter(isInBin)
              .map(summaryOf),
          ),
        )
      }),
    get: (id) =>
      reading(async () => {
        const item = findItem(device, id)
        return item.ok ? viewOf(device, item.value) : item
      }),
    add: (input) =>
      serial(async () => {
        if (device.local === undefined) return err(notOpen(device))
        const item = newLocalItem(device, input)
        if (!item.ok) return item
        const written = await writeItem(item.value)
        return written.ok ? ok(summaryOf(written.value)) : written
      }),
    addMany: (inputs, onProgress) =>
      serial(async () => {
        const { local } = device
        if (local === undefined) return err(notOpen(device))
        const items: LocalItem[] = []
        const rows: Row[] = []
        for (const input of inputs) {
          const item = newLocalItem(device, input)
          if (!item.ok) return item
          if (item.value.strict && local.strict === undefined) return err({ code: "lease-needs-server" })
          items.push(item.value)
          rows.push(itemRow(local, item.value))
          if (items.length % 100 === 0) onProgress?.({ step: "importing", done: items.length, total: inputs.length })
        }
        await ports.store.write(rows)
        for (const item of items) device.items.set(bytesToHex(item.itemId), item)
        changed()
        if (items.some((i) => i.waiting)) poke()
        return ok(items.map((i) => summaryOf(i)))
      }),
    edit: (id, change) =>
      serial(async () => {
        const found = findItem(device, id)
        if (!found.ok) return found
        const body = changedBody(device, found.value, change)
        if (!body.ok) return body
        const next = editedLocal(found.value, body.value, change.class !== undefined)
        if (!next.ok) return next
        const written = await writeItem(next.value, found.value)
        return written.ok ? ok(summaryOf(written.value)) : written
      }),
    draft: (of) => serial(() => readDraft(device, of)),
    keepDraft: (of, draft) => serial(() => keepDraft(device, of, draft)),
    remove: (id) =>
      serial(async () => {
        const found = findItem(device, id)
        if (!found.ok) return found
        const item = found.value
        const atServer = item.policy === POLICY_SYNCED && item.rev > 0
        const written = await writeItem({ ...item, deletedAtMs: ports.clock.nowMs(), waiting: atServer })
        return written.ok ? keepDraft(device, id, null) : written
      }),
    restore: (id, rev) =>
      serial(async () => {
        const found = findItem(device, id)
        if (!found.ok) return found
        let item = bodyOf(found.value)
        if (rev !== undefined) {
          const history = await historyOf(device, found.value)
          if (!history.ok) return history
          const entry = history.value.find((h) => h.revision.rev === rev)
          if (entry === undefined) return err({ code: "not-found", detail: `There is no revision ${rev}.` })
          // To put one back is a choice: what stood beside it then stays in the history.
          item = ok({ ...entry.item, alternatives: [] })
        }
        if (!item.ok) return item
        const next = editedLocal(found.value, { ...item.value, updatedMs: ports.clock.nowMs() }, false)
        if (!next.ok) return next
        const written = await writeItem(next.value, found.value)
        return written.ok ? ok(summaryOf(written.value)) : written
      }),
    history: (id) =>
      online(async () => {
        const found = findItem(device, id)
        if (!found.ok) return found
        const history = await historyOf(device, found.value)
        return history.ok ? ok(history.value.map((h) => h.revision)) : history
      }),
    resolve: (id, field, take) =>
      serial(async () => {
        const found = findItem(device, id)
        if (!found.ok) return found
        const item = bodyOf(found.value)
        if (!item.ok) return item
        const ofField = item.value.alternatives.filter((a) => a.field === field)
        const chosen = take === "current" ? undefined : ofField[take]
        if (ofField.length === 0 || (take !== "current" && chosen === undefined))
          return err({ code: "not-found", detail: "There is no such conflict." })
        const fields = new Map(itemToMergeFields(item.value))
        if (chosen !== undefined) fields.set(field, { value: chosen.value, secret: fields.get(field)?.secret ?? true })
        const merged = withMergeFields(item.value, fields)
        const next = editedLocal(
          found.value,
          {
            ...merged,
            alternatives: item.value.alternatives.filter((a) => a.field !== field),
            updatedMs: ports.clock.nowMs(),
          },
          false,
        )
        if (!next.ok) return next
        const written = await writeItem(next.value, found.value)
        return written.ok ? ok(summaryOf(written.value)) : written
      }),
    setPolicy: (ids, policy, elsewhere = "keep") =>
      serial(async () => {
        const done = await choosePolicy(device, ids, policy, elsewhere)
        if (done.ok) poke()
        return done
      }),
    setClass: (ids, itemClass) =>
      serial(async () => {
        for (const id of ids) {
          const found = findItem(device, id)
          if (!found.ok) return found
          const body = changedBody(device, found.value, { class: itemClass })
          if (!body.ok) return body
          const next = editedLocal(found.value, body.value, true)
          if (!next.ok) return next
          const written = await writeItem(next.value)
          if (!written.ok) return written
        }
        // What was a standard row until now could be opened offline: it goes with the key that sealed it.
        return itemClass === "strict" ? renewLocalKeys(device) : ok(undefined)
      }),
    setCredentialSync: (on, elsewhere = "keep") =>
      serial(async () => {
        const done = await setCredentialSwitch(device, on, elsewhere)
        if (done.ok) poke()
        return done
      }),
    setAutomaticSync: (on) =>
      serial(async () => {
        if (device.local === undefined) return err(notOpen(device))
        await saveSettings(device, { autoNew: on })
        return ok(undefined)
      }),
  }
}
