import { ok } from "@keyferry/base"
import { kindsTable } from "@keyferry/items"

import type { CommandSpec } from "../command.ts"
import { table } from "../table.ts"

export const command: CommandSpec = {
  name: "kinds",
  summary: "the kinds of items and their fields",
  run: async (context) => {
    const rows = kindsTable()
    context.io.answer(
      { schema: "kf.kinds/1", data: rows, nextCursor: null },
      table(
        context.io,
        ["KIND", "NAME", "CREDENTIAL", "CLASS", "FIELDS"],
        rows.map((row) => [
          row.kind,
          row.label,
          row.credential ? "yes" : "no",
          row.class,
          row.fields.length === 0
            ? "any variable"
            : row.fields.map((field) => `${field.name}${field.required ? "*" : ""}`).join(" "),
        ]),
      ),
    )
    if (!context.io.json) context.io.say("* must be given. An exchange key has the fields of its exchange.")
    return ok("done")
  },
}
