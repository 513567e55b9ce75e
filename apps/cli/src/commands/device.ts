import { err, ok, type Result } from "@keyferry/base"
import { matchName } from "@keyferry/items"
import { failure, type Failure } from "@keyferry/sdk/errors"
import { deviceOfScan } from "@keyferry/sdk/scan-text"

import { type CommandSpec, type Ending, type OptionValues, textOption } from "../command.ts"
import { type Context, confirmed, openVault, withStepUp } from "../context.ts"
import { needsTerminal, usage } from "../failures.ts"
import { count, iso, when } from "../format.ts"
import { printable } from "../io.ts"
import type { DeviceInfo, Keyferry } from "../keyferry.ts"
import { showProgress } from "../progress.ts"
import { table } from "../table.ts"
import { nameSome, rotationDocument, rotationTable } from "../views.ts"

const HOW: Readonly<Record<DeviceInfo["how"], string>> = {
  first: "made the account",
  device: "approved by a device",
  kit: "by the kit",
  passkey: "by a passkey",
  recovery: "by recovery",
  none: "",
}

const list = async (context: Context): Promise<Ending> => {
  const keyferry = await openVault(context)
  if (!keyferry.ok) return keyferry
  const devices = await keyferry.value.devices()
  if (!devices.ok) return devices
  const nowMs = context.clock.nowMs()
  const zone = context.env["TZ"]
  context.io.answer(
    {
      schema: "kf.devices/1",
      data: devices.value.map((device) => ({
        id: device.id,
        name: device.name,
        platform: device.platform,
        state: device.state,
        isThis: device.isThis,
        how: device.how,
        addedAt: iso(device.addedAtMs),
        lastSeenAt: iso(device.lastSeenMs),
        oldKit: device.oldKit,
        ...(device.leaseResetAtMs === undefined ? {} : { leaseResetAt: iso(device.leaseResetAtMs) }),
      })),
      nextCursor: null,
    },
    table(
      context.io,
      ["NAME", "STATE", "ADDED", "LAST SEEN", "PLATFORM", "ID"],
      devices.value.map((device) => [
        `${printable(device.name)}${device.isThis ? " (this one)" : ""}`,
        `${device.state}${device.oldKit ? ", still opens with the old kit" : ""}`,
        `${when(device.addedAtMs, nowMs, zone)}${HOW[device.how] === "" ? "" : `, ${HOW[device.how]}`}`,
        device.isThis ? "now" : when(device.lastSeenMs, nowMs, zone),
        printable(device.platform),
        device.id,
      ]),
    ),
  )
  const waiting = devices.value.filter((device) => isWaiting(device) && !device.isThis)
  for (const device of waiting) {
    if (!context.io.json)
      context.io.say(
        `“${printable(device.name)}” waits: kf device approve ${device.id}, or kf device deny ${device.id} if it is not yours.`,
      )
  }
  return ok("done")
}

const isWaiting = (device: DeviceInfo): boolean =>
  device.state === "pending" || device.state === "confirmed" || device.leaseResetAtMs !== undefined

/** By id or by name. Errors: not-found; ambiguous-reference with the ids. */
const findDevice = async (
  keyferry: Keyferry,
  text: string,
  among: (device: DeviceInfo) => boolean = () => true,
): Promise<Result<DeviceInfo, Failure>> => {
  const devices = await keyferry.devices()
  if (!devices.ok) return devices
  const candidates = devices.value.filter(among)
  const byId = candidates.find((device) => device.id === text)
  if (byId !== undefined) return ok(byId)
  const match = matchName(
    "item",
    text,
    candidates.map((device) => ({ id: device.id, name: device.name, device })),
  )
  if (match.ok) return ok(match.value.device)
  return err(
    match.error.code === "ambiguous"
      ? failure("ambiguous-reference", `They are ${match.error.candidates.join(", ")}.`)
      : failure("not-found", "No such device: kf device ls lists them."),
  )
}

const approve = async (context: Context, [named]: readonly string[], options: OptionValues): Promise<Ending> => {
  const scan = textOption(options, "qr")
  const scanned = scan === undefined ? undefined : deviceOfScan(scan)
  if (scan !== undefined && scanned === undefined)
    return err(usage("That is not the text of a device's QR code: it starts with keyferry-device."))
  const keyferry = await openVault(context)
  if (!keyferry.ok) return keyferry
  const wanted = named ?? scanned
  const device =
    wanted === undefined
      ? await onlyWaiting(context, keyferry.value)
      : await findDevice(keyferry.value, wanted, isWaiting)
  if (!device.ok) return device
  const { id, name } = device.value
  if (device.value.leaseResetAtMs !== undefined) return openLease(context, keyferry.value, device.value)
  if (context.prompter !== undefined && context.settings.secrets === undefined) {
    context.io.warn(
      `“${printable(name)}” (${printable(device.value.platform)}) will hold all your synced keys. Take ${scan === undefined ? "the words" : "its code"} from its own screen, not from a message.`,
    )
  }
  const typed = scan === undefined ? await askWords(context, keyferry.value, device.value) : ok(scan)
  if (!typed.ok) return typed
  const answer = await withStepUp(context, keyferry.value, () => keyferry.value.approve(id, typed.value))
  if (!answer.ok) return answer
  // Shown at once: the other device waits for them, and only then is this finished.
  if (context.io.json) context.io.answer({ schema: "kf.words/1", device: id, reply: answer.value.reply }, [])
  else context.io.line(`Type these two words on “${printable(name)}”:  ${answer.value.reply.join("  ")}`)
  context.setResume("The approval goes on in the agent until the words are typed there.")
  const done = await answer.value.done
  context.setResume(undefined)
  if (!done.ok) return done
  context.io.say(`“${printable(name)}” is approved and has the keys.`)
  return ok("done")
}

/** The three words, or the text of the QR code: whoever has no camera pastes it. */
const askWords = async (context: Context, keyferry: Keyferry, device: DeviceInfo): Promise<Result<string, Failure>> => {
  const name = printable(device.name)
  const given = context.secrets.given("words")
  if (!given.ok) return given
  if (given.value === undefined) {
    // The other device shows its words only after this one has answered it.
    const started = await withStepUp(context, keyferry, () => keyferry.approveStart(device.id))
    if (!started.ok) return started
  }
  return context.secrets.ask("words", {
    prompt: `The three words that “${name}” shows, or the text of its QR code:`,
    shown: true,
    missing: needsTerminal(`“${name}” shows its words now; run this again with words=… in --secrets-stdin.`),
  })
}

/** A device that was locked out and has signed in again: nothing of the account is added, so there are no words to compare. */
const openLease = async (context: Context, keyferry: Keyferry, device: DeviceInfo): Promise<Ending> => {
  const name = printable(device.name)
  const go = await confirmed(context, `Ten failed unlocks locked “${name}”. Is it in your hands, and was that you?`)
  if (!go.ok) return go
  if (!go.value) return err(failure("not-allowed", `You said no; kf device deny ${device.id} stops it.`))
  const approveIt = () => keyferry.approveLeaseReset(device.id)
  const opened = await withStepUp(context, keyferry, approveIt)
  if (!opened.ok) return opened
  context.io.answer({ schema: "kf.device/1", id: device.id, state: "active" }, [
    `“${name}” may be opened again with its own password.`,
  ])
  return ok("done")
}

const onlyWaiting = async (context: Context, keyferry: Keyferry): Promise<Result<DeviceInfo, Failure>> => {
  const devices = await keyferry.devices()
  if (!devices.ok) return devices
  const waiting = devices.value.filter((device) => isWaiting(device) && !device.isThis)
  const [only] = waiting
  if (only === undefined) return err(failure("not-found", "No device waits for approval."))
  if (waiting.length === 1) return ok(only)
  if (context.prompter === undefined)
    return err(failure("ambiguous-reference", `They are ${waiting.map((device) => device.id).join(", ")}.`))
  const choice = await context.prompter.choose(
    "Which one?",
    waiting.map((device) => `${printable(device.name)}, ${printable(device.platform)}, ${device.id}`),
  )
  if (!choice.ok) return choice
  return ok(waiting[choice.value] ?? only)
}

const REASONS = ["retired", "lost", "unknown"] as const
type Reason = (typeof REASONS)[number]

const remove = async (context: Context, [wanted = ""]: readonly string[], options: OptionValues): Promise<Ending> => {
  const keyferry = await openVault(context)
  if (!keyferry.ok) return keyferry
  const device = await findDevice(keyferry.value, wanted)
  if (!device.ok) return device
  const reason = await askReason(context, options)
  if (!reason.ok) return reason
  const name = printable(device.value.name)
  context.io.say(`Removing “${name}” disables every key on it and gives the rest of the account new keys.`)
  context.io.say(
    "What exists only there, and edits that it has not sent, are lost; nothing can be exported from it afterwards.",
  )
  context.io.say(
    "It wipes itself at its next contact; until then its disk and its password still open standard items, so change those values.",
  )
  const go = await confirmed(context, `Remove “${name}” for good?`)
  if (!go.ok) return go
  if (!go.value) return err(failure("not-allowed", "You said no; nothing was removed."))
  const kit = context.secrets.given("kit")
  if (!kit.ok) return kit
  const view = showProgress(context, "The removal is done; the keys rotate in the agent: kf rotate ls")
  const input = { id: device.value.id, reason: reason.value }
  let removed = await withStepUp(context, keyferry.value, () =>
    keyferry.value.removeDevice(kit.value === undefined ? input : { ...input, kitCode: kit.value }, view.on),
  )
  if (!removed.ok && removed.error.code === "device-is-last" && kit.value === undefined) {
    context.io.say(
      "It is the last device of the account: only the kit brings the keys back, so its code is checked first.",
    )
    const code = await context.secrets.ask("kit", {
      prompt: "Code of your recovery kit:",
      shown: true,
      missing: removed.error,
    })
    if (!code.ok) return code
    removed = await keyferry.value.removeDevice({ ...input, kitCode: code.value }, view.on)
  }
  view.end()
  if (!removed.ok) return removed
  const { rotation, rotatedVaults, replaceKit } = removed.value
  context.io.answer(
    {
      schema: "kf.device-removed/1",
      id: device.value.id,
      name: device.value.name,
      rotatedVaults,
      replaceKit,
      rotation: rotationDocument(rotation),
    },
    [
      `“${name}” is removed; ${count(rotatedVaults, "vault")} under new keys.`,
      ...(rotation.length === 0
        ? ["It could read nothing that needs to be changed."]
        : [
            "",
            `It could read ${count(rotation.length, "secret")}, worst first. Replace them where they are used; kf rotate done REF ticks one off:`,
            ...rotationTable(context.io, rotation),
          ]),
    ],
  )
  if (replaceKit) {
    context.io.warn("Whoever has that device may know your kit. Replace it now: kf kit")
  }
  return ok("done")
}

const askReason = async (context: Context, options: OptionValues): Promise<Result<Reason, Failure>> => {
  const given = REASONS.find((reason) => reason === textOption(options, "reason"))
  if (given !== undefined) return ok(given)
  if (context.prompter === undefined) return err(needsTerminal("Say why: --reason retired, lost or unknown."))
  const choice = await context.prompter.choose("Why?", [
    "I do not use it any more (it is still mine)",
    "It is lost or stolen",
    "I do not know this device",
  ])
  return choice.ok ? ok(REASONS[choice.value] ?? "unknown") : choice
}

export const command: CommandSpec = {
  name: "device",
  summary: "the devices of your account",
  run: list,
  subcommands: [
    { name: "ls", summary: "list them", run: list },
    {
      name: "approve",
      summary: "let a waiting device in, after comparing words or by its QR code",
      args: "[device]",
      options: [{ flags: "--qr <text>", text: "what its QR code says, instead of the three words" }],
      run: approve,
    },
    {
      name: "deny",
      summary: "refuse a waiting device; it gets nothing",
      args: "<device>",
      run: async (context, [wanted = ""]) => {
        const keyferry = await openVault(context)
        if (!keyferry.ok) return keyferry
        const device = await findDevice(keyferry.value, wanted, isWaiting)
        if (!device.ok) return device
        if (device.value.leaseResetAtMs !== undefined) {
          const stopped = await keyferry.value.denyLeaseReset(device.value.id)
          if (!stopped.ok) return stopped
          context.io.answer({ schema: "kf.device/1", id: device.value.id, state: "lease-locked" }, [
            `“${printable(device.value.name)}” stays locked. If that was not you, remove it: kf device remove ${device.value.id}`,
          ])
          return ok("done")
        }
        const denied = await keyferry.value.denyDevice(device.value.id)
        if (!denied.ok) return denied
        context.io.answer({ schema: "kf.device/1", id: device.value.id, state: "rejected" }, [
          `“${printable(device.value.name)}” was refused and can never come back with these keys. If you did not expect it, change your password: kf password --exposed`,
        ])
        return ok("done")
      },
    },
    {
      name: "rename",
      summary: "give a device another name",
      args: "<device> <name>",
      run: async (context, [wanted = "", name = ""]) => {
        if (name.trim() === "" || name.length > 64) return err(usage("A name has 1 to 64 characters."))
        const keyferry = await openVault(context)
        if (!keyferry.ok) return keyferry
        const device = await findDevice(keyferry.value, wanted)
        if (!device.ok) return device
        const renamed = await keyferry.value.renameDevice(device.value.id, name.trim())
        if (!renamed.ok) return renamed
        context.io.answer({ schema: "kf.device/1", id: device.value.id, name: name.trim() }, [
          `${nameSome([device.value.name])} is now ${nameSome([name.trim()])}.`,
        ])
        return ok("done")
      },
    },
    {
      name: "remove",
      summary: "disable a device, rotate the keys, and list what it could read",
      args: "<device>",
      options: [{ flags: "--reason <why>", text: "retired, lost or unknown", choices: REASONS }],
      run: remove,
    },
  ],
}
