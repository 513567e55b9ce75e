import { ok } from "@keyferry/base"

import { findAgent } from "../agent/connect.ts"
import { createRemoteKeyferry } from "../agent/remote.ts"
import type { CommandSpec } from "../command.ts"

export const command: CommandSpec = {
  name: "lock",
  summary: "close the vault on this device now",
  run: async (context) => {
    // Nothing is open where no agent runs, so none is started for this.
    const channel = await findAgent({ folder: context.settings.folder, who: context.who, say: context.io.say })
    if (channel !== undefined) await createRemoteKeyferry(channel).lock()
    channel?.close()
    context.io.answer({ schema: "kf.locked/1", lock: "locked" }, ["Locked."])
    return ok("done")
  },
}
