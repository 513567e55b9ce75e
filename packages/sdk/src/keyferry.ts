import { bytesToHex, err, formatId, ok, parseId, type Result } from "@keyferry/base"
import {
  ADDED_BY_DEVICE,
  ADDED_BY_KIT,
  ADDED_BY_PASSKEY,
  ADDED_BY_RECOVERY,
  ADDED_GENESIS,
  HOLDER_DEVICE,
} from "@keyferry/chain"
import { fingerprintDigits, RECORD_KIND, serverWords } from "@keyferry/crypto"
import { itemToMergeFields, withMergeFields } from "@keyferry/items"
import { type ErrorCode, type Failure, isErrorCode, type JsonReply } from "@keyferry/protocol"

import { changePassword, checkAccountPassword, deviceCalls, replaceKit } from "./account-calls.ts"
import type { DeviceInfo, Keyferry, Status } from "./api.ts"
import { type ApproverSide, approvalReply, approvalWords, approve, approveStart, type NewSide } from "./approval.ts"
import { archiveOf, restoreArchive } from "./archive.ts"
import { setDevicePassword } from "./device-password.ts"
import { createDevice, type Device, forget, readState, saveSettings } from "./device.ts"
import {
  confirmation,
  describeEnrolment,
  type EnrolmentBox,
  factorLost,
  finishWithKit,
  loadEnrolment,
  loginStart,
  mailState,
  recoverFinish,
  recoverStart,
  requestMail,
  secondFactor,
} from "./enrol.ts"
import { evidenceRow, type LocalItem, POLICY_LOCAL, POLICY_SYNCED } from "./formats.ts"
import { bodyOf, changedBody, editedLocal, findItem, itemRows, newLocalItem, summaryOf, viewOf } from "./items.ts"
import { historyOf, oldBodyRow } from "./items-history.ts"
import { leavingPlan, signOut } from "./leaving.ts"
import { createLive, ownRemoval } from "./live.ts"
import type { Http, Row, SdkPorts } from "./ports.ts"
import { decodeLabel } from "./profile.ts"
import { checkKit, removeDevice } from "./removal.ts"
import { isRescueStale, renewLocalKeys } from "./renew-local-keys.ts"
import { rescue } from "./rescue.ts"
import { purgeOld } from "./retention.ts"
import { rotationDone, rotationList } from "./rotation.ts"
import { finishStaged, signUp } from "./signup.ts"
import { dropStaged, readStaged } from "./staged.ts"
import { choosePolicy, existingToUpload, setCredentialSwitch } from "./sync-choice.ts"
import { putLabel, removeRetired } from "./sync-chores.ts"
import { syncNow, waitingItems } from "./sync.ts"
import { watchUnlock } from "./unlock-watch.ts"
import { createLocalStore, unlock } from "./unlock.ts"

type Done<T> = Promise<Result<T, Failure>>

/**
 * A network whose pending requests can be given up. What is under way then reads like an outage; a server that answers one
 * byte a minute keeps no key in memory.
 */
const abortable = (http: Http): { readonly http: Http; readonly giveUp: () => void } => {
  let pending = Promise.withResolvers<undefined>()
  return {
    http: { stream: http.stream, send: (request) => Promise.race([http.send(request), pending.promise]) },
    giveUp: () => {
      pending.resolve(undefined)
      pending = Promise.withResolvers<undefined>()
    },
  }
}

/** Opens one device's store. Errors: store-corrupt, schema-newer. */
export const openKeyferry = async (given: SdkPorts): Done<Keyferry> => {
  const { http, giveUp } = abortable(given.http)
  const ports: SdkPorts = { ...given, http }
  const listeners = new Set<() => void>()
  let scheduled = false
  const changed = (): void => {
    if (scheduled) return
    scheduled = true
    queueMicrotask(() => {
      scheduled = false
      for (const listener of listeners) listener()
    })
  }
  const created = await createDevice(ports, changed)
  if (!created.ok) return created
  const device = created.value
  const box: EnrolmentBox = { current: undefined }
  let newSide: NewSide | undefined
  let approverSide: ApproverSide | undefined
  let cancelUnlockLimit: (() => void) | undefined
  let remote: RemoteAccount | undefined
  const live = createLive(
    device,
    () => changed(),
    () => void device.serial(() => removeRetired(device)),
  )

  /** One after the other. A full disk, a damaged file or a locked keychain is an answer, not a crash. */
  const serial = <T>(work: () => Done<T>): Done<T> =>
    device.serial(async () => {
      try {
        return await work()
      } catch (error) {
        const failure = ports.failureOf(error)
        if (failure === undefined) throw error
        return err(failure)
      }
    })
  /** Every call to the server may learn that this device was removed: then the signed link is asked for and obeyed. */
  const online = async <T>(work: () => Done<T>): Done<T> => {
    const result = await serial(work)
    if (!result.ok && (result.error.code === "device-removed" || result.error.code === "device-retired"))
      await ownRemoval(device, result.error.code)
    return result
  }
  const changing = async <T>(work: () => Done<T>): Done<T> => accountChanged(await online(work))
  const writeItem = async (item: LocalItem, before?: LocalItem): Done<LocalItem> => {
    const { local } = device
    if (local === undefined) return err({ code: "locked" })
    if (item.strict && local.strict === undefined) return err({ code: "lease-needs-server" })
    const old = before === undefined ? undefined : await oldBodyRow(device, local, before)
    await ports.store.write([...(await itemRows(device, local, item)), ...(old === undefined ? [] : [old])])
    device.items.set(bytesToHex(item.itemId), item)
    changed()
    if (item.waiting) live.poke()
    return ok(item)
  }
  /** The account changed through this device: what the server says of it is asked again when somebody looks. */
  const accountChanged = <T>(result: T): T => {
    remote = undefined
    return result
  }
  const afterOpen = (): void => {
    remote = undefined
    cancelUnlockLimit?.()
    cancelUnlockLimit = watchUnlock(device, () => void keyferry.lock())
    live.start()
  }

  const keyferry: Keyferry = {
    status: async (options) => {
      // What only the server knows is asked for once and when somebody wants it fresh; a status costs no request by itself.
      const account = device.record?.account
      if (account === undefined || device.full === undefined) remote = undefined
      else if (options?.fresh === true) remote = (await liveAccount(device)) ?? remote
      return statusOf(device, box, live.state(), remote)
    },
    onChange: (listener) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },

    createLocal: (password) => serial(() => createLocalStore(device, password)),
    unlock: (password) =>
      serial(async () => {
        const opened = await unlock(device, password)
        if (!opened.ok) {
          if (opened.error.code === "device-removed" || opened.error.code === "device-retired")
            await ownRemoval(device, opened.error.code)
          return opened
        }
        await loadEnrolment(device, box)
        const finished = await finishWhatWasStaged(device)
        await tidy(device)
        afterOpen()
        const notice = finished ?? opened.value.notice?.code
        return ok({ lock: opened.value.lock, ...(notice === undefined ? {} : { notice }) })
      }),
    lock: async () => {
      live.stop()
      cancelUnlockLimit?.()
      giveUp()
      await device.serial(async () => forget(device))
      box.current = undefined
      newSide = undefined
      approverSide = undefined
    },
    confirmPassword: (password) =>
      serial(async () => {
        const again = await unlock(device, password)
        return again.ok ? ok(undefined) : again
      }),
    close: async () => {
      live.stop()
      cancelUnlockLimit?.()
      giveUp()
      await device.serial(async () => {
        forget(device)
        await ports.store.close()
      })
    },

    list: () => serial(async () => summaries(device, (i) => i.deletedAtMs === 0)),
    bin: () => serial(async () => summaries(device, (i) => i.deletedAtMs > 0 && i.body.length > 0)),
    get: (id) =>
      serial(async () => {
        const item = findItem(device, id)
        return item.ok ? viewOf(device, item.value) : item
      }),
    add: (input) =>
      serial(async () => {
        if (device.local === undefined) return err(notOpen(device))
        const item = newLocalItem(device, input)
        if (!item.ok) return item
        const written = await writeItem(item.value)
        return written.ok ? ok(summaryOf(device, written.value)) : written
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
          rows.push(...(await itemRows(device, local, item.value)))
          if (items.length % 100 === 0) onProgress?.({ step: "importing", done: items.length, total: inputs.length })
        }
        await ports.store.write(rows)
        for (const item of items) device.items.set(bytesToHex(item.itemId), item)
        changed()
        if (items.some((i) => i.waiting)) live.poke()
        return ok(items.map((i) => summaryOf(device, i)))
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
        return written.ok ? ok(summaryOf(device, written.value)) : written
      }),
    remove: (id) =>
      serial(async () => {
        const found = findItem(device, id)
        if (!found.ok) return found
        const item = found.value
        const atServer = item.policy === POLICY_SYNCED && item.rev > 0
        const written = await writeItem({ ...item, deletedAtMs: ports.clock.nowMs(), waiting: atServer })
        return written.ok ? ok(undefined) : written
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
          item = ok(entry.item)
        }
        if (!item.ok) return item
        const next = editedLocal(found.value, { ...item.value, updatedMs: ports.clock.nowMs() }, false)
        if (!next.ok) return next
        const written = await writeItem(next.value, found.value)
        return written.ok ? ok(summaryOf(device, written.value)) : written
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
        return written.ok ? ok(summaryOf(device, written.value)) : written
      }),
    setPolicy: (ids, policy, elsewhere = "keep") =>
      serial(async () => {
        const done = await choosePolicy(device, ids, policy, elsewhere)
        if (done.ok) live.poke()
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
        if (done.ok) live.poke()
        return done
      }),
    setAutomaticSync: (on) =>
      serial(async () => {
        if (device.local === undefined) return err(notOpen(device))
        await saveSettings(device, { autoNew: on })
        return ok(undefined)
      }),

    signUp: async (input) => {
      const made = await serial(() => signUp(device, input))
      if (made.ok) afterOpen()
      return made
    },
    loginStart: (input) => serial(() => loginStart(device, box, input)),
    loginSecondFactor: (kind, code, mail = true) => serial(() => secondFactor(device, box, { kind, code, mail })),
    loginFactorLost: () => serial(() => factorLost(device, box)),
    stopFactorReset: () => call(online, device, (c) => c.transport.json("two-factor.reset-cancel", {}, c.as)),
    requestMail: () =>
      changing(async () => {
        if (box.current !== undefined) return requestMail(device, box)
        const calls = await deviceCalls(device)
        if (!calls.ok) return calls
        const reply = await calls.value.transport.json("first.mail", {}, calls.value.as)
        return reply.ok
          ? ok({
              mail: mailState(reply.value.mail),
              mailedTo: reply.value.mailedTo,
              code: reply.value.code,
              nextInS: reply.value.nextInS,
            })
          : reply
      }),
    confirmation: () => serial(() => confirmation(device, box)),
    finishWithKit: async (kitCode) => {
      const done = await serial(() => finishWithKit(device, box, kitCode))
      if (done.ok) afterOpen()
      return done
    },
    approvalWords: async () => {
      const started = await approvalWords(device, box)
      if (!started.ok) return started
      newSide = started.value.side
      return ok({ words: started.value.words })
    },
    approvalReply: async (reply) => {
      if (newSide === undefined) return err({ code: "approval-mismatch", detail: "Start the approval again." })
      const side = newSide
      newSide = undefined
      const done = await approvalReply(device, box, side, reply)
      if (done.ok) afterOpen()
      return done
    },
    recoverStart: (input) => serial(() => recoverStart(device, box, input)),
    recoverFinish: async (newPassword) => {
      const made = await serial(() => recoverFinish(device, box, newPassword))
      if (made.ok) afterOpen()
      return made
    },

    twoFactorStart: () => call(online, device, (c) => c.transport.json("two-factor.start", {}, c.as)),
    twoFactorConfirm: async (code) => {
      const done = await call(changing, device, (c) =>
        c.transport.json("two-factor.confirm", { code: code.replace(/\s/g, "") }, c.as),
      )
      return done.ok ? ok({ factors: done.value.factors }) : done
    },
    twoFactorCheck: async (kind, code) => {
      const done = await call(online, device, (c) =>
        c.transport.json("two-factor.check", { kind, code: code.replace(/\s/g, "") }, c.as),
      )
      return done.ok ? ok(undefined) : done
    },
    recoveryCodes: () => call(online, device, (c) => c.transport.json("two-factor.codes", {}, c.as)),
    twoFactorOff: (input) =>
      changing(async () => {
        const checked = await checkAccountPassword(device, input.password)
        if (!checked.ok) return checked
        const calls = await deviceCalls(device)
        if (!calls.ok) return calls
        const done = await calls.value.transport.json(
          "two-factor.disable",
          { suspendSync: input.suspendSync },
          calls.value.as,
        )
        return done.ok ? ok({ devices: done.value.devices }) : done
      }),
    changePassword: (input) =>
      online(async () => {
        const changedThere = await changePassword(device, input)
        return changedThere.ok ? setDevicePassword(device, input.newPassword) : changedThere
      }),
    changeDevicePassword: (input) =>
      online(async () => {
        if (device.local === undefined) return err(notOpen(device))
        const known = await unlock(device, input.password)
        return known.ok ? setDevicePassword(device, input.newPassword) : known
      }),
    replaceKit: (input) => online(() => replaceKit(device, input.password)),
    checkKit: (kitCode) => serial(() => checkKit(device, kitCode)),

    syncOn: (input, onProgress) =>
      changing(async () => {
        if (device.local === undefined) return err(notOpen(device))
        const ready = await readyToSync(device)
        if (!ready.ok) return ready
        await saveSettings(device, { syncOn: true, autoNew: input.autoNew })
        const chosen = existingToUpload(device, input.items)
        if (!chosen.ok) return chosen
        if (chosen.value.length > 0) {
          const done = await choosePolicy(device, chosen.value, "synced", "keep")
          if (!done.ok) return done
        }
        const labelled = await putLabel(device)
        if (!labelled.ok) return labelled
        const synced = await syncNow(device, onProgress)
        if (!synced.ok) return synced
        live.start()
        live.poke()
        return ok({ uploaded: chosen.value.length })
      }),
    syncOff: () =>
      serial(async () => {
        if (device.local === undefined) return err(notOpen(device))
        await saveSettings(device, { syncOn: false })
        live.stop()
        return ok(undefined)
      }),
    syncResume: async () => {
      const done = await call(changing, device, (c) => c.transport.json("sync.resume", {}, c.as))
      return done.ok ? ok(undefined) : done
    },
    syncNow: (onProgress) =>
      online(async () => {
        if (!device.settings.syncOn) return err({ code: "sync-not-enabled-here" })
        const done = await syncNow(device, onProgress)
        live.report(done.ok ? undefined : done.error)
        if (!done.ok) return done
        await removeRetired(device)
        const renewed = await tidy(device)
        return renewed.ok ? done : renewed
      }),
    evidence: () =>
      serial(async () => {
        const { local } = device
        if (local === undefined) return err(notOpen(device))
        const out: { code: ErrorCode; atMs: number; detail: string }[] = []
        for (const { key } of await ports.store.list("state")) {
          const bytes = key.startsWith("evidence:") ? await readState(device, local, key) : undefined
          const row = bytes === undefined ? undefined : evidenceRow.decode(bytes, 600 * 1024)
          if (row?.ok === true && isErrorCode(row.value.code))
            out.push({ code: row.value.code, atMs: row.value.atMs, detail: row.value.detail })
        }
        return ok(out)
      }),

    devices: () => online(() => devicesOf(device)),
    renameDevice: (id, name) =>
      online(async () => {
        const parsed = parseId("dev", id)
        if (!parsed.ok) return err({ code: "not-found" })
        const done = await putLabel(device, { deviceId: parsed.value, name })
        if (done.ok) live.poke()
        return done
      }),
    approveStart: async (id) => {
      const started = await approveStart(device, id)
      if (!started.ok) return started
      approverSide = started.value
      return ok(undefined)
    },
    approve: async (id, words) => {
      if (approverSide === undefined || formatId("dev", approverSide.deviceId) !== id) {
        const started = await approveStart(device, id)
        if (!started.ok) return started
        approverSide = started.value
      }
      const side = approverSide
      approverSide = undefined
      return approve(device, side, words)
    },
    denyDevice: async (id) => {
      const parsed = parseId("dev", id)
      if (!parsed.ok) return err({ code: "not-found" })
      const done = await call(online, device, (c) =>
        c.transport.json("devices.deny", { deviceId: formatId("dev", parsed.value) }, c.as),
      )
      return done.ok ? ok(undefined) : done
    },
    removeDevice: (input, onProgress) => online(() => removeDevice(device, input, onProgress)),
    rotationList: () => serial(() => rotationList(device)),
    rotationDone: (itemId) =>
      serial(async () => {
        const parsed = parseId("itm", itemId)
        return parsed.ok ? rotationDone(device, bytesToHex(parsed.value)) : err({ code: "not-found" })
      }),

    leaving: () => serial(async () => (device.local === undefined ? err(notOpen(device)) : ok(leavingPlan(device)))),
    signOut: (input) =>
      serial(async () => {
        const done = await signOut(device, input)
        if (done.ok) live.stop()
        return done
      }),
    exportArchive: (input) => serial(() => archiveOf(device, input)),
    importArchive: (bytes, key, mode) => restoreArchive(device, bytes, key, mode),
    rescue: (kitCode, newPassword) => serial(() => rescue(device, kitCode, newPassword)),
  }
  return ok(Object.freeze(keyferry))
}

const notOpen = (device: Device): Failure =>
  device.record === undefined
    ? { code: "not-found", detail: "There is no vault on this device yet." }
    : { code: "locked" }

const summaries = (device: Device, pick: (item: LocalItem) => boolean) => {
  if (device.local === undefined) return err(notOpen(device))
  const items = [...device.items.values()].filter((i) => i.recordKind === RECORD_KIND.item && pick(i))
  return ok(
    items
      .map((i) => summaryOf(device, i))
      .toSorted((a, b) => a.title.localeCompare(b.title) || a.id.localeCompare(b.id)),
  )
}

type Online = <T>(work: () => Done<T>) => Done<T>
/** One request of this device, and its answer. */
const call = <T>(
  online: Online,
  device: Device,
  send: (c: Extract<Awaited<ReturnType<typeof deviceCalls>>, { ok: true }>["value"]) => Done<T>,
): Done<T> =>
  online(async () => {
    const calls = await deviceCalls(device)
    return calls.ok ? send(calls.value) : calls
  })

/** What an open store is due: thirty days are over, or a kit was replaced elsewhere. */
const tidy = async (device: Device): Done<void> => {
  await purgeOld(device)
  return device.full !== undefined && (await isRescueStale(device)) ? renewLocalKeys(device) : ok(undefined)
}

/** A stop between sending and settling is finished at the next unlock. */
const finishWhatWasStaged = async (device: Device): Promise<Failure["code"] | undefined> => {
  if (device.local === undefined || device.record?.account !== undefined) return undefined
  const staged = await readStaged(device, device.local)
  if (staged === undefined) return undefined
  if (staged.route === "none") {
    await dropStaged(device)
    return undefined
  }
  const done = await finishStaged(device, staged)
  return done.ok ? undefined : done.error.code
}

/** Sync needs a second factor and a confirmed device; says which is missing. */
const readyToSync = async (device: Device): Done<void> => {
  const calls = await deviceCalls(device)
  if (!calls.ok) return calls
  const status = await calls.value.transport.json("account.status", {}, calls.value.as)
  if (!status.ok) return status
  if (status.value.factors.length === 0) return err({ code: "two-factor-required" })
  if (status.value.state !== "active") return err({ code: "device-not-verified" })
  return status.value.syncSuspended ? err({ code: "sync-suspended" }) : ok(undefined)
}

const HOW: Readonly<Record<number, DeviceInfo["how"]>> = {
  [ADDED_GENESIS]: "first",
  [ADDED_BY_DEVICE]: "device",
  [ADDED_BY_KIT]: "kit",
  [ADDED_BY_PASSKEY]: "passkey",
  [ADDED_BY_RECOVERY]: "recovery",
}

/** Devices of the verified chain; what the server adds is times, platforms and those that still wait. */
const devicesOf = async (device: Device): Done<readonly DeviceInfo[]> => {
  const { account, record } = device
  if (record?.account === undefined || account === undefined)
    return err({ code: "sync-not-enabled-here", detail: "This device has no account." })
  const calls = await deviceCalls(device)
  if (!calls.ok) return calls
  const served = await calls.value.transport.json("devices.list", {}, calls.value.as)
  if (!served.ok) return served
  const hints = new Map<string, (typeof served.value.devices)[number]>(served.value.devices.map((d) => [d.deviceId, d]))
  const out: DeviceInfo[] = []
  for (const entry of account.holders.values()) {
    if (entry.holder.kind !== HOLDER_DEVICE) continue
    const id = formatId("dev", entry.holder.id)
    const hint = hints.get(id)
    hints.delete(id)
    out.push({
      id,
      name: nameOf(device, entry.holder.id) ?? hint?.platform ?? "device",
      platform: hint?.platform ?? "",
      state:
        entry.removedAt === undefined ? (hint?.state ?? "active") : hint?.state === "retired" ? "retired" : "removed",
      isThis: bytesToHex(entry.holder.id) === bytesToHex(record.account.deviceId),
      how: HOW[entry.how] ?? "none",
      addedAtMs: hint?.createdAtMs ?? 0,
      lastSeenMs: hint?.lastSeenMs ?? 0,
      oldKit: false,
    })
  }
  for (const [id, hint] of hints) {
    if (hint.state !== "pending" && hint.state !== "confirmed") continue
    out.push({
      id,
      name: hint.platform,
      platform: hint.platform,
      state: hint.state,
      isThis: false,
      how: "none",
      addedAtMs: hint.createdAtMs,
      lastSeenMs: hint.lastSeenMs,
      oldKit: false,
    })
  }
  return ok(out)
}

const nameOf = (device: Device, deviceId: Uint8Array): string | undefined => {
  const row = device.items.get(bytesToHex(deviceId))
  const label = row?.recordKind === RECORD_KIND.deviceLabel ? decodeLabel(row.body) : undefined
  if (label !== undefined) return label.name
  const own = device.record?.account
  return own !== undefined && bytesToHex(own.deviceId) === bytesToHex(deviceId) ? own.deviceName : undefined
}

const statusOf = (
  device: Device,
  box: EnrolmentBox,
  state: ReturnType<ReturnType<typeof createLive>["state"]>,
  remote: RemoteAccount | undefined,
): Status => {
  const { record, local } = device
  const mode = record === undefined ? "none" : record.account === undefined ? "local" : "account"
  const lock: Status["lock"] =
    record === undefined
      ? "no-vault"
      : local === undefined
        ? "locked"
        : local.strict === undefined
          ? "standard-only"
          : "unlocked"
  const items = [...device.items.values()].filter((i) => i.recordKind === RECORD_KIND.item && i.deletedAtMs === 0)
  const lockCode = record?.removed !== undefined && isErrorCode(record.removed) ? record.removed : undefined
  return {
    mode,
    lock,
    ...(lockCode === undefined ? {} : { lockCode }),
    ...(local === undefined ? {} : { unlockedUntilMs: device.unlockedUntilMs }),
    ...(record?.account === undefined
      ? {}
      : {
          account: {
            id: formatId("acc", record.account.accountId),
            digits: fingerprintDigits(record.account.accountId),
            address: record.account.address,
            server: record.account.server.origin,
            serverWords: serverWords(device.ports.primitives, record.account.server.opaquePk).join(" "),
            deviceId: formatId("dev", record.account.deviceId),
            deviceName: nameOf(device, record.account.deviceId) ?? record.account.deviceName,
            deviceState: remote?.state ?? "unknown",
            factors: remote?.factors ?? [],
            frozen: remote?.frozen ?? false,
            syncSuspended: remote?.syncSuspended ?? false,
          },
          lastContactMs: record.account.lastContactS * 1000,
          graceUntilMs: record.account.graceUntilS * 1000,
        }),
    ...(box.current === undefined ? {} : { enrolment: describeEnrolment(box.current) }),
    sync: {
      on: device.settings.syncOn,
      state: state.state,
      ...(state.failure === undefined
        ? {}
        : {
            code: state.failure.code,
            ...(state.failure.detail === undefined ? {} : { detail: state.failure.detail }),
          }),
      ...(device.settings.lastSyncMs === 0 ? {} : { lastSyncMs: device.settings.lastSyncMs }),
      waiting: waitingItems(device).length,
      conflicts: items.filter((i) => summaryOf(device, i).conflicts > 0).length,
      synced: items.filter((i) => i.policy === POLICY_SYNCED && i.rev > 0).length,
      localOnly: items.filter((i) => i.policy === POLICY_LOCAL).length,
      autoNew: device.settings.autoNew,
      credentials: device.settings.credentials,
      ...(device.overdue.length === 0 ? {} : { rotationOverdue: device.overdue.length }),
    },
  }
}

type RemoteAccount = JsonReply<"account.status">

const liveAccount = async (device: Device) => {
  const calls = await deviceCalls(device)
  if (!calls.ok) return undefined
  const reply = await calls.value.transport.json("account.status", {}, calls.value.as)
  return reply.ok ? reply.value : undefined
}
