import process from "node:process"

import { err, ok, type Result } from "@keyferry/base"
import type { Failure } from "@keyferry/sdk/errors"

import { type CommandSpec, listOption, textOption } from "../command.ts"
import { type Context, openVault } from "../context.ts"
import { needsTerminal, oneLine, usage } from "../failures.ts"
import { readTextFile } from "../field-input.ts"
import type { Keyferry } from "../keyferry.ts"
import { writeFileWhole } from "./read.ts"

export const command: CommandSpec = {
  name: "export",
  summary: "take everything with you",
  subcommands: [
    {
      name: "archive",
      summary: "one age file with all items; opens with the stock age tool and jq, without us",
      options: [
        { flags: "-o, --output <file>", text: "where it goes (0600); - for stdout" },
        {
          flags: "--recipient <age1…>",
          text: "seal it to this age recipient instead of a passphrase; may be repeated",
          repeat: true,
        },
        { flags: "--recipients-file <file>", text: "recipients, one a line" },
      ],
      more: ["  kf export archive -o keys.age && age -d keys.age > keys.tar"],
      run: async (context, _args, options) => {
        const output = textOption(options, "output")
        if (output === undefined && (context.io.terminal.stdout || context.io.json)) {
          return err(usage("Where to? -o FILE, or -o - into a pipe."))
        }
        const recipients = [...listOption(options, "recipient")]
        const file = textOption(options, "recipientsFile")
        if (file !== undefined) {
          const text = readTextFile(file)
          if (!text.ok) return text
          recipients.push(
            ...text.value
              .split("\n")
              .map((line) => line.trim())
              .filter((line) => line !== "" && !line.startsWith("#")),
          )
        }
        if (recipients.some((recipient) => !/^age1[a-z0-9]+$/.test(recipient)))
          return err(usage("An age recipient begins with age1."))
        const keyferry = await openVault(context)
        if (!keyferry.ok) return keyferry
        const written = await writeArchive(context, keyferry.value, output ?? "-", recipients)
        if (!written.ok) return written
        if (output !== undefined && output !== "-") {
          context.io.answer({ schema: "kf.export/1", file: output, bytes: written.value }, [
            `Everything is in ${oneLine(output)}, ${written.value} bytes.`,
          ])
        }
        return ok("done")
      },
    },
  ],
}

/** Also the last step before `kf logout` clears. Gives the size in bytes. */
export const writeArchive = async (
  context: Context,
  keyferry: Keyferry,
  output: string,
  recipients: readonly string[],
): Promise<Result<number, Failure>> => {
  let key: { readonly passphrase: string } | { readonly recipients: readonly string[] } = { recipients }
  if (recipients.length === 0) {
    const passphrase = await context.secrets.ask("archive-passphrase", {
      prompt: "Passphrase of the archive (not your account's):",
      twice: true,
      missing: needsTerminal("Pass archive-passphrase=… with --secrets-stdin, or use --recipient."),
    })
    if (!passphrase.ok) return passphrase
    key = { passphrase: passphrase.value }
  }
  const archive = await keyferry.exportArchive(key)
  if (!archive.ok) return archive
  if (output === "-") {
    await new Promise((resolve) => process.stdout.write(archive.value, resolve))
    return ok(archive.value.length)
  }
  const written = writeFileWhole(output, archive.value, 0o600)
  return written.ok ? ok(archive.value.length) : written
}
