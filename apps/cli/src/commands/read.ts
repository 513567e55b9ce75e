import { chmodSync, closeSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from "node:fs"
import process from "node:process"

import { err, ok, type Result } from "@keyferry/base"
import { failure, type Failure } from "@keyferry/sdk/errors"

import { type CommandSpec, textOption } from "../command.ts"
import { type Context, openVault } from "../context.ts"
import { oneLine, usage } from "../failures.ts"
import { findField, type FoundField, splitTitleAndField, whyMissing } from "../find.ts"

export const command: CommandSpec = {
  name: "read",
  summary: "print one field, and nothing else",
  args: "<ref> [field]",
  options: [
    { flags: "-n, --no-newline", text: "do not end with a line break" },
    { flags: "-o, --output <file>", text: "write it to a file instead" },
    { flags: "--mode <octal>", text: "mode of that file, 0600 unless told" },
  ],
  more: [
    '  kf read "Bybit main" secret      kf read "Bybit main/secret"      kf read kf://Personal/Bybit%20main/secret',
    "Queries: ?version=3 an old revision, ?attribute=otp the code of this moment.",
  ],
  run: async (context, [ref = "", field], options) => {
    const mode = textOption(options, "mode") ?? "0600"
    if (!/^0?[0-7]{3}$/.test(mode)) return err(usage("--mode takes an octal number such as 0600."))
    const found = await readReference(context, ref, field)
    if (!found.ok) return found
    const { value } = found.value
    const newline = options["newline"] === false || value.endsWith("\n") ? "" : "\n"
    const output = textOption(options, "output")
    if (output !== undefined) {
      const written = writeFileWhole(output, `${value}${newline}`, Number.parseInt(mode, 8))
      if (!written.ok) return written
      context.io.say(`Written to ${oneLine(output)}.`)
      return ok("done")
    }
    if (context.io.json) {
      context.io.answer(
        { schema: "kf.value/1", id: found.value.item.id, field: found.value.name, secret: found.value.secret, value },
        [],
      )
    } else {
      context.io.write(`${value}${newline}`)
    }
    return ok("done")
  },
}

/** The value that a reference means, its queries applied. */
export const readReference = async (
  context: Context,
  ref: string,
  field?: string,
): Promise<Result<FoundField, Failure>> => {
  const keyferry = await openVault(context)
  if (!keyferry.ok) return keyferry
  const items = await keyferry.value.list()
  if (!items.ok) return items
  const split = splitTitleAndField(ref, items.value, context.settings.vault)
  if (!split.ok) return err(await whyMissing(keyferry.value, split.error))
  const { item, reference } = split.value
  const wanted =
    field === undefined
      ? (reference ?? (split.value.field === undefined ? undefined : { field: split.value.field }))
      : { field }
  if (wanted === undefined) return err(usage("Which field? kf read REF FIELD, or kf get REF shows them all."))
  const query = reference?.query ?? new Map<string, string>()
  const unknown = [...query.keys()].find((name) => name !== "version" && name !== "attribute")
  if (unknown !== undefined)
    return err(usage(`The query “${oneLine(unknown)}” is not known; there are version and attribute.`))
  const view = await keyferry.value.get(item.id)
  if (!view.ok) return view
  const version = query.get("version")
  let fields = view.value
  if (version !== undefined) {
    const history = await keyferry.value.history(item.id)
    if (!history.ok) return history
    const old = history.value.find((revision) => String(revision.rev) === version)
    if (old === undefined)
      return err(failure("not-found", `“${oneLine(item.title)}” has no revision of this number: kf history ${item.id}`))
    fields = { ...view.value, title: old.title, fields: old.fields }
  }
  const found = await findField(keyferry.value, fields, wanted)
  if (!found.ok || query.get("attribute") === undefined) return found
  if (query.get("attribute") !== "otp") return err(usage("The attribute known is otp."))
  const { otpNow } = await import("../otp-now.ts")
  const otp = otpNow(found.value.value, context.clock.nowMs())
  return otp.ok ? ok({ ...found.value, value: otp.value.code }) : otp
}

/** Beside the target first, then moved over it: a reader never meets half a secret, and its mode holds from the start. */
export const writeFileWhole = (path: string, bytes: string | Uint8Array, mode: number): Result<void, Failure> => {
  const fresh = `${path}.${process.pid}.part`
  try {
    const fd = openSync(fresh, "wx", mode)
    try {
      const buffer = typeof bytes === "string" ? Buffer.from(bytes) : bytes
      for (let at = 0; at < buffer.length;) at += writeSync(fd, buffer, at)
      fsyncSync(fd)
    } finally {
      closeSync(fd)
    }
    chmodSync(fresh, mode)
    renameSync(fresh, path)
    return ok(undefined)
  } catch (error) {
    rmSync(fresh, { force: true })
    const full = error instanceof Error && "code" in error && error.code === "ENOSPC"
    return err(full ? failure("store-full") : failure("not-allowed", `${oneLine(path)} cannot be written.`))
  }
}
