import { err, ok } from "@keyferry/base"
import { failure } from "@keyferry/sdk/errors"

import { type CommandSpec, flagOption } from "../command.ts"
import { withStepUp } from "../context.ts"

export const command: CommandSpec = {
  name: "thaw",
  summary: "end a freeze: with your second factor, or after 72 hours",
  options: [{ flags: "--wait", text: "without the second factor: wait 72 hours, of which every device is told" }],
  run: async (context, _args, options) => {
    const connected = await context.connect()
    if (!connected.ok) return connected
    const { keyferry } = connected.value
    const status = await keyferry.status()
    if (status.mode !== "account" && status.enrolment === undefined)
      return err(failure("signed-out", "Thawing is for an account: kf login URL signs in."))
    const thawed = flagOption(options, "wait")
      ? await keyferry.waitForThaw()
      : await withStepUp(context, keyferry, () => keyferry.thawAccount())
    if (!thawed.ok) return thawed
    context.io.answer({ schema: "kf.account/1", frozen: false }, [
      "The account is thawed. Open this device with kf unlock, look at kf device ls, and change your password if somebody knew it: kf password",
    ])
    return ok("done")
  },
}
