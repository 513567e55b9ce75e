import { err, ok } from "@keyferry/base"
import { failure } from "@keyferry/sdk/errors"

import type { CommandSpec } from "../command.ts"
import { SECRET_NAMES } from "../secrets.ts"

const TOPICS: Readonly<Record<string, readonly string[]>> = {
  codes: [
    "Exit codes",
    "  0  done                                   7  cannot reach the server",
    "  1  failed otherwise                       8  state of the account: sync off, limit, not confirmed",
    "  2  wrong usage                            9  needs a decision: a flag or a terminal",
    "  3  not found, or ambiguous               10  partly done: skipped items, conflicts remain",
    "  4  sign-in or unlock needed              11  integrity: cannot decrypt, wrong server",
    "  5  not allowed                           12  incompatible version",
    "  6  changed elsewhere                    124  timed out        130  stopped by Ctrl-C",
  ],
  secrets: [
    "Secrets never stand in arguments or the environment. They come from a prompt, or:",
    "  --password-stdin     all of stdin is the password       --password-fd N   the same from a descriptor",
    "  --secrets-stdin      name=value lines on stdin          --secrets-fd N    the same from a descriptor",
    `Names: ${SECRET_NAMES.join(", ")}, and field:NAME for a field of an item.`,
    "A field of an item is also name=- (stdin) or name=@FILE.",
  ],
  compat: [
    "Documents of --json gain fields within a major version and lose none; exit codes, names in the environment,",
    "references and the flags here change only in a major version, after one minor version of warnings.",
  ],
  refs: [
    "An item is named by its title, its id (itm_…), or kf://VAULT/TITLE; a field by kf://VAULT/TITLE/FIELD, TITLE/FIELD,",
    "or a second word. ~ is the default vault. Outside letters, digits and -._~ characters are percent-encoded; a space may stand.",
    "kf://id:itm_…/FIELD stays right when the title changes. Queries: ?version=N, ?attribute=otp.",
  ],
}

export const command: CommandSpec = {
  name: "help",
  summary: "help for a command, or one of: codes, secrets, refs, compat",
  args: "[topic]",
  run: async (context, [topic]) => {
    const lines = topic === undefined ? undefined : TOPICS[topic]
    if (lines !== undefined) {
      context.io.answer({ schema: "kf.help/1", topic, lines }, lines)
      return ok("done")
    }
    if (topic !== undefined && !context.catalogue.names.includes(topic)) {
      return err(
        failure(
          "not-found",
          `There is no help on that; topics are ${Object.keys(TOPICS).join(", ")}, and every command.`,
        ),
      )
    }
    if (context.io.json) {
      const names = topic === undefined ? context.catalogue.names : [topic]
      const specs = await Promise.all(names.map((name) => context.catalogue.load(name)))
      context.io.answer(
        {
          schema: "kf.commands/1",
          data: specs.flatMap((spec) => (spec === undefined ? [] : describe(spec, ""))),
          nextCursor: null,
        },
        [],
      )
      return ok("done")
    }
    return ok(await context.catalogue.help(topic))
  },
}

/** The command and everything below it, as data: for completion of other shells, docs and tests. */
const describe = (spec: CommandSpec, prefix: string): readonly Readonly<Record<string, unknown>>[] => {
  const path = `${prefix}${spec.name}`
  return [
    {
      path,
      summary: spec.summary,
      runs: spec.run !== undefined,
      args: spec.args?.split(" ") ?? [],
      options: (spec.options ?? []).map((option) => ({
        flags: option.flags,
        text: option.text,
        ...(option.choices === undefined ? {} : { choices: option.choices }),
      })),
    },
    ...(spec.subcommands ?? []).flatMap((sub) => describe(sub, `${path} `)),
  ]
}
