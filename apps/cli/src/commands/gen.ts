import { err, ok } from "@keyferry/base"

import { type CommandSpec, type OptionValues, textOption } from "../command.ts"
import { usage } from "../failures.ts"
import { SSH_KEY_TYPES, toSshKeyType } from "../ssh-fields.ts"
import { generatePassword, generateWords, passwordBits } from "../generate.ts"

const DEFAULT_WORDS = 6

export const command: CommandSpec = {
  name: "gen",
  summary: "make a password, words or an SSH key; nothing is stored",
  options: [
    { flags: "--words <n>", text: "that many words (10 bits each), 6 unless told" },
    { flags: "--len <n>", text: "characters instead of words" },
    {
      flags: "--ssh <type>",
      text: "an SSH key; kf add ssh-key TITLE --generate TYPE keeps one",
      choices: SSH_KEY_TYPES,
    },
    { flags: "--comment <text>", text: "comment of the SSH key" },
  ],
  run: async (context, _args, options) => {
    if (["words", "len", "ssh"].filter((name) => options[name] !== undefined).length > 1) {
      return err(usage("--words, --len and --ssh exclude each other."))
    }
    if (options["ssh"] !== undefined) {
      const { generateSshKey } = await import("@keyferry/ssh-agent")
      const key = generateSshKey(
        toSshKeyType(textOption(options, "ssh")) ?? "ed25519",
        textOption(options, "comment") ?? "",
      )
      context.io.answer({ schema: "kf.generated/1", ...key }, [key.privateKey.trimEnd()])
      if (!context.io.json) context.io.say(key.publicKey)
      return ok("done")
    }
    if (options["len"] !== undefined) {
      const length = numberOf(options, "len", 12, 512)
      if (length === undefined) return err(usage("--len takes a number from 12 to 512."))
      const value = generatePassword(length, context.random)
      context.io.answer({ schema: "kf.generated/1", value, bits: passwordBits(length) }, [value])
      return ok("done")
    }
    const howMany = options["words"] === undefined ? DEFAULT_WORDS : numberOf(options, "words", 5, 64)
    if (howMany === undefined) return err(usage("--words takes a number from 5 to 64."))
    const { WORDS } = await import("../words.ts")
    const value = generateWords(howMany, WORDS, context.random)
    context.io.answer({ schema: "kf.generated/1", value, bits: howMany * Math.log2(WORDS.length) }, [value])
    return ok("done")
  },
}

const numberOf = (options: OptionValues, name: string, least: number, most: number): number | undefined => {
  const text = textOption(options, name) ?? ""
  const value = Number(text)
  return /^\d{1,4}$/.test(text) && value >= least && value <= most ? value : undefined
}
