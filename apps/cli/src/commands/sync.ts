import { err, ok } from "@keyferry/base"
import { failure } from "@keyferry/sdk/errors"

import { type CommandSpec, type Ending, type OptionValues } from "../command.ts"
import { type Context, confirmed, openVault, withStepUp } from "../context.ts"
import { usage } from "../failures.ts"
import { count } from "../format.ts"
import { showProgress } from "../progress.ts"
import { syncOn } from "../wizard/sync-on.ts"
import { askElsewhere, ELSEWHERE } from "./local.ts"

const syncNow = async (context: Context): Promise<Ending> => {
  const keyferry = await openVault(context)
  if (!keyferry.ok) return keyferry
  const view = showProgress(context, "The agent goes on by itself; kf status shows how far it is.")
  const synced = await keyferry.value.syncNow(view.on)
  view.end()
  if (!synced.ok) return synced
  const { sync } = await keyferry.value.status()
  context.io.answer(
    {
      schema: "kf.synced/1",
      sent: synced.value.sent,
      received: synced.value.received,
      waiting: sync.waiting,
      conflicts: sync.conflicts,
    },
    [
      `Sent ${synced.value.sent}, received ${synced.value.received}.${sync.waiting > 0 ? ` ${sync.waiting} still waiting.` : ""}`,
      ...(sync.conflicts > 0 ? [`${count(sync.conflicts, "item has", "items have")} two versions: kf conflicts`] : []),
    ],
  )
  return ok(sync.conflicts > 0 ? CONFLICTS_REMAIN : "done")
}

const CONFLICTS_REMAIN = 10

const credentials = async (
  context: Context,
  [word = ""]: readonly string[],
  options: OptionValues,
): Promise<Ending> => {
  if (word !== "on" && word !== "off") return err(usage("kf sync credentials takes on or off."))
  const keyferry = await openVault(context)
  if (!keyferry.ok) return keyferry
  let elsewhere: "keep" | "delete" | undefined
  if (word === "off") {
    context.io.say(
      "The server's copies of all credentials and their history are deleted; hosts, groups and snippets go on syncing.",
    )
    const asked = await askElsewhere(context, options, "credentials")
    if (!asked.ok) return asked
    elsewhere = asked.value
  }
  const set = await withStepUp(context, keyferry.value, () =>
    keyferry.value.setCredentialSync(word === "on", elsewhere),
  )
  if (!set.ok) return set
  context.io.answer({ schema: "kf.sync/1", credentials: word === "on", items: set.value.items }, [
    word === "on"
      ? `Credentials sync again in this vault; ${count(set.value.items, "item")} to be merged and sent.`
      : `Credentials stay on the devices that have them; ${count(set.value.items, "copy", "copies")} deleted at the server. If such a device is lost, its credentials are lost.`,
  ])
  return ok("done")
}

const auto = async (context: Context, [word = ""]: readonly string[]): Promise<Ending> => {
  if (word !== "on" && word !== "off") return err(usage("kf sync auto takes on or off."))
  const keyferry = await openVault(context)
  if (!keyferry.ok) return keyferry
  const set = await keyferry.value.setAutomaticSync(word === "on")
  if (!set.ok) return set
  context.io.answer({ schema: "kf.sync/1", autoNew: word === "on" }, [
    word === "on"
      ? "New items are synced by themselves; those you have stay as they are."
      : "New items stay on this device until you say kf synced REF.",
  ])
  return ok("done")
}

export const command: CommandSpec = {
  name: "sync",
  summary: "sync now; or turn it on, off, and say what it carries",
  run: syncNow,
  subcommands: [
    { name: "now", summary: "send and receive now", run: syncNow },
    {
      name: "on",
      summary: "second factor, confirmation, choice; run it again to go on where it stopped",
      options: [
        { flags: "--items <which>", text: "items to upload: all, none, or titles and ids separated by commas" },
        { flags: "--auto-new", text: "sync new items by themselves" },
        { flags: "--no-auto-new", text: "keep new items here until told" },
        { flags: "--wait", text: "without a terminal: wait for the confirmation instead of exit 8" },
        { flags: "--resend", text: "ask for a new mail; the old link dies" },
      ],
      run: (context, _args, options) => syncOn(context, options),
    },
    {
      name: "off",
      summary: "stop sync on this device; nothing is deleted anywhere",
      run: async (context) => {
        const keyferry = await openVault(context)
        if (!keyferry.ok) return keyferry
        const { sync } = await keyferry.value.status()
        if (sync.waiting > 0) {
          const go = await confirmed(
            context,
            `${count(sync.waiting, "change")} not sent yet; other devices will not see ${sync.waiting === 1 ? "it" : "them"}. Stop sync here?`,
          )
          if (!go.ok) return go
          if (!go.value) return err(failure("not-allowed", "You said no; sync stays on."))
        }
        const off = await keyferry.value.syncOff()
        if (!off.ok) return off
        context.io.answer({ schema: "kf.sync/1", on: false }, [
          "Sync is off on this device. Its items stay here, the server keeps its copies, your other devices go on.",
        ])
        return ok("done")
      },
    },
    {
      name: "resume",
      summary: "take sync up again after the account was suspended",
      run: async (context) => {
        const keyferry = await openVault(context)
        if (!keyferry.ok) return keyferry
        const resumed = await withStepUp(context, keyferry.value, () => keyferry.value.syncResume())
        if (!resumed.ok) return resumed
        context.io.answer({ schema: "kf.sync/1", on: true }, ["Sync goes on."])
        return ok("done")
      },
    },
    {
      name: "credentials",
      summary: "whether this vault's credentials sync at all: on or off",
      args: "<state>",
      options: [ELSEWHERE],
      run: credentials,
    },
    { name: "auto", summary: "whether new items sync by themselves: on or off", args: "<state>", run: auto },
  ],
}
