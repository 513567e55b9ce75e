import { err, ok, type Result } from "@keyferry/base"
import type { Failure } from "@keyferry/sdk/errors"

import { type CommandSpec, textOption } from "../command.ts"
import { type Context } from "../context.ts"
import { needsTerminal, oneLine } from "../failures.ts"
import { readSmallFile, readTextFile } from "../field-input.ts"
import { count } from "../format.ts"
import { openOrCreate } from "./add.ts"

const MAX_ARCHIVE_BYTES = 64 * 1024 * 1024
const PARTLY_DONE = 10

export const command: CommandSpec = {
  name: "import",
  summary: "bring items in",
  subcommands: [
    {
      name: "archive",
      summary: "an archive that kf export archive made",
      args: "<file>",
      options: [
        {
          flags: "--mode <what>",
          text: "what is here already: skip (unless told) or keep-both",
          choices: ["skip", "keep-both"],
        },
        { flags: "--identity-file <file>", text: "an age identity instead of a passphrase" },
      ],
      run: async (context, [file = ""], options) => {
        const bytes = file === "-" ? context.secrets.stdinBytes("the archive") : readSmallFile(file, MAX_ARCHIVE_BYTES)
        if (!bytes.ok) return bytes
        const key = await keyOf(context, textOption(options, "identityFile"))
        if (!key.ok) return key
        const keyferry = await openOrCreate(context)
        if (!keyferry.ok) return keyferry
        const mode = textOption(options, "mode") === "keep-both" ? "keep-both" : "skip"
        const imported = await keyferry.value.importArchive(bytes.value, key.value, mode)
        if (!imported.ok) return imported
        const { added, skipped, different, refused } = imported.value
        context.io.answer({ schema: "kf.import/1", added, skipped, different, refused }, [
          `Added ${count(added, "item")}${skipped > 0 ? `, skipped ${skipped} that were here already` : ""}.`,
          ...(different.length > 0
            ? [
                `${count(different.length, "item")} of these differ from the archive and stayed as they are (--mode keep-both brings both):`,
                ...different.map((line) => `  ${oneLine(line)}`),
              ]
            : []),
          ...(refused.length > 0
            ? [`${count(refused.length, "item")} could not be read:`, ...refused.map((line) => `  ${oneLine(line)}`)]
            : []),
        ])
        return ok(refused.length > 0 ? PARTLY_DONE : "done")
      },
    },
  ],
}

const keyOf = async (
  context: Context,
  identityFile: string | undefined,
): Promise<Result<{ readonly passphrase: string } | { readonly identity: string }, Failure>> => {
  if (identityFile !== undefined) {
    const text = readTextFile(identityFile)
    if (!text.ok) return text
    const identity = text.value.split("\n").find((line) => line.startsWith("AGE-SECRET-KEY-"))
    return identity === undefined
      ? err(needsTerminal("The file holds no AGE-SECRET-KEY- line.", "usage-wrong"))
      : ok({ identity: identity.trim() })
  }
  const identity = context.secrets.given("archive-identity")
  if (!identity.ok) return identity
  if (identity.value !== undefined) return ok({ identity: identity.value })
  const passphrase = await context.secrets.ask("archive-passphrase", {
    prompt: "Passphrase of the archive:",
    missing: needsTerminal("Pass archive-passphrase=… with --secrets-stdin, or use --identity-file."),
  })
  return passphrase.ok ? ok({ passphrase: passphrase.value }) : passphrase
}
