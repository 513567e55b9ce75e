import { err, ok } from "@keyferry/base"
import { failure } from "@keyferry/sdk/errors"

import type { CommandSpec } from "../command.ts"
import { openVault } from "../context.ts"
import { findField, splitTitleAndField, whyMissing } from "../find.ts"
import { otpNow } from "../otp-now.ts"

export const command: CommandSpec = {
  name: "otp",
  summary: "print the one-time code of this moment",
  args: "<ref>",
  run: async (context, [ref = ""]) => {
    const keyferry = await openVault(context)
    if (!keyferry.ok) return keyferry
    const items = await keyferry.value.list()
    if (!items.ok) return items
    const split = splitTitleAndField(ref, items.value, context.settings.vault)
    if (!split.ok) return err(await whyMissing(keyferry.value, split.error))
    const view = await keyferry.value.get(split.value.item.id)
    if (!view.ok) return view
    const wanted = split.value.reference ?? { field: split.value.field ?? "otp" }
    const found = await findField(keyferry.value, view.value, wanted)
    const field =
      found.ok || split.value.field !== undefined
        ? found
        : await findField(keyferry.value, view.value, { field: "twofa" })
    if (!field.ok) return err(failure("not-found", "This item has no one-time password."))
    const otp = otpNow(field.value.value, context.clock.nowMs())
    if (!otp.ok) return otp
    const left = otp.value.leftS === undefined ? {} : { leftS: otp.value.leftS }
    context.io.answer({ schema: "kf.otp/1", id: view.value.id, code: otp.value.code, ...left }, [otp.value.code])
    if (otp.value.leftS !== undefined && context.io.terminal.stderr && !context.io.json)
      context.io.say(`good for ${otp.value.leftS} s`)
    return ok("done")
  },
}
