import process from "node:process"

import { ok } from "@keyferry/base"
import { PROTOCOL_VERSION } from "@keyferry/sdk/errors"

import type { CommandSpec } from "../command.ts"
import { VERSION } from "../version.ts"

export const command: CommandSpec = {
  name: "version",
  summary: "print the version",
  run: async (context) => {
    context.io.answer(
      { schema: "kf.version/1", version: VERSION, protocol: PROTOCOL_VERSION, node: process.versions.node },
      [`kf ${VERSION}`],
    )
    return ok("done")
  },
}
