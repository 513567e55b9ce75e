import { err, ok, type Result } from "@keyferry/base"
import { failure, type Failure } from "@keyferry/sdk/errors"

import { type CommandSpec, flagOption, type OptionValues, textOption } from "../command.ts"
import { type Context, openVault } from "../context.ts"
import { usage } from "../failures.ts"
import { count } from "../format.ts"
import { printable } from "../io.ts"
import type { ItemSummary, Keyferry } from "../keyferry.ts"
import { nameSome } from "../views.ts"
import { writeArchive } from "./export.ts"

interface Leaving {
  readonly unsynced: readonly ItemSummary[]
  readonly waiting: number
  readonly lastDevice: boolean
  readonly address: string
}

export const command: CommandSpec = {
  name: "logout",
  summary: "sign out and clear this device, after saying what would be lost",
  options: [
    { flags: "--keep", text: "only sign out: the sealed store stays and the device stays in the account" },
    { flags: "--sync-first", text: "send what waits before" },
    { flags: "--export <file>", text: "write an age archive of everything here before" },
    { flags: "--confirm <sentence>", text: "the sentence that the refusal shows, for scripts, together with --yes" },
  ],
  more: ["kf lock closes the vault and keeps everything. A cleared device comes back with kf login, as a new one."],
  run: async (context, _args, options) => {
    const keep = flagOption(options, "keep")
    if (keep && options["export"] !== undefined) return err(usage("--keep clears nothing, so nothing needs an export."))
    const connected = await context.connect()
    if (!connected.ok) return connected
    if ((await connected.value.keyferry.status()).mode === "none")
      return err(failure("signed-out", "There is nothing to sign out of on this profile."))
    const opened = await openVault(context)
    if (!opened.ok) return opened
    const keyferry = opened.value
    if (keep) {
      const out = await keyferry.signOut({ clear: false, confirmed: true })
      if (!out.ok) return out
      context.io.answer({ schema: "kf.signed-out/1", cleared: false }, [
        "Signed out. The sealed store stays here and opens with your password: kf unlock",
      ])
      return ok("done")
    }
    if (flagOption(options, "syncFirst")) {
      const synced = await keyferry.syncNow()
      if (!synced.ok) return synced
    }
    const exportTo = textOption(options, "export")
    if (exportTo !== undefined) {
      const written = await writeArchive(context, keyferry, exportTo, [])
      if (!written.ok) return written
    }
    const leaving = await keyferry.leaving()
    if (!leaving.ok) return leaving
    const allowed = await guard(context, leaving.value, options)
    if (!allowed.ok) return allowed
    const last = leaving.value.lastDevice ? await guardLast(context, keyferry, leaving.value) : ok({})
    if (!last.ok) return last
    const out = await keyferry.signOut({ clear: true, confirmed: true, ...last.value })
    if (!out.ok) return out
    context.io.answer({ schema: "kf.signed-out/1", cleared: true }, [
      "Signed out. Nothing of your vault is left on this device.",
    ])
    return ok("done")
  },
}

/** What must be typed before something is lost; the number in it makes a copied answer to another question fail. */
export const lossSentence = (leaving: Pick<Leaving, "unsynced" | "waiting">): string => {
  const parts = [
    ...(leaving.unsynced.length > 0 ? [count(leaving.unsynced.length, "item")] : []),
    ...(leaving.waiting > 0 ? [count(leaving.waiting, "unsent edit")] : []),
  ]
  return `lose ${parts.join(" and ")}`
}

const guard = async (context: Context, leaving: Leaving, options: OptionValues): Promise<Result<void, Failure>> => {
  const { io, settings } = context
  const loses = leaving.unsynced.length > 0 || leaving.waiting > 0
  if (!loses) {
    if (settings.yes) return ok(undefined)
    if (context.prompter === undefined)
      return err(failure("needs-terminal", "Pass --yes to clear this device; everything on it is synced."))
    const go = await context.prompter.confirm("Everything here is synced. Sign out and clear this device?", true)
    if (!go.ok) return go
    return go.value ? ok(undefined) : err(failure("not-allowed", "You said no; nothing was cleared."))
  }
  const sentence = lossSentence(leaving)
  const named = [
    ...(leaving.unsynced.length > 0
      ? [
          `${nameSome(
            leaving.unsynced.map((item) => item.title),
            10,
          )} ${leaving.unsynced.length === 1 ? "exists" : "exist"} only on this device.`,
        ]
      : []),
    ...(leaving.waiting > 0 ? [`${count(leaving.waiting, "edit")} not sent yet.`] : []),
  ].join(" ")
  const refusal = failure(
    "unsynced-loss",
    `${named} Clearing destroys them, and nobody can bring them back. The sentence is: ${sentence}`,
  )
  if (textOption(options, "confirm") !== undefined) {
    return settings.yes && textOption(options, "confirm") === sentence ? ok(undefined) : err(refusal)
  }
  if (context.prompter === undefined || settings.yes) return err(refusal)
  io.warn(named)
  for (const item of leaving.unsynced) io.warn(`  ${printable(item.title)}  ${item.kind}  ${printable(item.summary)}`)
  io.warn("Clearing this device destroys them, and nobody can bring them back.")
  const choice = await context.prompter.choose("What now?", [
    "Stop, and keep everything",
    "Stop, so that I can sync them (kf synced REF) or export them (kf export archive)",
    "Clear all the same",
  ])
  if (!choice.ok) return choice
  if (choice.value !== 2) return err(refusal)
  const typed = await context.prompter.text(`Type “${sentence}”:`)
  if (!typed.ok) return typed
  return typed.value.trim() === sentence ? ok(undefined) : err(refusal)
}

/** The last device of an account: the kit proves that there is a way back, or the address is typed under the loss. */
const guardLast = async (
  context: Context,
  keyferry: Keyferry,
  leaving: Leaving,
): Promise<Result<{ readonly kitCode?: string; readonly typedAddress?: string }, Failure>> => {
  const given = context.secrets.given("kit")
  if (!given.ok) return given
  if (given.value !== undefined) return ok({ kitCode: given.value })
  if (context.prompter === undefined)
    return err(
      failure("device-is-last", "Pass the kit's code as kit=… with --secrets-stdin; it is checked and kept nowhere."),
    )
  const { prompter } = context
  prompter.show("This is the last device of the account. Only your recovery kit brings its keys back.")
  const code = await prompter.text("Code of your kit (Enter if you do not have it):")
  if (!code.ok) return code
  if (code.value.trim() !== "") return ok({ kitCode: code.value })
  const items = await keyferry.list()
  if (!items.ok) return items
  const typed = await prompter.text(
    `Without the kit ${count(items.value.length, "item")} will be lost for ever. To lose them, type ${leaving.address}:`,
  )
  return typed.ok ? ok({ typedAddress: typed.value.trim() }) : typed
}
