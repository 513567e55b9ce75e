import { bytesToHex, err, formatId, ok, parseId, type Result } from "@keyferry/base"
import { type ErrorCode, type Failure, isErrorCode } from "@keyferry/protocol"

import { changePassword, checkAccountPassword, replaceKit } from "./account-calls.ts"
import { answering } from "./answering.ts"
import { deviceCalls } from "./device-calls.ts"
import type { Keyferry } from "./api.ts"
import {
  approvalReply,
  approvalScan,
  approvalWords,
  approve,
  type ApproverSide,
  approveStart,
  canGoOn,
  type NewSide,
} from "./approval.ts"
import { devicesOf } from "./device-list.ts"
import { setDevicePassword } from "./device-password.ts"
import { createDevice, type Device, forget, readState, saveSettings } from "./device.ts"
import { finishWithKit } from "./enrol-kit.ts"
import { confirmation, factorLost, loginStart, requestMail, secondFactor } from "./enrol.ts"
import { type EnrolmentBox, isSealedEnrolment, loadEnrolment, mailState } from "./enrolment.ts"
import { accountPolicy, setAccountPolicy } from "./account-policy.ts"
import { accountLog } from "./account-log.ts"
import { changeAddress, readAddress } from "./address.ts"
import { approveLeaseReset, denyLeaseReset, resetLease } from "./lease-reset.ts"
import { freezeAccount, thawAccount, waitForThaw } from "./freeze.ts"
import { itemCalls, type Serial } from "./item-calls.ts"
import { recoverFinish, recoverStart } from "./recover.ts"
import { evidenceRow } from "./formats.ts"
import { abortable } from "./giving-up.ts"
import { leavingPlan, signOut } from "./leaving.ts"
import { createLive, ownRemoval } from "./live.ts"
import { notOpen } from "./not-open.ts"
import { finishWithPasskey, loginPasskey } from "./passkey-login.ts"
import { addPasskey, checkPasskey, listPasskeys, removePasskey } from "./passkeys.ts"
import type { SdkPorts } from "./ports.ts"
import { checkKit, removeDevice } from "./removal.ts"
import { repairCalls } from "./repair-calls.ts"
import { rescue } from "./rescue.ts"
import { rotationDone, rotationList } from "./rotation.ts"
import { noteKitChecked } from "./kit-check.ts"
import { signUp } from "./signup.ts"
import { liveAccount, type RemoteAccount, statusOf } from "./status.ts"
import { choosePolicy, existingToUpload } from "./sync-choice.ts"
import { putLabel, removeRetired } from "./sync-chores.ts"
import { syncNow } from "./sync.ts"
import { finishWhatWasStaged, tidy } from "./unlock-chores.ts"
import { watchUnlock } from "./unlock-watch.ts"
import { createLocalStore, unlock, type Unlocked } from "./unlock.ts"

type Done<T> = Promise<Result<T, Failure>>

/** Opens one device's store. Errors: store-corrupt, schema-newer. */
export const openKeyferry = async (given: SdkPorts): Done<Keyferry> => {
  const { ports: waited, giveUp } = abortable(given)
  const ports: SdkPorts = { ...given, ...waited }
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
    () => {
      accountChanged(undefined)
    },
    () => void serial(() => removeRetired(device)),
    () => void keyferry.lock(),
  )
  ports.attention?.(live.lookAgain)

  /** One after the other. */
  const serial: Serial = (work) => device.serial(() => answering(ports, work))
  /** What only looks, beside a sync that runs by itself. */
  const reading: Serial = (work) => device.turns.reading(() => answering(ports, work))
  /** Every call to the server may learn that this device was removed: then the signed link is asked for and obeyed. */
  const online = async <T>(work: () => Done<T>, inTurn: Serial = serial): Done<T> => {
    const result = await inTurn(work)
    if (!result.ok && (result.error.code === "device-removed" || result.error.code === "device-retired")) {
      const { code } = result.error
      const obeyed = await device.serial(() => ownRemoval(device, code))
      if (!obeyed.ok) return obeyed
    }
    // A frozen account opens nothing anywhere; what this device still has open it closes.
    if (!result.ok && result.error.code === "account-frozen" && device.full !== undefined) await keyferry.lock()
    return result
  }
  const changing = async <T>(work: () => Done<T>): Done<T> => accountChanged(await online(work))
  /** The account changed, through this device or as the server says: it is asked again when somebody looks, who is told to. */
  const accountChanged = <T>(result: T): T => {
    remote = undefined
    changed()
    return result
  }
  const keepInBackground = ({ keepLease }: Unlocked): void => {
    if (keepLease === undefined) return
    const keep = async (): Done<void> => ok(await keepLease())
    void device.turns
      .background(() => answering(ports, keep))
      .then(({ result }) => {
        if (result.ok) changed()
        else live.report(result.error)
      })
  }
  /** What is under way gives up its waits, everything is forgotten, and then comes `end`. */
  const forgetAnd = async (end: (waitAgain: () => void) => Promise<void>): Promise<void> => {
    const stop = (): void => {
      live.stop()
      cancelUnlockLimit?.()
    }
    stop()
    const waitAgain = giveUp()
    await device.serial(async () => {
      // Again: an unlock that was under way began it anew.
      stop()
      forget(device)
      await end(waitAgain)
    })
  }
  const afterOpen = (): void => {
    remote = undefined
    cancelUnlockLimit?.()
    cancelUnlockLimit = watchUnlock(device, () => void keyferry.lock(), live.report)
    live.start()
  }

  /** One start at a time for a device, and none where an earlier one can go on: each start is a new exchange for the other side. */
  let starting: { readonly id: string; readonly done: Done<void> } | undefined
  const startApproving = (id: string): Done<void> => {
    if (starting?.id === id) return starting.done
    const start = async (): Done<void> => {
      const side = approverSide
      if (side !== undefined && formatId("dev", side.deviceId) === id && (await canGoOn(device, side)))
        return ok(undefined)
      approverSide = undefined
      const started = await approveStart(device, id)
      if (!started.ok) return started
      approverSide = started.value
      return ok(undefined)
    }
    const done = answering(ports, start).finally(() => {
      if (starting?.done === done) starting = undefined
    })
    starting = { id, done }
    return done
  }

  const keyferry: Keyferry = {
    status: async (options) => {
      // What only the server knows is asked for once and when somebody wants it fresh; a status costs no request by itself.
      const account = device.record?.account
      if (account === undefined) remote = undefined
      else if (options?.fresh === true) {
        const known = await answering(ports, () => liveAccount(device))
        if (known.ok) remote = known.value
      } else if (device.full === undefined) remote = undefined
      return statusOf(device, box, live.state(), remote, await isSealedEnrolment(device))
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
          if (opened.error.code !== "device-removed" && opened.error.code !== "device-retired") return opened
          const obeyed = await ownRemoval(device, opened.error.code)
          return obeyed.ok ? opened : obeyed
        }
        await loadEnrolment(device, box)
        const finished = await finishWhatWasStaged(device)
        await tidy(device)
        // Whoever looks at what is open now does not wait for the server to hear of it.
        keepInBackground(opened.value)
        afterOpen()
        const notice = finished ?? opened.value.notice?.code
        return ok({ lock: opened.value.lock, ...(notice === undefined ? {} : { notice }) })
      }),
    lock: async () => {
      await forgetAnd(async (waitAgain) => waitAgain())
      box.current = undefined
      newSide = undefined
      approverSide = undefined
    },
    confirmPassword: (password) =>
      serial(async () => {
        const again = await unlock(device, password)
        if (again.ok) await again.value.keepLease?.()
        return again.ok ? ok(undefined) : again
      }),
    // Who is closed asks nobody any more.
    close: () => forgetAnd(() => ports.store.close()),

    ...itemCalls({ device, serial, reading, online, poke: () => live.poke(), changed }),

    signUp: async (input) => {
      const made = await serial(() => signUp(device, input))
      if (made.ok) afterOpen()
      return made
    },
    loginStart: (input) => serial(() => loginStart(device, box, input)),
    loginSecondFactor: (kind, code, mail = true) => serial(() => secondFactor(device, box, { kind, code, mail })),
    loginPasskey: (mail = true) => serial(() => loginPasskey(device, box, mail)),
    loginFactorLost: () => serial(() => factorLost(device, box)),
    stopFactorReset: () => call(changing, device, (c) => c.transport.json("two-factor.reset-cancel", {}, c.as)),
    requestMail: (options) =>
      changing(async () => {
        if (box.current !== undefined) return requestMail(device, box)
        const calls = await deviceCalls(device)
        if (!calls.ok) return calls
        const running = options?.running === true ? { running: true } : {}
        const reply = await calls.value.transport.json("first.mail", running, calls.value.as)
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
    finishWithPasskey: async () => {
      const done = await serial(() => finishWithPasskey(device, box))
      if (done.ok) afterOpen()
      return done
    },
    approvalScan: () => serial(() => approvalScan(device, box)),
    approvalWords: async () => {
      const started = await answering(ports, () => approvalWords(device, box))
      if (!started.ok) return started
      newSide = started.value.side
      return ok({ words: started.value.words, scan: started.value.scan })
    },
    approvalReply: async (reply) => {
      if (newSide === undefined) return err({ code: "approval-mismatch", detail: "Start the approval again." })
      const side = newSide
      newSide = undefined
      const done = await answering(ports, () => approvalReply(device, box, side, reply, serial))
      if (done.ok) afterOpen()
      return done
    },
    recoverStart: (input) => serial(() => recoverStart(device, box, input)),
    recoverFinish: async (newPassword) => {
      const made = await serial(() => recoverFinish(device, box, newPassword))
      if (made.ok) afterOpen()
      return made
    },

    freezeAccount: async () => {
      const frozen = await changing(() => freezeAccount(device))
      if (frozen.ok) await keyferry.lock()
      return frozen
    },
    thawAccount: () => changing(() => thawAccount(device)),
    waitForThaw: () => changing(() => waitForThaw(device, box)),

    resetLease: (input) => changing(() => resetLease(device, input)),
    approveLeaseReset: (id) => changing(() => approveLeaseReset(device, id)),
    denyLeaseReset: (id) => online(() => denyLeaseReset(device, id)),

    accountPolicy: () => serial(async () => accountPolicy(device)),
    setAccountPolicy: (change) => changing(() => setAccountPolicy(device, change)),
    address: () => online(() => readAddress(device)),
    changeAddress: (address) => online(() => changeAddress(device, address)),
    accountLog: () => online(() => accountLog(device)),

    twoFactorStart: async (input) => {
      const checked =
        input === undefined ? ok(undefined) : await online(() => checkAccountPassword(device, input.password))
      return checked.ok ? call(online, device, (c) => c.transport.json("two-factor.start", {}, c.as)) : checked
    },
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
    twoFactorPasskey: () => online(() => checkPasskey(device)),
    passkeys: () => online(() => listPasskeys(device)),
    passkeyAdd: (input) => changing(() => addPasskey(device, input)),
    passkeyRemove: (input) => changing(() => removePasskey(device, input)),
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
        if (known.ok) await known.value.keepLease?.()
        return known.ok ? setDevicePassword(device, input.newPassword) : known
      }),
    replaceKit: (input) =>
      online(async () => {
        const replaced = await replaceKit(device, input.password)
        if (!replaced.ok) return replaced
        // Whatever stands in the way of this device's own keys now is tried again at its next unlock; the kit is shown once.
        if ((await tidy(device)).ok) live.poke()
        return replaced
      }),
    checkKit: (kitCode) =>
      serial(async () => {
        const checked = await checkKit(device, kitCode)
        if (checked.ok) await noteKitChecked(device)
        return checked
      }),

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
        device.pauseWanted = false
        const synced = await syncNow(device, onProgress)
        if (!synced.ok) return synced
        if (synced.value.paused) return ok({ uploaded: 0 })
        live.start()
        live.poke()
        return ok({ uploaded: chosen.value.length })
      }),
    pauseRetrieve: async () => {
      if (device.retrieve?.paused === false) device.pauseWanted = true
    },
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
        // It may have learnt of its removal a moment ago, from the end of its stream.
        if (device.record?.removed !== undefined) return err({ code: "device-removed" })
        if (!device.settings.syncOn) return err({ code: "sync-not-enabled-here" })
        device.pauseWanted = false
        const done = await syncNow(device, onProgress)
        live.report(done.ok ? undefined : done.error)
        if (!done.ok) return done
        if (done.value.paused) return done
        live.start()
        await removeRetired(device)
        const renewed = await tidy(device)
        if (!renewed.ok) return renewed
        return renewed.value ? syncNow(device) : done
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
    ...repairCalls(device, online, (failure) => live.report(failure)),

    devices: () => online(() => devicesOf(device), reading),
    renameDevice: (id, name) =>
      online(async () => {
        const parsed = parseId("dev", id)
        if (!parsed.ok) return err({ code: "not-found" })
        const done = await putLabel(device, { deviceId: parsed.value, name })
        if (done.ok) live.poke()
        return done
      }),
    approveStart: (id) => startApproving(id),
    approve: async (id, typed) => {
      if (approverSide === undefined || formatId("dev", approverSide.deviceId) !== id) {
        const started = await startApproving(id)
        if (!started.ok) return started
      }
      const side = approverSide
      if (side === undefined) return err({ code: "approval-mismatch", detail: "Start the approval again." })
      approverSide = undefined
      return answering(ports, () => approve(device, side, typed))
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
    // Loaded when it is asked for: readers of archives are a good part of what a browser would fetch at its start.
    exportArchive: (input) => serial(async () => (await import("./archive.ts")).archiveOf(device, input)),
    importArchive: (bytes, key, mode) =>
      answering(ports, async () => (await import("./archive.ts")).restoreArchive(device, bytes, key, mode)),
    rescue: (kitCode, newPassword) => serial(() => rescue(device, kitCode, newPassword)),
  }
  return ok(Object.freeze(keyferry))
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
